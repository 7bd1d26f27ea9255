//! What the model expects of the log, of identities and of accounts.

use std::collections::HashMap;

use app::testing::ManualClock;
use axum::{body::Body, http::Request};
use serde_json::{Value, json};

use super::{
    steps::What,
    things::{Kind, role_of},
    world::{Account, Expected, Logged, Thing, World, compare, set_role},
};

/// What is to become of a batch: how it is answered, and the entries that are new.
type Batch = (Value, Vec<(usize, Value)>);

impl World {
    pub(super) async fn identity(&self, caller: Option<usize>, what: &What) -> Result<(), String> {
        let (path, body) = match what {
            What::Whoami => ("/api/v2/caller-identity".to_owned(), None),
            What::Members => ("/api/v2/members".to_owned(), None),
            What::Role(name) => (format!("/api/v2/roles/{name}"), Some(*name)),
            other => return Err(format!("{other:?} asks for no identity")),
        };
        let expected = self.authenticate(caller).and_then(|token| match (what, body) {
            (What::Whoami, _) => Ok((
                200,
                json!({
                    "accountId": self.accounts[token.account].id,
                    "tokenId": token.id,
                    "tokenName": token.document["name"],
                    "memberId": token.member,
                    "serviceToken": token.is_service,
                }),
            )),
            (_, Some("ingest")) => Ok((200, json!({"key": "ingest", "_id": "ingest"}))),
            (_, Some(_)) => Err((404, "not_found")),
            _ => Ok((200, json!({"totalCount": 1, "items": [{"_id": token.member, "role": token.role()}]}))),
        });
        self.ask(caller, "GET", &path, &Value::Null, expected).await.map(drop)
    }

    pub(super) async fn ledger(&self, caller: Option<usize>, pick: u64) -> Result<(), String> {
        let target = self.target(Kind::Subscription, pick, true);
        let expected = self.reach(caller, Kind::Subscription, target, "view").map(|thing| {
            let mut shown = json!({"subscriptionId": thing.id, "name": thing.document["name"]});
            if !thing.was_on {
                shown["start"] = Value::Null;
            }
            (200, shown)
        });
        let is_deleted = target.is_some_and(|at| self.things[at].is_deleted);
        let is_found = expected.is_ok();
        let path = format!("{}/ledger", self.path(Kind::Subscription, target));
        let reply = self.ask(caller, "GET", &path, &Value::Null, expected).await?;
        let is_right = !is_found || reply.body.get("deletedAt").is_some() == is_deleted;
        if is_right { Ok(()) } else { Err(format!("{path}: deleted or not: {}", reply.text)) }
    }

    /// Duplicates, conflicts and new entries, one after the other.
    fn batch(&self, account: usize, entries: &[Value]) -> Result<Batch, (u16, &'static str)> {
        if entries.iter().any(|entry| entry["resource"] == "invoice") {
            return Err((400, "invalid_request"));
        }
        let log = &self.accounts[account].log;
        let stored = log.iter().zip(1..).filter_map(|(entry, sequence)| Some((entry.as_ref()?, sequence)));
        let mut known: HashMap<String, (Value, u64)> =
            stored.map(|(logged, sequence)| (logged.id.clone(), (logged.entry.clone(), sequence))).collect();
        let (mut items, mut new) = (Vec::new(), Vec::new());
        let mut next = u64::try_from(log.len()).expect("fits") + 1;
        for (index, entry) in entries.iter().enumerate() {
            let id = entry["_id"].as_str();
            match id.and_then(|id| known.get(id)) {
                Some((same, sequence)) if same == entry => {
                    items.push(json!({"id": id, "sequence": sequence, "duplicate": true}));
                }
                Some(_) => return Err((409, "id_conflict")),
                None => {
                    known.extend(id.map(|id| (id.to_owned(), (entry.clone(), next))));
                    items.push(json!({"sequence": next, "duplicate": false}));
                    new.push((index, entry.clone()));
                    next += 1;
                }
            }
        }
        let first = (!new.is_empty()).then(|| log.len() + 1);
        let last = first.map(|first| first + new.len() - 1);
        let accepted = new.len();
        let answer = json!({
            "accepted": accepted,
            "duplicates": entries.len() - accepted,
            "firstSequence": first,
            "lastSequence": last,
            "items": items,
        });
        Ok((answer, new))
    }

