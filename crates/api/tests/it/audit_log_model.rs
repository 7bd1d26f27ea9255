//! Random entries and random questions: the answers are those of a plain filter over all entries,
//! however far the index is.

use app::testing::{self, ManualClock};
use domain::{Access, Resource};
use policy::{Policy, Specifier};
use serde_json::{Value, json};

use crate::support::{Options, TestApp};

/// Xorshift: what a seed gives is the same on every machine.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // It gives nothing but zeros after a zero.
        Self(seed.wrapping_mul(7_919).max(1))
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    pub(crate) fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        self.pick::<&str>(words)
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let count = u64::try_from(items.len()).expect("fits");
        &items[usize::try_from(self.below(count)).expect("fits")]
    }

    pub(crate) fn is_one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

const NAMES: &[&str] = &["Checkout", "check in", "ÄÖ Straße", "a", "aB", "beta,gamma", "x:y", "Search 2"];
const KINDS: &[&str] = &["flag", "segment", "flag", "flag", "metric"];
const KEYS: &[&str] = &["one", "two", "three", "four-five"];
const MEMBERS: &[&str] = &["m1", "m2", "m3"];
const TOKENS: &[&str] = &["k1", "k2"];
const ACTIONS: &[&str] = &["updateOn", "createFlag", "deleteFlag"];

fn entry(random: &mut Random, number: u64) -> Value {
    let kind = random.one_of(KINDS);
    let key = random.one_of(KEYS);
    let environment = random.one_of(&["production", "test"]);
    let tag = random.one_of(&["", ";beta", ";beta,eu"]);
    let mut accesses = vec![json!({
        "action": random.one_of(ACTIONS), "resource": format!("proj/shop:env/{environment}:{kind}/{key}{tag}"),
    })];
    if random.is_one_in(4) {
        accesses.push(json!({"action": random.one_of(ACTIONS), "resource": format!("proj/shop:{kind}/{key}")}));
    }
    let mut entry = json!({"_id": format!("e{number}"), "kind": kind, "key": key, "accesses": accesses});
    if !random.is_one_in(6) {
        entry["name"] = random.one_of(NAMES).into();
    }
    if !random.is_one_in(8) {
        // Few dates, so that many entries share one.
        let at = i64::try_from(random.below(40) * 700_000).expect("fits");
        entry["date"] = (ManualClock::START - at).into();
    }
    if !random.is_one_in(3) {
        entry["member"] = json!({"_id": random.one_of(MEMBERS)});
    }
    if random.is_one_in(3) {
        entry["token"] = json!({"_id": random.one_of(TOKENS)});
    }
    if random.is_one_in(5) {
        entry["target"] = json!({"resources": [format!("proj/web:{kind}/{key}")]});
    }
    entry
}

/// A question, and what it asks for in the words of the model.
#[derive(Debug, Default)]
struct Question {
    query: String,
    q: Option<String>,
    kind: Option<&'static str>,
    key: Option<&'static str>,
    spec: Option<&'static str>,
    statements: Option<Value>,
    members: Vec<&'static str>,
    tokens: Vec<&'static str>,
    after: Option<i64>,
    before: Option<i64>,
}

