//! Random steps: requests whose words come from small sets, so that they meet each other.

use app::testing::ManualClock;
use serde_json::{Value, json};

use super::things::{Kind, some_statements};
use crate::audit_log_model::Random;

/// A request. What it is about is a number, of which the remainder counts among what there is, so
/// that a list of steps keeps its meaning when some are taken out.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Which token is used.
    pub(super) caller: u64,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Create(Kind, Value),
    /// In an integration that there is not.
    CreateUnknown(Value),
    Get(Kind, u64),
    List(Kind),
    Change(Kind, u64, Value),
    Delete(Kind, u64),
    Reset(u64),
    Ledger(u64),
    Whoami,
    Members,
    Role(&'static str),
    Ingest {
        entries: Vec<Value>,
        key: Option<&'static str>,
    },
    Entry(&'static str),
    Find {
        key: &'static str,
        limit: u64,
    },
    Count {
        key: Option<&'static str>,
    },
    AccountCreate(Value),
    AccountGet(u64),
    AccountList,
    AccountToken(u64, Value),
    Suspend(u64, Value),
    Resume(u64),
}

const ENTRY_IDS: &[&str] = &["e0", "e1", "e2", "e3", "e4", "e5", "e6", "e7", "e8", "e9"];
const ENTRY_KEYS: &[&str] = &["1", "2", "3"];

pub(super) fn step(random: &mut Random) -> Step {
    let pick = random.below(1 << 32);
    let kind = Kind::ALL[usize::try_from(random.below(3)).expect("fits")];
    let what = match random.below(40) {
        0..=6 => What::Create(kind, document(random, kind, true)),
        7 => What::CreateUnknown(document(random, Kind::Subscription, true)),
        8..=9 => What::Get(kind, pick),
        10..=11 => What::List(kind),
        12..=20 => What::Change(kind, pick, change(random, kind)),
        21..=22 => What::Delete(kind, pick),
        23 => What::Reset(pick),
        24 => What::Ledger(pick),
        25 => match random.below(3) {
            0 => What::Whoami,
            1 => What::Members,
            _ => What::Role(random.one_of(&["ingest", "admin", "nobody"])),
        },
        26..=30 => What::Ingest {
            entries: (0..random.below(4) + 1).map(|_| entry(random)).collect(),
            key: random.is_one_in(4).then(|| random.one_of(&["k1", "k2", "k3"])),
        },
        31 => What::Entry(random.one_of(ENTRY_IDS)),
        32 => What::Find { key: random.one_of(ENTRY_KEYS), limit: random.below(5) + 1 },
        33 => What::Count { key: (!random.is_one_in(2)).then(|| random.one_of(ENTRY_KEYS)) },
        34 => What::AccountCreate(account(random)),
        35 => What::AccountGet(pick),
        36 => What::AccountList,
        37 => What::AccountToken(pick, document(random, Kind::Token, true)),
        38 => What::Suspend(
            pick,
            one(random, vec![json!({"reason": "late"}), json!({"reason": "gone"}), json!({"reason": ""}), json!([])]),
        ),
        _ => What::Resume(pick),
    };
    Step { caller: random.below(1 << 32), what }
}

fn one(random: &mut Random, mut values: Vec<Value>) -> Value {
    let count = u64::try_from(values.len()).expect("fits");
    values.swap_remove(usize::try_from(random.below(count)).expect("fits"))
}

/// A value for a member, most often a right one.
fn value(random: &mut Random, name: &str) -> Value {
    if random.is_one_in(12) {
        return one(
            random,
            vec![Value::Null, json!(7), json!(""), json!("a\nb"), json!({"a": 1}), json!("a".repeat(257))],
        );
    }
    let values = match name {
        "name" => vec![json!("one"), json!("two"), json!("Ä \"three\"")],
        "description" => vec![json!("what for"), json!("")],
        "on" | "sign" | "serviceToken" => vec![json!(true), json!(false)],
        "tags" => {
            vec![json!([]), json!(["a"]), json!(["a", "b"]), json!(["a", "b", "c"]), json!(["d", "c"]), json!([1])]
        }
        "statements" => vec![json!([]), some_statements(), json!([{"effect": "perhaps"}])],
        "config" => vec![
            config("canary-token-9a9a"),
            config("another-secret-77aa"),
            config("********9a9a"),
            json!({"token": "short"}),
        ],
        "url" => vec![json!("https://127.0.0.1:9/a"), json!("https://127.0.0.1:9/b"), json!("no address")],
        "secret" => vec![json!("s3cr3t"), json!("another"), json!("")],
        "role" => {
            vec![json!("admin"), json!("writer"), json!("reader"), json!("reader"), json!("ingest"), json!("operator")]
        }
        "customRoleIds" => vec![json!(["ingest"]), json!([]), json!(["other"])],
        "expiry" => vec![json!(1), json!(ManualClock::START + 86_400_000), json!(-1)],
        _ => vec![json!("x")],
    };
    one(random, values)
}

fn config(token: &str) -> Value {
    json!({"base-url": "https://splunk.test:8088", "token": token, "skip-ca-verification": false})
}

fn members(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Subscription => &["name", "config", "on", "tags", "statements"],
        Kind::Webhook => &["url", "on", "sign", "name", "secret", "tags", "statements"],
        Kind::Token => &["name", "description", "role", "serviceToken", "customRoleIds", "expiry"],
    }
}

