//! The control listener: what came, what goes wrong next, what to look for.
//!
//! Its requests are listed in the description of the crate.

use serde_json::{Value, json};

use crate::{fault::Fault, intake::Intake, reply::Reply, request::Request};

pub(crate) fn answer(intake: &Intake, ca_pem: &str, request: &Request) -> Reply {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/healthz") => Reply::text(200, "ok"),
        ("GET", "/ca.pem") => Reply::text(200, ca_pem),
        ("GET", "/summary") => Reply::json(200, &json!(intake.summary())),
        ("GET", "/received") => {
            let received = intake.received(request.parameter("destination").as_deref());
            Reply::json(200, &received.iter().map(crate::Received::json).collect())
        }
        ("DELETE", "/received") => {
            intake.clear();
            Reply::empty(204)
        }
        ("GET", "/faults") => Reply::json(200, &json!(intake.faults())),
        ("DELETE", "/faults") => {
            intake.clear_faults();
            Reply::empty(204)
        }
        ("POST", "/faults") => done(order(intake, &request.body).map(|()| Reply::empty(204))),
        ("POST", "/expect") => {
            done(expect(intake, &request.body).map(|count| Reply::json(200, &json!({"expected": count}))))
        }
        _ => Reply::json(404, &json!({"error": "control has no such request"})),
    }
}

fn done(result: Result<Reply, String>) -> Reply {
    result.unwrap_or_else(|reason| Reply::json(400, &json!({"error": reason})))
}

/// Orders one fault or a list of them, all or none of a list that cannot be read.
fn order(intake: &Intake, body: &[u8]) -> Result<(), String> {
    let orders = match serde_json::from_slice(body).map_err(|error| error.to_string())? {
        Value::Array(orders) => orders,
        order => vec![order],
    };
    let faults = orders.into_iter().map(Fault::from_json).collect::<Result<Vec<_>, _>>()?;
    faults.into_iter().try_for_each(|fault| intake.order(fault))
}

fn expect(intake: &Intake, body: &[u8]) -> Result<usize, String> {
    let sent: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let ids = sent.get("ids").and_then(Value::as_array).ok_or("ids is a list of texts")?;
    let ids = ids.iter().map(Value::as_str).collect::<Option<Vec<_>>>().ok_or("ids is a list of texts")?;
    intake.expect(ids)
}
