//! The crate against the model.

use std::collections::BTreeMap;

use domain::{Access, Resource};
use policy::{Decision, Policy, PolicyIndex, Specifier};
use proptest::{collection::vec, prelude::*};
use serde_json::Value;

use crate::model;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_policy_allows_what_the_model_allows(statements in model::policy(), accesses in model::accesses()) {
        let sent = model::to_json(&statements);
        let policy = Policy::parse(&sent).expect("the model makes valid statements");
        prop_assert_eq!(policy.allows(&accesses), model::allows(&statements, &accesses));
    }

    #[test]
    fn a_decision_agrees_with_the_answer(statements in model::policy(), accesses in model::accesses()) {
        let policy = Policy::parse(&model::to_json(&statements)).expect("the model makes valid statements");
        for access in accesses {
            let allowed = matches!(policy.decide(&access), Decision::Allowed { .. });
            prop_assert_eq!(policy.allows_access(&access), allowed);
        }
    }

    #[test]
    fn the_order_of_statements_does_not_matter(statements in model::policy(), accesses in model::accesses()) {
        let reversed: Vec<_> = statements.iter().rev().cloned().collect();
        let policy = Policy::parse(&model::to_json(&reversed)).expect("the model makes valid statements");
        prop_assert_eq!(policy.allows(&accesses), model::allows(&statements, &accesses));
    }

    #[test]
    fn the_index_finds_what_asking_every_policy_finds(
        policies in vec(model::policy(), 1..12),
        steps in vec((0_u8..10, prop::option::weighted(0.75, 0_usize..12)), 1..40),
        entries in vec(model::accesses(), 1..6),
    ) {
        let mut index = PolicyIndex::new();
        let mut held: BTreeMap<u8, &[model::Statement]> = BTreeMap::new();
        let mut found = vec![99];
        for (key, step) in steps {
            if let Some(place) = step {
                let statements = &policies[place % policies.len()];
                let policy = Policy::parse(&model::to_json(statements)).expect("the model makes valid statements");
                index.insert(key, policy);
                held.insert(key, statements);
            } else {
                index.remove(&key);
                held.remove(&key);
            }
            prop_assert_eq!((index.len(), index.is_empty()), (held.len(), held.is_empty()));
            for accesses in &entries {
                index.matches(accesses, &mut found);
                found.sort_unstable();
                let expected: Vec<u8> =
                    held.iter().filter(|(_, policy)| model::allows(policy, accesses)).map(|(&key, _)| key).collect();
                prop_assert_eq!(&found, &expected);
            }
        }
    }

    #[test]
    fn no_text_makes_a_panic(specifier in "[a-z/:;,{}*$. \\u{e9}]{0,30}", action in ".{0,10}", resource in "[a-z/:;]{0,20}") {
        let parsed = Specifier::parse(&specifier);
        if let (Ok(specifier), Ok(resource)) = (&parsed, Resource::parse(&resource)) {
            let _ = specifier.matches(&resource);
        }
        let statements: Value = serde_json::json!([{"effect": "allow", "resources": [specifier], "notActions": [action]}]);
        let policy = Policy::parse(&statements);
        prop_assert!(parsed.is_ok() || policy.is_err());
        if let (Ok(policy), Ok(resource)) = (policy, Resource::parse(&specifier)) {
            let _ = policy.allows_access(&Access { action, resource });
        }
    }
}