fn document(random: &mut Random, kind: Kind, is_new: bool) -> Value {
    let required = match kind {
        Kind::Subscription => 2,
        Kind::Webhook => 3,
        Kind::Token => 0,
    };
    let mut document = json!({});
    for (place, name) in members(kind).iter().enumerate() {
        // A second power, and an end in the past, would make most tokens useless.
        let is_rare = ["customRoleIds", "expiry"].contains(name);
        let is_wanted = if is_rare { random.is_one_in(10) } else { !random.is_one_in(3) };
        if is_wanted || (is_new && place < required && !random.is_one_in(20)) {
            document[*name] = value(random, name);
        }
    }
    if random.is_one_in(30) { json!([document]) } else { document }
}

fn change(random: &mut Random, kind: Kind) -> Value {
    if random.is_one_in(6) {
        let mut merge = document(random, kind, false);
        if merge.is_object() && random.is_one_in(8) {
            merge["_id"] = json!("mine");
        }
        return json!({"comment": "why", "merge": merge});
    }
    let operations: Vec<Value> = (0..*random.pick(&[0, 1, 1, 1, 2, 2, 3])).map(|_| operation(random, kind)).collect();
    match random.below(20) {
        0 => json!({"instructions": operations}),
        1 => json!({"patch": operations, "merge": {}}),
        2 => json!({"comment": 7, "patch": operations}),
        3..=5 => json!({"comment": "why", "patch": operations}),
        _ => operations.into(),
    }
}

/// A pointer below a member, or to it, most often one that leads somewhere.
fn pointer(random: &mut Random, kind: Kind) -> (&'static str, String) {
    let name = *random.pick(members(kind));
    let below: &[&str] = match name {
        "tags" | "statements" => &["", "/0", "/0", "/1", "/-", "/9", "/01"],
        "config" => &["", "/token", "/base-url", "/skip-ca-verification", "/nope"],
        _ => &["", "", "", "", "/0"],
    };
    (name, format!("/{name}{}", random.one_of(below)))
}

/// A value for what a pointer leads to.
fn value_at(random: &mut Random, name: &str, path: &str) -> Value {
    let values = match path.trim_start_matches('/').split_once('/') {
        Some(("tags", _)) => vec![json!("x"), json!("y"), json!("z"), json!(1)],
        Some(("statements", _)) => vec![some_statements()[0].clone(), json!({})],
        Some(("config", "token")) => vec![json!("********9a9a"), json!("another-secret-77aa"), json!("")],
        Some(("config", "base-url")) => vec![json!("https://other.test"), json!("no address")],
        Some(("config", "skip-ca-verification")) => vec![json!(true), json!(false), Value::Null],
        _ => return value(random, name),
    };
    one(random, values)
}

fn operation(random: &mut Random, kind: Kind) -> Value {
    let (name, path) = pointer(random, kind);
    let path = match random.below(30) {
        0 => "/_id".to_owned(),
        1 => "/kind".to_owned(),
        2 => String::new(),
        3 => "name".to_owned(),
        _ => path,
    };
    let value = value_at(random, name, &path);
    let (_, from) = pointer(random, kind);
    match random.below(16) {
        0..=1 => json!({"op": "add", "path": path, "value": value}),
        2..=3 => json!({"op": "remove", "path": path}),
        4 => json!({"op": "move", "path": path, "from": from}),
        5 => json!({"op": "copy", "path": path, "from": from}),
        6..=7 => json!({"op": "test", "path": path, "value": value}),
        8 => json!({"op": "replace", "path": path}),
        9 => json!({"op": "turn", "path": path, "value": value}),
        _ => json!({"op": "replace", "path": path, "value": value}),
    }
}

fn entry(random: &mut Random) -> Value {
    let key = random.one_of(ENTRY_KEYS);
    let mut entry = json!({"action": random.one_of(&["pay", "void"]), "resource": format!("org/acme:invoice/{key}")});
    if !random.is_one_in(5) {
        entry["_id"] = random.one_of(ENTRY_IDS).into();
    }
    if random.is_one_in(25) {
        entry["resource"] = json!("invoice");
    }
    entry
}

fn account(random: &mut Random) -> Value {
    let names = vec![json!("a1"), json!("a2"), json!("a3"), json!("Not a name"), Value::Null];
    let mut account = json!({"name": one(random, names)});
    if random.is_one_in(2) {
        let ranges = vec![
            json!([]),
            json!(["10.0.0.0/8"]),
            json!(["10.0.0.0/8:443", "fd00::1"]),
            json!(["everything"]),
            Value::Null,
        ];
        account["allowDestinations"] = one(random, ranges);
    }
    account
}
