//! How long searches of the audit log take, by how much is in it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::super::{Bench, Row, Scene, processes::SinkSetup, table::Measured, wait_until};
use crate::{hist::Times, http};

/// Entries of one ingest request, and how many requests are under way.
const BATCH: u64 = 1_000;
const PRODUCERS: usize = 4;
/// Milliseconds between two events.
const EVERY: u64 = 700;
const BEGINNING: u64 = 1_600_000_000_000;
const FLAGS: u64 = 50_000;
/// How often each question is asked, and for how long at most.
const ASKED: u64 = 60;
const ASKED_FOR: Duration = Duration::from_secs(5);
/// What half of the questions and nearly all of them have to be answered within, where an index can help.
const TARGET_MS: (f64, f64) = (50.0, 250.0);
/// How long it is waited until all is indexed.
const INDEX_LIMIT: Duration = Duration::from_secs(1_800);

/// A question: what it is called, whether an index can help, and how it is put for the time `n`.
type Question = (&'static str, bool, fn(n: u64, stored: u64) -> (&'static str, String, Value));

const QUESTIONS: [Question; 12] = [
    ("the newest", true, |_, _| get("limit=20")),
    ("before a date", true, |n, stored| get(&format!("limit=20&before={}", date(n * 7_919 % stored)))),
    ("one flag by name", true, |n, _| get(&format!("q=number+{}+", key(n * 104_729)))),
    ("a common part of names", true, |_, _| get("q=ck")),
    ("a name that is not there", true, |n, _| get(&format!("q=nothing+{n}"))),
    ("one flag by specifier", true, |n, _| get(&format!("spec=proj/*:env/*:flag/flag-{}", key(n * 104_729)))),
    ("kind and key", true, |n, _| get(&format!("q=kind:flag,key:flag-{}", key(n * 104_729)))),
    ("one member, one project", true, |n, _| {
        get(&format!("member=member-{}&spec=proj/p{}:env/*:flag/*", n % 500, n % 20))
    }),
    ("statements", true, |n, _| {
        let allow =
            json!({"effect": "allow", "resources": [format!("proj/p{}:env/*:flag/*", n % 20)], "actions": ["*"]});
        let deny = json!({"effect": "deny", "resources": ["proj/*:env/production:flag/*"], "actions": ["update*"]});
        ("POST", "/api/v2/auditlog?limit=20".to_owned(), json!([allow, deny]))
    }),
    ("statements that allow nothing, one page", false, |_, _| {
        let but = ["proj/*:env/*:flag/*", "acct", "service-token/*"];
        ("POST", "/api/v2/auditlog".to_owned(), json!([{"effect": "allow", "notResources": but, "actions": ["*"]}]))
    }),
    ("counts of all", true, |_, stored| {
        ("POST", format!("/api/v2/auditlog/counts?after={BEGINNING}&before={}", date(stored)), json!([]))
    }),
    ("counts of one flag", true, |n, stored| {
        let resources = [format!("proj/*:env/*:flag/flag-{}", key(n * 104_729))];
        let path = format!("/api/v2/auditlog/counts?after={BEGINNING}&before={}", date(stored));
        ("POST", path, json!([{"effect": "allow", "resources": resources, "actions": ["*"]}]))
    }),
];

pub fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let scene = Scene::start(bench, SinkSetup::default())?;
    let (mut rows, mut stored) = (Vec::new(), 0);
    for wanted in bench.scale.searched {
        let watch = scene.watch();
        let began = Instant::now();
        store(&scene, stored, *wanted)?;
        wait_until_indexed(&scene)?;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let rate = (*wanted - stored) as f64 / began.elapsed().as_secs_f64();
        stored = *wanted;
        let cost = scene.cost(&watch, 0.0);
        bench.remember_peak("searches", &cost);
        let figure = format!("{rate:.0}/s stored and indexed, index {} MiB", index_mib(&scene));
        rows.push(Row::measured(
            &named("into the index", stored),
            Measured { figure, cost: Some(cost), ..Measured::default() },
        ));
        for question in QUESTIONS {
            rows.push(ask(&scene, question, stored)?);
        }
    }
    Ok(rows)
}

fn named(what: &str, stored: u64) -> String {
    format!("search of {stored} entries: {what}")
}

