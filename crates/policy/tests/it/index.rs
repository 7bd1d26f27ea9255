//! The index where chance does not lead: depth, sharing, order.

use domain::Access;
use policy::{Policy, PolicyIndex};
use serde_json::json;

use crate::access;

fn policy(specifier: &str) -> Policy {
    let statements = json!([{"effect": "allow", "resources": [specifier], "actions": ["*"]}]);
    Policy::parse(&statements).expect("the specifier is valid")
}

fn found(index: &PolicyIndex<u32>, accesses: &[Access]) -> Vec<u32> {
    let mut found = Vec::new();
    index.matches(accesses, &mut found);
    found
}

#[test]
fn a_key_allowed_by_several_accesses_and_specifiers_is_found_once() {
    let mut index = PolicyIndex::new();
    let statements = json!([
        {"effect": "allow", "resources": ["proj/a", "proj/*", "proj/a*"], "actions": ["*"]},
        {"effect": "allow", "notResources": ["acct"], "actions": ["*"]},
    ]);
    index.insert(7, Policy::parse(&statements).expect("the statements are valid"));
    assert_eq!(found(&index, &[access("updateName proj/a"), access("updateTags proj/ab")]), [7]);
}

#[test]
fn a_second_insert_replaces_the_policy_of_the_key() {
    let mut index = PolicyIndex::new();
    index.insert(1, policy("proj/a"));
    index.insert(1, policy("proj/b"));
    assert_eq!(index.len(), 1);
    assert_eq!(found(&index, &[access("updateName proj/a")]), Vec::<u32>::new());
    assert_eq!(found(&index, &[access("updateName proj/b")]), [1]);
}

#[test]
fn keys_that_share_a_policy_leave_it_one_by_one() {
    let mut index = PolicyIndex::new();
    for key in 0..5 {
        index.insert(key, policy("proj/*"));
    }
    for (removed, left) in [(0, vec![1, 2, 3, 4]), (4, vec![1, 2, 3]), (2, vec![1, 3]), (3, vec![1]), (1, vec![])] {
        index.remove(&removed);
        index.remove(&removed);
        let mut keys = found(&index, &[access("updateName proj/a")]);
        keys.sort_unstable();
        assert_eq!(keys, left);
    }
    assert!(index.is_empty());
}

#[test]
fn resources_deeper_than_the_indexed_segments_are_still_told_apart() {
    let deep = |last: &str| format!("{}:k/{last}", vec!["k/x"; 100].join(":"));
    let mut index = PolicyIndex::new();
    index.insert(1, policy(&deep("a")));
    index.insert(2, policy(&deep("*")));
    let mut keys = found(&index, &[access(&format!("touch {}", deep("a")))]);
    keys.sort_unstable();
    assert_eq!(keys, [1, 2]);
    assert_eq!(found(&index, &[access(&format!("touch {}", deep("b")))]), [2]);
}

#[test]
fn equal_histories_give_equal_orders() {
    let build = || {
        let mut index = PolicyIndex::new();
        for key in 0..200 {
            index.insert(key, policy(["proj/*", "proj/a", "proj/a*", "proj/*a"][key as usize % 4]));
        }
        (0..200).step_by(3).for_each(|key| index.remove(&key));
        found(&index, &[access("updateName proj/a")])
    };
    let first = build();
    assert_eq!(first.len(), 133);
    assert_eq!(first, build());
}
