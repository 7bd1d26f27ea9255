//! What the model knows, and what it expects of each step.

use std::{collections::HashMap, time::Duration};

use app::{Grant, testing::ManualClock};
use serde_json::{Value, json};

use super::{
    patch::{self, Refused},
    steps::{Step, What},
    things::{Kind, mask, role_of},
};
use crate::support::{ADMIN, Reply, TestApp};

/// An id that nothing has.
const UNKNOWN: &str = "66f0c0ffee0000000000ffff";
/// Things that are never changed: the first admin token, and that of the operator.
const LASTING: usize = 2;

/// What a request is to be answered: a status with members of the body, or a failure.
pub(super) type Expected = Result<(u16, Value), (u16, &'static str)>;

pub(super) struct Account {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) ranges: Value,
    pub(super) suspended: Option<String>,
    /// Entries in order; none for those that the server wrote.
    pub(super) log: Vec<Option<Logged>>,
    /// Idempotency keys with the body and the answer that they stand for.
    pub(super) keys: HashMap<&'static str, (String, Value)>,
}

pub(super) struct Logged {
    pub(super) id: String,
    pub(super) entry: Value,
}

/// A subscription, a webhook or a token.
pub(super) struct Thing {
    pub(super) kind: Kind,
    pub(super) account: usize,
    pub(super) id: String,
    pub(super) document: Value,
    pub(super) is_deleted: bool,
    /// Of a subscription or a webhook.
    pub(super) was_on: bool,
    pub(super) signs: bool,
    /// Of a token.
    pub(super) value: String,
    pub(super) is_service: bool,
    pub(super) member: String,
}

impl Thing {
    /// For whom a token acts.
    fn me(&self) -> &str {
        if self.is_service { &self.id } else { &self.member }
    }

    pub(super) fn role(&self) -> &str {
        role_of(&self.document).expect("a token has a role")
    }
}

/// The tables of docs/tokens.md.
fn may(role: &str, what: &str) -> bool {
    match what {
        "view" => ["admin", "writer", "reader"].contains(&role),
        "change" => ["admin", "writer"].contains(&role),
        "ingest" => ["admin", "ingest"].contains(&role),
        "operate" => role == "operator",
        other => panic!("{other} is nothing that can be done"),
    }
}

fn covers(role: &str, other: &str) -> bool {
    match role {
        "admin" => other != "operator",
        "writer" => ["writer", "reader"].contains(&other),
        _ => role == other,
    }
}

pub(super) fn set_role(document: &mut Value, role: &str) {
    if role == "ingest" { document["customRoleIds"] = json!(["ingest"]) } else { document["role"] = role.into() }
}

/// Whether a token that is made or changed by `caller` would work for longer than that does.
fn outlives(document: &Value, caller: &Thing) -> bool {
    let end = |document: &Value| document["expiry"].as_i64();
    end(&caller.document).is_some_and(|own| end(document).is_none_or(|end| end > own))
}

/// Whether a body holds what is expected: members that are not named are free, and null stands for
/// one that is left out.
fn holds(body: &Value, expected: &Value) -> bool {
    match (body, expected) {
        (Value::Object(members), Value::Object(expected)) => {
            expected.iter().all(|(name, value)| holds(members.get(name).unwrap_or(&Value::Null), value))
        }
        (Value::Array(items), Value::Array(expected)) => {
            items.len() == expected.len() && items.iter().zip(expected).all(|(item, expected)| holds(item, expected))
        }
        _ => body == expected,
    }
}

pub(super) struct World {
    pub(super) app: TestApp,
    pub(super) accounts: Vec<Account>,
    pub(super) things: Vec<Thing>,
}