fn ask(scene: &Scene<'_>, (name, is_indexed, put): Question, stored: u64) -> anyhow::Result<Row> {
    let mut times = Times::default();
    let watch = scene.watch();
    let began = Instant::now();
    for n in 0..ASKED {
        if began.elapsed() > ASKED_FOR {
            break;
        }
        let (method, path, body) = put(n, stored);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let asked = Instant::now();
        let answer = http::call(scene.server.address, method, &path, Some(&scene.server.token), body.as_bytes())?;
        times.record(u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX));
        ensure!(answer.status == 200, "{path}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
    }
    let found = times.summary();
    let (p50, p99) = TARGET_MS;
    Ok(Row::measured(
        &named(name, stored),
        Measured {
            figure: format!("p50 {:.1} ms, p99 {:.1} ms", found.p50_ms, found.p99_ms),
            target: if is_indexed { format!("p50 ≤ {p50:.0} ms, p99 ≤ {p99:.0} ms") } else { String::new() },
            met: is_indexed.then_some(found.p50_ms <= p50 && found.p99_ms <= p99),
            cost: Some(scene.cost(&watch, 0.0)),
            ..Measured::default()
        },
    ))
}

fn get(query: &str) -> (&'static str, String, Value) {
    ("GET", format!("/api/v2/auditlog?{query}"), Value::Null)
}

/// Stores the entries from one number to another.
fn store(scene: &Scene<'_>, from: u64, to: u64) -> anyhow::Result<()> {
    let next = AtomicU64::new(from);
    let produce = || -> anyhow::Result<()> {
        loop {
            let first = next.fetch_add(BATCH, Ordering::Relaxed);
            if first >= to {
                return Ok(());
            }
            let entries: Vec<String> = (first..(first + BATCH).min(to)).map(entry).collect();
            let body = format!("[{}]", entries.join(","));
            let token = Some(scene.server.token.as_str());
            let answer = http::call(scene.server.address, "POST", "/ingest/entries", token, body.as_bytes())?;
            ensure!(answer.status == 202, "{} {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
    };
    thread::scope(|scope| {
        let producers: Vec<_> = (0..PRODUCERS).map(|_| scope.spawn(produce)).collect();
        producers
            .into_iter()
            .try_for_each(|producer| producer.join().map_err(|_| anyhow::anyhow!("a producer panicked"))?)
    })
}

fn wait_until_indexed(scene: &Scene<'_>) -> anyhow::Result<()> {
    let waiting = || -> anyhow::Result<bool> {
        let answer = http::call(scene.server.address, "GET", "/metrics", Some(&scene.server.token), b"")?;
        let text = String::from_utf8(answer.body)?;
        let line = text.lines().find_map(|line| line.strip_prefix("auditcast_unindexed_entries "));
        Ok(line.context("the server does not tell how much is not indexed")? == "0")
    };
    ensure!(wait_until(INDEX_LIMIT, waiting)?, "it is not indexed in time");
    Ok(())
}

fn index_mib(scene: &Scene<'_>) -> u64 {
    let file = scene.server.data_dir.join("index.db");
    std::fs::metadata(file).map_or(0, |file| file.len() / (1024 * 1024))
}

fn date(number: u64) -> u64 {
    BEGINNING + number * EVERY
}

/// The key of what an entry is about: few of them often, many of them rarely.
fn key(number: u64) -> u64 {
    let random = mixed(number) % FLAGS;
    random * random / FLAGS
}

/// `SplitMix64`, so that every run has the same entries.
fn mixed(number: u64) -> u64 {
    let step = |value: u64, shift: u32, factor: u64| (value ^ (value >> shift)).wrapping_mul(factor);
    let value = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let value = step(step(value, 30, 0xbf58_476d_1ce4_e5b9), 27, 0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

fn entry(number: u64) -> String {
    const ACTIONS: [&str; 6] = ["updateOn", "updateRules", "updateTargets", "createFlag", "updateName", "updateTags"];
    let random = mixed(number ^ 0x5555);
    let flag = key(number);
    let project = mixed(flag) % 20;
    let action = ACTIONS[usize::try_from(random % 6).unwrap_or(0)];
    let environment = if random >> 8 & 3 == 0 { "production" } else { "staging" };
    let mut entry = json!({
        "_id": format!("{:08x}{:016x}", number >> 8, mixed(number)),
        "date": date(number),
        "kind": "flag",
        "name": format!("Checkout number {flag} of p{project}"),
        "accesses": [{"action": action, "resource": format!("proj/p{project}:env/{environment}:flag/flag-{flag}")}],
        "member": {
            "_id": format!("member-{}", (random >> 16) % 500),
            "email": "ada@corp.test", "firstName": "Ada", "lastName": "Okoye",
        },
        "description": "* Replaced the rule of the segment with another one\n".repeat(4),
        "comment": "ticket OPS-12",
    });
    if random >> 32 & 7 == 0 {
        entry["token"] = json!({"_id": format!("token-{}", (random >> 40) % 20), "name": "terraform"});
    }
    entry.to_string()
}