fn question(random: &mut Random) -> Question {
    let mut asked = Question::default();
    let mut put = |name: &str, value: &str| {
        let value = value.replace('%', "%25").replace('+', "%2B").replace(' ', "+").replace(';', "%3B");
        asked.query.push_str(&format!("&{name}={value}"));
    };
    match random.below(5) {
        0 => {
            let part = random.one_of(&["check", "STRASSE", "straße", "b", "ä", "a,g", "four", "nothing", "ch", "2"]);
            put("q", part);
            asked.q = Some(part.to_lowercase());
        }
        1 => {
            let (kind, key) = (random.one_of(KINDS), random.one_of(KEYS));
            put("q", &format!("kind:{kind},key:{key}"));
            (asked.kind, asked.key) = (Some(kind), Some(key));
        }
        _ => {}
    }
    if random.is_one_in(3) {
        let member = random.one_of(&["m1", "m2", "nobody"]);
        put("member", member);
        asked.members.push(member);
        if random.is_one_in(2) {
            put("member", "m3");
            asked.members.push("m3");
        }
    }
    if random.is_one_in(4) {
        let token = random.one_of(TOKENS);
        put("token", token);
        asked.tokens.push(token);
    }
    let mut time = |name: &str, random: &mut Random| {
        random.is_one_in(3).then(|| {
            let at = ManualClock::START - i64::try_from(random.below(40) * 700_000).expect("fits");
            put(name, &at.to_string());
            at
        })
    };
    (asked.after, asked.before) = (time("after", random), time("before", random));
    match random.below(4) {
        0 => {
            let specs = [
                "proj/*:env/production:flag/*",
                "proj/shop:env/*:flag/one",
                "proj/shop:env/*:segment/*;beta",
                "proj/*:*/*",
                "proj/*:metric/t*",
                "proj/web:flag/*",
                "acct",
            ];
            let specs: Vec<_> = specs.into_iter().filter(|spec| Specifier::parse(spec).is_ok()).collect();
            let spec = random.one_of(&specs);
            put("spec", spec);
            asked.spec = Some(spec);
        }
        1 => {
            let allow = random.one_of(&["proj/shop:env/*:flag/*", "proj/*:env/test:segment/*", "proj/*:flag/two"]);
            let side = random.one_of(&["resources", "notResources"]);
            let mut statements = vec![json!({"effect": "allow", side: [allow, "acct"], "actions": ["*"]})];
            if random.is_one_in(2) {
                let resources = ["proj/*:env/*:flag/*;eu"];
                statements.push(json!({"effect": "deny", "resources": resources, "notActions": ["create*"]}));
            }
            asked.statements = Some(statements.into());
        }
        _ => {}
    }
    asked
}

/// An entry as the model has it.
struct Known {
    date: i64,
    sequence: u64,
    value: Value,
}

fn fits(asked: &Question, known: &Known) -> bool {
    let text = |name: &str| known.value[name].as_str().unwrap_or_default();
    let id_of = |name: &str| known.value[name]["_id"].as_str().unwrap_or_default();
    let accesses: Vec<Access> = known.value["accesses"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|access| Access {
            action: access["action"].as_str().expect("text").to_owned(),
            resource: Resource::parse(access["resource"].as_str().expect("text")).expect("is valid"),
        })
        .collect();
    let target = known.value["target"]["resources"][0].as_str().map(|text| Resource::parse(text).expect("is valid"));
    let name = if text("name").is_empty() { text("key") } else { text("name") };
    asked.q.as_ref().is_none_or(|q| name.to_lowercase().contains(q))
        && asked.kind.is_none_or(|kind| text("kind") == kind)
        && asked.key.is_none_or(|key| text("key") == key)
        && (asked.members.is_empty() || asked.members.contains(&id_of("member")))
        && (asked.tokens.is_empty() || asked.tokens.contains(&id_of("token")))
        && asked.after.is_none_or(|after| known.date > after)
        && asked.before.is_none_or(|before| known.date < before)
        && asked.spec.is_none_or(|spec| {
            let spec = Specifier::parse(spec).expect("is valid");
            accesses.iter().map(|access| &access.resource).chain(&target).any(|resource| spec.matches(resource))
        })
        && asked
            .statements
            .as_ref()
            .is_none_or(|statements| Policy::parse(statements).expect("is valid").allows(&accesses))
}

struct Model {
    app: TestApp,
    random: Random,
    known: Vec<Known>,
}