impl World {
    pub(super) async fn start() -> Self {
        let app = TestApp::start().await;
        // What is made at one time is listed in any order.
        app.server.clock.advance(Duration::from_millis(1));
        let operator = app.token(Grant::Operator).await;
        let mut things = Vec::new();
        let mut account = String::new();
        for value in [ADMIN, operator.as_str()] {
            let identity = app.call(value, "GET", "/api/v2/caller-identity", Value::Null).await.expect(200).body;
            let text = |name: &str| identity[name].as_str().expect("is text").to_owned();
            account = text("accountId");
            let shown = app.admin("GET", &format!("/api/v2/tokens/{}", text("tokenId")), Value::Null).await.body;
            things.push(Thing {
                kind: Kind::Token,
                account: 0,
                id: text("tokenId"),
                document: json!({"name": shown["name"], "description": "", "role": shown["role"]}),
                is_deleted: false,
                was_on: false,
                signs: false,
                value: value.to_owned(),
                is_service: identity["serviceToken"] == true,
                member: text("memberId"),
            });
        }
        let log = app.entries().await.iter().map(|_| None).collect();
        let (name, ranges) = ("default".to_owned(), json!([]));
        let accounts = vec![Account { id: account, name, ranges, suspended: None, log, keys: HashMap::new() }];
        Self { app, accounts, things }
    }

    /// Does one step, and compares the answer.
    pub(super) async fn run(&mut self, step: &Step) -> Result<(), String> {
        self.app.server.clock.advance(Duration::from_millis(1));
        let caller = self.caller(step.caller);
        match &step.what {
            What::Create(kind, body) => self.create(caller, *kind, body).await,
            What::CreateUnknown(body) => {
                let expected = self.let_in(caller, "change").and(Err((404, "not_found")));
                self.ask(caller, "POST", "/api/v2/integrations/nothing", body, expected).await.map(drop)
            }
            What::Get(kind, pick) => self.get(caller, *kind, *pick).await,
            What::List(kind) => self.list(caller, *kind).await,
            What::Change(kind, pick, body) => self.change(caller, *kind, *pick, body).await,
            What::Delete(kind, pick) => self.delete(caller, *kind, *pick).await,
            What::Reset(pick) => self.reset(caller, *pick).await,
            What::Ledger(pick) => self.ledger(caller, *pick).await,
            What::Whoami | What::Members | What::Role(_) => self.identity(caller, &step.what).await,
            What::Ingest { entries, key } => self.ingest(caller, entries, *key).await,
            What::Entry(id) => self.entry(caller, id).await,
            What::Find { key, limit } => self.find(caller, key, *limit).await,
            What::Count { key } => self.count(caller, *key).await,
            What::AccountCreate(body) => self.account_create(caller, body).await,
            What::AccountGet(pick) => self.account_get(caller, *pick).await,
            What::AccountList => {
                let items: Vec<_> = (0..self.accounts.len()).map(|at| self.shown_account(at)).collect();
                let expected = self.let_in(caller, "operate").map(|()| (200, json!({ "items": items })));
                self.ask(caller, "GET", "/api/v2/accounts", &Value::Null, expected).await.map(drop)
            }
            What::AccountToken(pick, body) => self.account_token(caller, *pick, body).await,
            What::Suspend(pick, body) => self.suspend(caller, *pick, body).await,
            What::Resume(pick) => self.resume(caller, *pick).await,
        }
    }

    /// The place of a token among the things; `None` is a value that is no token's.
    fn caller(&self, pick: u64) -> Option<usize> {
        let tokens: Vec<_> = (0..self.things.len()).filter(|at| self.things[*at].kind == Kind::Token).collect();
        match pick % 8 {
            0..=3 => Some(0),
            4 => Some(1),
            _ => tokens.get(usize::try_from(pick / 8).expect("fits") % (tokens.len() + 1)).copied(),
        }
    }

    /// The account of the caller.
    pub(super) fn account(&self, caller: Option<usize>) -> usize {
        caller.map_or(0, |at| self.things[at].account)
    }