    pub(super) async fn ingest(
        &mut self,
        caller: Option<usize>,
        entries: &[Value],
        key: Option<&'static str>,
    ) -> Result<(), String> {
        let account = self.account(caller);
        let body = Value::from(entries.to_vec()).to_string();
        let used = key.and_then(|key| self.accounts[account].keys.get(key)).cloned();
        let batch = self.let_in(caller, "ingest").and_then(|()| match &used {
            // What cannot be read is refused before the key is looked at.
            Some((same, answer)) if *same == body => Ok((answer.clone(), Vec::new())),
            Some(_) => self.batch(account, entries).map_or_else(
                |refused| if refused.0 == 400 { Err(refused) } else { Err((422, "idempotency_key_reused")) },
                |_| Err((422, "idempotency_key_reused")),
            ),
            None => self.batch(account, entries),
        });
        let expected = batch.clone().map(|(answer, _)| (202, answer));
        let value = caller.map_or("api-of-nobody", |at| &self.things[at].value);
        let mut request = Request::post("/ingest/entries?ids=true").header("authorization", value);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let reply = self.app.send(request.body(Body::from(body.clone())).expect("a request")).await;
        let is_repeated = used.is_some() && expected.is_ok();
        if reply.headers.contains_key("idempotency-replayed") != is_repeated {
            return Err(format!("ingest of {body} with {key:?}: repeated or not: {}", reply.text));
        }
        let reply = compare(&format!("ingest of {body} with {key:?}"), reply, &expected)?;
        let Ok((_, new)) = batch else { return Ok(()) };
        for (index, entry) in new {
            let id = reply.body["items"][index]["id"].as_str().ok_or("no id")?.to_owned();
            self.accounts[account].log.push(Some(Logged { id, entry }));
        }
        if let Some(key) = key {
            self.accounts[account].keys.insert(key, (body, reply.body));
        }
        Ok(())
    }

    pub(super) async fn entry(&self, caller: Option<usize>, id: &str) -> Result<(), String> {
        let expected = self.let_in(caller, "view").and_then(|()| {
            let log = &self.accounts[self.account(caller)].log;
            let found = log.iter().flatten().find(|logged| logged.id == id).ok_or((404, "not_found"))?;
            Ok((200, shown_entry(found)))
        });
        self.ask(caller, "GET", &format!("/api/v2/auditlog/{id}"), &Value::Null, expected).await.map(drop)
    }

    /// Entries about one invoice, the newest first.
    fn about<'a>(&'a self, caller: Option<usize>, key: &'a str) -> impl Iterator<Item = &'a Logged> {
        let resource = format!("org/acme:invoice/{key}");
        let log = &self.accounts[self.account(caller)].log;
        log.iter().rev().flatten().filter(move |logged| logged.entry["resource"] == resource)
    }

    pub(super) async fn find(&self, caller: Option<usize>, key: &str, limit: u64) -> Result<(), String> {
        let expected = self.let_in(caller, "view").map(|()| {
            let limit = usize::try_from(limit).expect("fits");
            let items: Vec<_> = self.about(caller, key).take(limit).map(shown_entry).collect();
            (200, json!({ "items": items }))
        });
        let path = format!("/api/v2/auditlog?q=kind:invoice,key:{key}&limit={limit}");
        self.ask(caller, "GET", &path, &Value::Null, expected).await.map(drop)
    }

    pub(super) async fn count(&self, caller: Option<usize>, key: Option<&str>) -> Result<(), String> {
        let expected = self.let_in(caller, "view").map(|()| {
            let all = self.accounts[self.account(caller)].log.len();
            let count = key.map_or(all, |key| self.about(caller, key).count());
            (200, json!({"totalCount": count, "buckets": [{"count": count}]}))
        });
        let statements = key
            .map(|key| json!({"effect": "allow", "resources": [format!("org/acme:invoice/{key}")], "actions": ["*"]}));
        let body: Value = statements.into_iter().collect::<Vec<_>>().into();
        let before = ManualClock::START + 1_000_000_000;
        let path = format!("/api/v2/auditlog/counts?after=1&before={before}&buckets=1");
        self.ask(caller, "POST", &path, &body, expected).await.map(drop)
    }

    pub(super) fn shown_account(&self, at: usize) -> Value {
        let account = &self.accounts[at];
        let suspended = account.suspended.as_ref().map(|reason| json!({ "reason": reason }));
        json!({"_id": account.id, "name": account.name, "allowDestinations": account.ranges, "suspended": suspended})
    }

    /// An account and its path, or one that there is not.
    fn some_account(&self, pick: u64) -> (Option<usize>, String) {
        let at = usize::try_from(pick).expect("fits") % (self.accounts.len() + 1);
        let found = self.accounts.get(at);
        (found.map(|_| at), format!("/api/v2/accounts/{}", found.map_or("nobody", |account| &account.name)))
    }