impl Model {
    async fn start(seed: u64) -> Self {
        let server = testing::Options { indexes: false, ..testing::Options::default() };
        let app = TestApp::with(Options { server, ..Options::default() }).await;
        // The entry that records the admin token.
        let first = app.entries().await.remove(0);
        let mut value: Value = serde_json::from_slice(&first.bytes).expect("is JSON");
        value["_id"] = first.id.as_str().into();
        let known = vec![Known { date: first.facts().date().as_millis(), sequence: first.sequence.0, value }];
        Self { app, random: Random::new(seed), known }
    }

    async fn ingest(&mut self) {
        let first = self.known.len();
        let entries: Vec<Value> = (0..self.random.below(40) + 1)
            .map(|at| entry(&mut self.random, u64::try_from(first).expect("fits") + at))
            .collect();
        let reply = self.app.ingest("/ingest/entries", &[], Value::from(entries.clone()).to_string()).await.expect(202);
        let sequence = reply.body["firstSequence"].as_u64().expect("a number");
        for (sequence, value) in (sequence..).zip(entries) {
            let date = value["date"].as_i64().unwrap_or(ManualClock::START);
            self.known.push(Known { date, sequence, value });
        }
    }

    /// Asks for all pages, with more entries coming in between, and compares.
    async fn ask(&mut self) {
        let asked = question(&mut self.random);
        let mut expected: Vec<_> = self.known.iter().filter(|known| fits(&asked, known)).collect();
        expected.sort_by_key(|known| std::cmp::Reverse((known.date, known.sequence)));
        let expected: Vec<String> =
            expected.iter().map(|known| known.value["_id"].as_str().expect("text").to_owned()).collect();
        let limit = self.random.below(20) + 1;
        let mut next = Some(format!("/api/v2/auditlog?limit={limit}{}", asked.query));
        let mut walked: Vec<String> = Vec::new();
        while let Some(path) = next {
            let page = match &asked.statements {
                Some(statements) => self.app.admin("POST", &path, statements.clone()).await,
                None => self.app.admin("GET", &path, Value::Null).await,
            };
            let page = page.expect(200).body;
            let ids = page["items"].as_array().expect("a list").iter().filter_map(|item| item["_id"].as_str());
            walked.extend(ids.map(str::to_owned));
            next = page["_links"]["next"]["href"].as_str().map(str::to_owned);
            if self.random.is_one_in(10) {
                self.ingest().await;
            }
            if self.random.is_one_in(3) {
                let entries = usize::try_from(self.random.below(90)).expect("fits");
                self.app.server.index(entries).await;
            }
        }
        assert_eq!(walked, expected, "{asked:?}");
    }

    /// Counts the same way as it lists.
    async fn count(&mut self) {
        let asked = question(&mut self.random);
        if asked.after.is_some() || asked.before.is_some() || asked.spec.is_some() {
            return;
        }
        let from = ManualClock::START - 28_000_000;
        let (to, buckets) = (ManualClock::START + 1, self.random.below(30) + 1);
        let path = format!("/api/v2/auditlog/counts?after={from}&before={to}&buckets={buckets}{}", asked.query);
        let body = asked.statements.clone().unwrap_or_else(|| json!([]));
        let counted = self.app.admin("POST", &path, body).await.expect(200).body;
        let interval = counted["bucketIntervalMs"].as_i64().expect("a number");
        let mut expected = vec![0_u64; usize::try_from(buckets).expect("fits")];
        for known in self.known.iter().filter(|known| fits(&asked, known)) {
            expected[usize::try_from((known.date - from) / interval).expect("fits")] += 1;
        }
        let counts: Vec<u64> = counted["buckets"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|bucket| bucket["count"].as_u64().expect("a number"))
            .collect();
        assert_eq!(counts, expected, "{asked:?}");
        assert_eq!(counted["totalCount"], expected.iter().sum::<u64>(), "{asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_questions_are_answered_as_a_plain_filter_answers_them() {
    for seed in 1..=4 {
        let mut model = Model::start(seed).await;
        for _ in 0..12 {
            if model.random.is_one_in(2) {
                model.ingest().await;
            }
            model.ask().await;
            model.count().await;
        }
    }
}
