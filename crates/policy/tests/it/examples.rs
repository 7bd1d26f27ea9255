//! The worked examples of docs/policies.md, run as they stand there.

use domain::Access;
use policy::Policy;
use serde_json::{Value, json};

const PAGE: &str = include_str!("../../../../docs/policies.md");
const EXAMPLES: usize = 34;
// Said here once more, so that a row cannot change its answer unnoticed.
const DELIVERED: [usize; 19] = [1, 3, 5, 7, 9, 11, 13, 16, 18, 20, 21, 23, 24, 26, 27, 30, 31, 32, 34];

struct Example {
    number: usize,
    policy: Policy,
    accesses: Vec<Access>,
    delivered: bool,
}

#[test]
fn every_worked_example_of_the_page_holds() {
    let examples: Vec<Example> = PAGE.lines().filter_map(example).collect();
    let numbers: Vec<usize> = examples.iter().map(|example| example.number).collect();
    assert_eq!(numbers, (1..=EXAMPLES).collect::<Vec<_>>());
    let numbers_where = |holds: fn(&Example) -> bool| -> Vec<usize> {
        examples.iter().filter(|example| holds(example)).map(|example| example.number).collect()
    };
    assert_eq!(numbers_where(|example| example.delivered), DELIVERED);
    assert_eq!(numbers_where(|example| example.policy.allows(&example.accesses)), DELIVERED);
}

#[test]
fn the_limits_of_the_page_are_those_of_the_code() {
    for limit in [
        format!("{} statements in a policy", policy::STATEMENTS_MAX),
        format!("{} specifiers in one statement", policy::SPECIFIERS_MAX),
        format!("{} action patterns in one statement", policy::ACTIONS_MAX),
        format!("{} bytes in a specifier", policy::SPECIFIER_BYTES_MAX),
        format!("{} bytes in an action pattern", policy::ACTION_BYTES_MAX),
    ] {
        assert!(PAGE.contains(&limit), "the page does not say {limit:?}");
    }
}

/// Reads `| number | policy | accesses | yes or no | why |`; every other line is prose.
fn example(line: &str) -> Option<Example> {
    let cells: Vec<&str> = line.strip_prefix("| ")?.split(" | ").map(str::trim).collect();
    let number = cells.first()?.parse().ok()?;
    let [_, statements, accesses, delivered, _] = cells.as_slice() else { panic!("example {number} has other cells") };
    let statements: Value = spans(statements).map(statement).collect();
    let delivered = match *delivered {
        "yes" => true,
        "no" => false,
        other => panic!("example {number} is delivered {other:?}"),
    };
    let policy = Policy::parse(&statements).unwrap_or_else(|mistakes| panic!("example {number}: {mistakes:?}"));
    Some(Example { number, policy, accesses: spans(accesses).map(crate::access).collect(), delivered })
}

fn spans(cell: &str) -> impl Iterator<Item = &str> {
    cell.split("<br>").map(|span| span.trim_matches('`'))
}

/// `allow resources a, b actions c, d` as JSON.
fn statement(text: &str) -> Value {
    let mut statement = json!({});
    let mut member = "effect";
    for word in text.split(' ') {
        match word {
            "resources" | "notResources" | "actions" | "notActions" => {
                member = word;
                statement[member] = json!([]);
            }
            effect if member == "effect" => statement[member] = json!(effect),
            item => {
                let list = statement[member].as_array_mut().expect("the member is a list");
                list.push(json!(item.trim_end_matches(',')));
            }
        }
    }
    statement
}
