//! How long it takes to find the policies that allow an entry. Run with `cargo bench -p policy`.
//!
//! Each row asks one entry with one access of many policies with two statements each: through
//! the index, and one policy after the other.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use domain::{Access, Resource};
use policy::{Policy, PolicyIndex};
use serde_json::json;

const COUNTS: [usize; 4] = [1, 100, 1_000, 10_000];
const MEASURED: Duration = Duration::from_millis(200);
const STATEMENTS: usize = 2;

/// What the policies of one row are like; `specifier` gives that of the policy of a number.
struct Scenario {
    name: &'static str,
    specifier: fn(usize) -> String,
}

const SCENARIOS: [Scenario; 6] = [
    Scenario { name: "one policy shared, no match", specifier: |_| "proj/*:env/production:flag/*".into() },
    Scenario { name: "one policy shared, all match", specifier: |_| "proj/*:env/test:flag/*".into() },
    Scenario { name: "a project each, no match", specifier: |n| format!("proj/p{n}:env/*:flag/*") },
    Scenario { name: "an environment each, no match", specifier: |n| format!("proj/*:env/e{n}:flag/*") },
    Scenario { name: "a tag each, no match", specifier: |n| format!("proj/*:env/*:flag/*;team-{n}") },
    Scenario { name: "a name pattern each, no match", specifier: |n| format!("proj/*:env/*:flag/*-{n}-*") },
];

fn main() {
    let resource = Resource::parse("proj/shop:env/test;eu:flag/checkout;payments,q3").expect("is a resource");
    let accesses = [Access { action: "updateOn".to_owned(), resource }];
    println!("{:<32}{:>8}{:>12}{:>12}{:>16}", "ns", "policies", "index/entry", "each/entry", "each/statement");
    for Scenario { name, specifier } in SCENARIOS {
        for count in COUNTS {
            let policies: Vec<_> = (0..count).map(|number| policy(&specifier(number))).collect();
            let mut index = PolicyIndex::new();
            policies.iter().enumerate().for_each(|(key, policy)| index.insert(key, policy.clone()));

            let mut found = Vec::with_capacity(count);
            let indexed = nanoseconds(|| index.matches(black_box(&accesses), &mut found));
            let mut allowing = 0;
            let each = nanoseconds(|| {
                allowing = policies.iter().filter(|policy| policy.allows(black_box(&accesses))).count();
            });
            assert_eq!(found.len(), allowing, "the index and the policies disagree");

            let statement = each / (count * STATEMENTS) as f64;
            println!("{name:<32}{count:>8}{indexed:>12.0}{each:>12.0}{statement:>16.1}");
        }
    }
}

fn policy(specifier: &str) -> Policy {
    let statements = json!([
        {"effect": "allow", "resources": [specifier], "actions": ["*"]},
        {"effect": "allow", "resources": ["proj/sandbox:env/*:flag/*"], "actions": ["updateTags"]},
    ]);
    Policy::parse(&statements).expect("the statements are valid")
}

/// Mean of as many runs as fit in the time.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn nanoseconds(mut run: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut runs = 0_u32;
    while start.elapsed() < MEASURED {
        // The clock is read once for several runs, so that it does not weigh on short ones.
        (0..16).for_each(|_| run());
        runs += 16;
    }
    start.elapsed().as_nanos() as f64 / f64::from(runs)
}