    fn operate(&self, caller: Option<usize>, target: Option<usize>) -> Result<usize, (u16, &'static str)> {
        self.let_in(caller, "operate")?;
        target.ok_or((404, "not_found"))
    }

    pub(super) async fn account_create(&mut self, caller: Option<usize>, body: &Value) -> Result<(), String> {
        let name = body["name"].as_str().filter(|name| *name != "Not a name");
        let ranges = Some(&body["allowDestinations"]).filter(|ranges| !ranges.is_null()).cloned().unwrap_or(json!([]));
        let made = self.let_in(caller, "operate").and_then(|()| {
            let name = name.filter(|_| ranges != json!(["everything"])).ok_or((400, "invalid_request"))?;
            let is_free = self.accounts.iter().all(|account| account.name != name);
            if is_free { Ok(name.to_owned()) } else { Err((409, "conflict")) }
        });
        let expected: Expected =
            made.clone().map(|name| (201, json!({"name": name, "allowDestinations": ranges, "suspended": null})));
        let reply = self.ask(caller, "POST", "/api/v2/accounts", body, expected).await?;
        if let Ok(name) = made {
            let id = reply.body["_id"].as_str().ok_or("no id")?.to_owned();
            let log = vec![None];
            self.accounts.push(Account { id, name, ranges, suspended: None, log, keys: HashMap::new() });
        }
        Ok(())
    }

    pub(super) async fn account_get(&self, caller: Option<usize>, pick: u64) -> Result<(), String> {
        let (target, path) = self.some_account(pick);
        let expected = self.operate(caller, target).map(|at| (200, self.shown_account(at)));
        self.ask(caller, "GET", &path, &Value::Null, expected).await.map(drop)
    }

    pub(super) async fn account_token(&mut self, caller: Option<usize>, pick: u64, body: &Value) -> Result<(), String> {
        let (target, path) = self.some_account(pick);
        let document = self.operate(caller, target).and_then(|_| {
            let mut document = Kind::Token.normal(body, true).ok_or((400, "invalid_request"))?;
            let role = role_of(&document).unwrap_or("admin").to_owned();
            set_role(&mut document, &role);
            Ok(document)
        });
        let expected = document.clone().map(|document| (201, Kind::Token.shown(&document)));
        let reply = self.ask(caller, "POST", &format!("{path}/tokens"), body, expected).await?;
        let (Ok(document), Some(account)) = (document, target) else { return Ok(()) };
        let id = reply.body["_id"].as_str().ok_or("no id")?.to_owned();
        self.things.push(Thing {
            kind: Kind::Token,
            account,
            member: id.clone(),
            id,
            document,
            is_deleted: false,
            was_on: false,
            signs: false,
            value: reply.body["token"].as_str().ok_or("no value")?.to_owned(),
            is_service: true,
        });
        self.accounts[account].log.push(None);
        Ok(())
    }

    pub(super) async fn suspend(&mut self, caller: Option<usize>, pick: u64, body: &Value) -> Result<(), String> {
        let (target, path) = self.some_account(pick);
        let reason = body["reason"].as_str().filter(|reason| !reason.is_empty());
        let suspended = self.operate(caller, target).and_then(|at| {
            // The account default holds the operator's own token.
            reason.filter(|_| at != 0).map(str::to_owned).ok_or((400, "invalid_request"))
        });
        let expected = suspended.clone().map(|reason| (200, json!({"suspended": {"reason": reason}})));
        self.ask(caller, "POST", &format!("{path}/suspend"), body, expected).await?;
        if let (Ok(reason), Some(at)) = (suspended, target) {
            let before = self.accounts[at].suspended.replace(reason);
            if before != self.accounts[at].suspended {
                self.accounts[at].log.push(None);
            }
        }
        Ok(())
    }

    pub(super) async fn resume(&mut self, caller: Option<usize>, pick: u64) -> Result<(), String> {
        let (target, path) = self.some_account(pick);
        let resumed = self.operate(caller, target);
        let expected = resumed.map(|_| (200, json!({"suspended": null})));
        self.ask(caller, "POST", &format!("{path}/resume"), &Value::Null, expected).await?;
        if let Ok(at) = resumed
            && self.accounts[at].suspended.take().is_some()
        {
            self.accounts[at].log.push(None);
        }
        Ok(())
    }
}

fn shown_entry(logged: &Logged) -> Value {
    let access = json!({"action": logged.entry["action"], "resource": logged.entry["resource"]});
    json!({"_id": logged.id, "kind": "invoice", "accesses": [access]})
}