    /// Whether the caller is let in at all.
    pub(super) fn authenticate(&self, caller: Option<usize>) -> Result<&Thing, (u16, &'static str)> {
        let now = ManualClock::START;
        let is_over = |token: &&Thing| token.is_deleted || token.document["expiry"].as_i64().is_some_and(|at| at < now);
        let token = caller.map(|at| &self.things[at]).filter(|token| !is_over(token)).ok_or((401, "unauthorized"))?;
        if self.accounts[token.account].suspended.is_some() {
            return Err((403, "account_suspended"));
        }
        Ok(token)
    }

    /// Whether the caller may do something that its role alone decides about.
    pub(super) fn let_in(&self, caller: Option<usize>, what: &str) -> Result<(), (u16, &'static str)> {
        let token = self.authenticate(caller)?;
        if may(token.role(), what) { Ok(()) } else { Err((403, "forbidden")) }
    }

    pub(super) async fn ask(
        &self,
        caller: Option<usize>,
        method: &str,
        path: &str,
        body: &Value,
        expected: Expected,
    ) -> Result<Reply, String> {
        let value = caller.map_or("api-of-nobody", |at| &self.things[at].value);
        let reply = self.app.call(value, method, path, body.clone()).await;
        compare(&format!("{method} {path} {body}"), reply, &expected)
    }

    /// A thing of this kind, whatever the account, or nothing.
    pub(super) fn target(&self, kind: Kind, pick: u64, with_deleted: bool) -> Option<usize> {
        let fits = |thing: &Thing| thing.kind == kind && (with_deleted || !thing.is_deleted);
        let all: Vec<_> = (LASTING..self.things.len()).filter(|at| fits(&self.things[*at])).collect();
        all.get(usize::try_from(pick).expect("fits") % (all.len() + 1)).copied()
    }

    pub(super) fn path(&self, kind: Kind, target: Option<usize>) -> String {
        format!("{}/{}", kind.list(), target.map_or(UNKNOWN, |at| &self.things[at].id))
    }

    /// The target, if the caller may do this to it. Whether there is such a token is told before
    /// whether it may be touched; of subscriptions and webhooks it is the other way round.
    pub(super) fn reach(
        &self,
        caller: Option<usize>,
        kind: Kind,
        target: Option<usize>,
        what: &str,
    ) -> Result<&Thing, (u16, &'static str)> {
        let token = self.authenticate(caller)?;
        let found = target.map(|at| &self.things[at]).filter(|thing| thing.account == token.account);
        if kind != Kind::Token {
            self.let_in(caller, what)?;
            return found.ok_or((404, "not_found"));
        }
        let found = found.ok_or((404, "not_found"))?;
        if self.may_token(token, found, what) { Ok(found) } else { Err((403, "forbidden")) }
    }

    fn may_token(&self, caller: &Thing, token: &Thing, what: &str) -> bool {
        let is_own = !token.is_service && token.member == caller.me();
        match caller.role() {
            "admin" => true,
            role => may(role, what) && (is_own || (what == "view" && token.is_service)),
        }
    }

    /// What the caller has to be shown.
    fn shown(&self, at: usize, caller: &Thing) -> Value {
        let thing = &self.things[at];
        let mut shown = thing.kind.shown(&thing.document);
        shown["_id"] = thing.id.as_str().into();
        shown["_links"] = json!({"self": {"href": self.path(thing.kind, Some(at))}});
        match thing.kind {
            Kind::Token => {
                shown["memberId"] = thing.member.as_str().into();
                shown["serviceToken"] = thing.is_service.into();
                shown["token"] = thing.value[thing.value.len() - 4..].into();
            }
            _ if thing.document["on"] == true => {}
            _ => shown["_delivery"] = json!({"state": if thing.was_on { "paused" } else { "neverOn" }}),
        }
        if thing.kind == Kind::Webhook && !may(caller.role(), "change") {
            shown["secret"] = Value::Null;
        }
        shown
    }

    /// The document of a new thing, if it may be made.
    fn new_document(&self, caller: Option<usize>, kind: Kind, body: &Value) -> Result<Value, (u16, &'static str)> {
        let token = self.authenticate(caller)?;
        self.let_in(caller, "change")?;
        let mut document = kind.normal(body, true).ok_or((400, "invalid_request"))?;
        if kind == Kind::Token {
            let role = role_of(&document).map(str::to_owned);
            let is_service = body["serviceToken"] == true;
            let may_make = token.role() == "admin" || !is_service;
            if !may_make || role.as_ref().is_some_and(|role| !covers(token.role(), role)) {
                return Err((403, "forbidden"));
            }
            set_role(&mut document, role.as_deref().unwrap_or(token.role()));
            if document.get("expiry").is_none()
                && let Some(end) = token.document.get("expiry")
            {
                document["expiry"] = end.clone();
            }
            if outlives(&document, token) {
                return Err((403, "forbidden"));
            }
        }
        Ok(document)
    }

    async fn create(&mut self, caller: Option<usize>, kind: Kind, body: &Value) -> Result<(), String> {
        let document = self.new_document(caller, kind, body);
        let expected = document.clone().map(|document| (kind.created(), kind.shown(&document)));
        let reply = self.ask(caller, "POST", kind.list(), body, expected).await?;
        let Ok(mut document) = document else { return Ok(()) };
        if kind == Kind::Webhook && body["sign"] == true {
            // The server has made one where there was none.
            document["secret"] = reply.body["secret"].clone();
        }
        let account = self.account(caller);
        let member = self.things[caller.expect("it was let in")].me().to_owned();
        self.things.push(Thing {
            kind,
            account,
            id: reply.body["_id"].as_str().ok_or("no id")?.to_owned(),
            was_on: document["on"] == true,
            document,
            is_deleted: false,
            signs: body["sign"] == true,
            value: reply.body["token"].as_str().unwrap_or_default().to_owned(),
            is_service: body["serviceToken"] == true,
            member,
        });
        self.accounts[account].log.push(None);
        Ok(())
    }

    async fn get(&self, caller: Option<usize>, kind: Kind, pick: u64) -> Result<(), String> {
        let target = self.target(kind, pick, false);
        let expected = self.reach(caller, kind, target, "view").and_then(|_| {
            let caller = self.authenticate(caller)?;
            Ok((200, self.shown(target.expect("it was found"), caller)))
        });
        self.ask(caller, "GET", &self.path(kind, target), &Value::Null, expected).await.map(drop)
    }

    async fn list(&self, caller: Option<usize>, kind: Kind) -> Result<(), String> {
        let expected = self.let_in(caller, "view").and_then(|()| {
            let token = self.authenticate(caller)?;
            let is_visible = |thing: &Thing| kind != Kind::Token || self.may_token(token, thing, "view");
            let is_here = |thing: &Thing| thing.kind == kind && thing.account == token.account && !thing.is_deleted;
            let places =
                (0..self.things.len()).filter(|at| is_here(&self.things[*at]) && is_visible(&self.things[*at]));
            let mut items: Vec<_> = places.map(|at| self.shown(at, token)).collect();
            if kind == Kind::Token {
                items.reverse();
            }
            Ok((200, json!({ "items": items })))
        });
        let all = if kind == Kind::Token { "?showAll=true&limit=1000" } else { "" };
        self.ask(caller, "GET", &format!("{}{all}", kind.list()), &Value::Null, expected).await.map(drop)
    }

    /// The thing after a change: its document, and whether it signs.
    fn changed(
        &self,
        caller: Option<usize>,
        kind: Kind,
        target: Option<usize>,
        body: &Value,
    ) -> Result<(Value, bool), (u16, &'static str)> {
        let before = self.reach(caller, kind, target, "change")?;
        let mut document = patch::changed(&before.document, body, &kind.rules()).map_err(|refused| match refused {
            Refused::Impossible if kind == Kind::Token => (422, "unprocessable_entity"),
            Refused::Impossible | Refused::Unreadable => (400, "invalid_request"),
            Refused::OtherValue => (409, "conflict"),
        })?;
        if kind == Kind::Subscription && document["config"]["token"] == mask(&before.document["config"]["token"]) {
            document["config"]["token"] = before.document["config"]["token"].clone();
        }
        let document = kind.normal(&document, false).ok_or((400, "invalid_request"))?;
        if kind == Kind::Token {
            let role = role_of(&document).ok_or((400, "invalid_request"))?;
            let caller = self.authenticate(caller)?;
            let is_beyond = role != before.role() && !covers(caller.role(), role);
            let (end, end_before) = (document["expiry"].as_i64(), before.document["expiry"].as_i64());
            let is_shortened = end.is_some_and(|end| end_before.is_none_or(|before| end < before));
            let gives = !covers(before.role(), role) && outlives(&document, caller);
            if is_beyond || gives || (end != end_before && !is_shortened && outlives(&document, caller)) {
                return Err((403, "forbidden"));
            }
        }
        let same_secret = document.get("secret") == before.document.get("secret");
        let signs = if same_secret { before.signs } else { document.get("secret").is_some() };
        Ok((document, signs))
    }

    async fn change(&mut self, caller: Option<usize>, kind: Kind, pick: u64, body: &Value) -> Result<(), String> {
        let target = self.target(kind, pick, false);
        let changed = self.changed(caller, kind, target, body);
        let expected = changed.clone().map(|(document, _)| (200, kind.shown(&document)));
        self.ask(caller, "PATCH", &self.path(kind, target), body, expected).await?;
        let (Ok((document, signs)), Some(at)) = (changed, target) else { return Ok(()) };
        let thing = &mut self.things[at];
        if (&document, signs) != (&thing.document, thing.signs) {
            self.accounts[thing.account].log.push(None);
        }
        thing.was_on |= document["on"] == true;
        (thing.document, thing.signs) = (document, signs);
        Ok(())
    }

    async fn delete(&mut self, caller: Option<usize>, kind: Kind, pick: u64) -> Result<(), String> {
        let target = self.target(kind, pick, false);
        let expected = self.reach(caller, kind, target, "change").map(|_| (204, Value::Null));
        let is_gone = expected.is_ok();
        self.ask(caller, "DELETE", &self.path(kind, target), &Value::Null, expected).await?;
        if let Some(at) = target.filter(|_| is_gone) {
            self.things[at].is_deleted = true;
            self.accounts[self.things[at].account].log.push(None);
        }
        Ok(())
    }

    async fn reset(&mut self, caller: Option<usize>, pick: u64) -> Result<(), String> {
        let target = self.target(Kind::Token, pick, false);
        let expected = self.reach(caller, Kind::Token, target, "change").and_then(|token| {
            let caller = self.authenticate(caller)?;
            let is_covered = covers(caller.role(), token.role()) && !outlives(&token.document, caller);
            if is_covered { Ok((200, json!({"_id": token.id}))) } else { Err((403, "forbidden")) }
        });
        let is_reset = expected.is_ok();
        let path = format!("{}/reset", self.path(Kind::Token, target));
        let reply = self.ask(caller, "POST", &path, &Value::Null, expected).await?;
        if let Some(at) = target.filter(|_| is_reset) {
            self.things[at].value = reply.body["token"].as_str().ok_or("no value")?.to_owned();
            self.accounts[self.things[at].account].log.push(None);
        }
        Ok(())
    }
}

/// What is wrong with an answer, if anything is.
pub(super) fn compare(asked: &str, reply: Reply, expected: &Expected) -> Result<Reply, String> {
    let (status, body) = match expected {
        Ok((status, body)) => (*status, body.clone()),
        Err((status, code)) => (*status, json!({ "code": code })),
    };
    let is_right = reply.status.as_u16() == status && holds(&reply.body, &body);
    if is_right { Ok(reply) } else { Err(format!("{asked}: {} {} instead of {expected:?}", reply.status, reply.text)) }
}
