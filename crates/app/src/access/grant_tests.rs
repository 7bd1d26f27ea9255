use domain::{Resource, TokenId};
use serde_json::{Value, json};

use super::{Grant, Statements};
use crate::{
    Action,
    access::{account_resource, subscription_resource},
};

const ME: TokenId = TokenId::from_bytes([7; 12]);

fn policy(statements: &Value) -> Grant {
    Grant::Policy(Statements::parse(statements).expect("is valid"))
}

fn allowed(grant: &Grant) -> Vec<&'static str> {
    let mine = subscription_resource("66f0c0ffee00000000000001");
    let on_mine = [Action::ViewIntegration, Action::CreateIntegration, Action::DeleteIntegration]
        .into_iter()
        .chain(Action::CHANGES)
        .chain([Action::ViewDeliveries, Action::Redeliver, Action::ReplayIntegration, Action::ValidateConnection])
        .filter(|action| grant.allows(*action, &mine, ME));
    let on_account = [Action::IngestEntries, Action::ViewMetrics, Action::ViewAuditLog, Action::ExportAuditLog]
        .into_iter()
        .filter(|action| grant.allows(*action, &account_resource(), ME));
    on_mine.chain(on_account).map(Action::as_str).collect()
}

/// What may be done to a token: `view` alone, or `all`.
fn on_token(grant: &Grant, resource: &str) -> &'static str {
    let resource = Resource::parse(resource).expect("is a resource");
    let may = |action: &Action| grant.allows(*action, &resource, ME);
    let changes = [Action::CreateAccessToken, Action::DeleteAccessToken, Action::ResetAccessToken];
    let changes: Vec<_> = changes.iter().chain(&Action::TOKEN_CHANGES).map(may).collect();
    match (may(&Action::ViewAccessToken), changes.iter().all(|may| *may), changes.iter().any(|may| *may)) {
        (true, true, _) => "all",
        (true, _, false) => "view",
        (false, _, false) => "nothing",
        _ => "some",
    }
}

#[test]
fn each_grant_allows_what_its_name_says() {
    let changes = [
        "viewIntegration",
        "createIntegration",
        "deleteIntegration",
        "updateName",
        "updateOn",
        "updateConfiguration",
        "viewDeliveries",
        "redeliver",
        "replayIntegration",
        "validateConnection",
    ];
    assert_eq!(
        allowed(&Grant::Admin),
        [&changes[..], &["ingestEntries", "viewMetrics", "viewAuditLog", "exportAuditLog"]].concat()
    );
    assert_eq!(allowed(&Grant::Writer), [&changes[..], &["viewAuditLog"]].concat());
    assert_eq!(allowed(&Grant::Reader), ["viewIntegration", "viewDeliveries", "viewAuditLog"]);
    assert_eq!(allowed(&Grant::Ingest), ["ingestEntries"]);
    assert_eq!(allowed(&policy(&json!([]))), Vec::<&str>::new());
    assert_eq!(allowed(&Grant::Operator), Vec::<&str>::new());
}

#[test]
fn only_operators_do_what_operators_do() {
    let everything = policy(&json!([{"effect": "allow", "notResources": ["proj/none"], "actions": ["*"]}]));
    let on_account = [
        Action::ViewAccount,
        Action::CreateAccount,
        Action::UpdateAccount,
        Action::SuspendAccount,
        Action::ResumeAccount,
        Action::CreateAccessToken,
    ];
    let resource = crate::access::operated_resource("acme");
    for action in on_account {
        assert!(Grant::Operator.allows(action, &resource, ME));
        for grant in [Grant::Admin, Grant::Writer, Grant::Reader, Grant::Ingest, everything.clone()] {
            assert!(!grant.allows(action, &resource, ME), "{grant:?} {action:?}");
        }
    }
    assert!(!Grant::Admin.covers(&Grant::Operator) && !Grant::Operator.covers(&Grant::Ingest));
    assert!(Grant::Operator.covers(&Grant::Operator));
}

#[test]
fn of_tokens_a_writer_changes_its_own_and_sees_those_of_programs() {
    let (own, service) = (format!("member/{ME}:token/1"), "service-token/1");
    let others = "member/66f0c0ffee00000000000001:token/1";
    for (grant, expected) in [
        (Grant::Admin, ["all", "all", "all"]),
        (Grant::Writer, ["all", "view", "nothing"]),
        (Grant::Reader, ["view", "view", "nothing"]),
        (Grant::Ingest, ["nothing", "nothing", "nothing"]),
        (Grant::Operator, ["nothing", "nothing", "nothing"]),
    ] {
        assert_eq!([&own, service, others].map(|resource| on_token(&grant, resource)), expected, "{grant:?}");
    }
}

#[test]
fn whoever_may_change_may_see_unless_seeing_is_denied() {
    let on = json!({"effect": "allow", "resources": ["integration/*"], "actions": ["updateOn"]});
    assert_eq!(allowed(&policy(&json!([on]))), ["viewIntegration", "updateOn"]);
    let blind = json!({"effect": "deny", "resources": ["integration/*"], "actions": ["view*"]});
    assert_eq!(allowed(&policy(&json!([on, blind]))), ["updateOn"]);
    let other = json!({"effect": "allow", "resources": ["integration/66f0c0ffee00000000000002"], "actions": ["*"]});
    assert_eq!(allowed(&policy(&json!([other]))), Vec::<&str>::new());
}

#[test]
fn a_grant_within_another_allows_only_what_both_allow() {
    let all = policy(&json!([{"effect": "allow", "notResources": ["proj/x"], "actions": ["*"]}]));
    assert_eq!(allowed(&all), allowed(&Grant::Admin));
    let within = |grant: Grant, maker: &Grant| grant.within(maker).expect("is not too long");
    assert_eq!(within(all.clone(), &Grant::Admin), all);
    assert_eq!(within(Grant::Reader, &Grant::Writer), Grant::Reader);
    let limited = within(all.clone(), &Grant::Reader);
    assert_eq!(allowed(&limited), allowed(&Grant::Reader));
    assert_eq!((limited.own(), limited.role()), (&all, None));
    // What such a token makes is no wider, and the same limit is not added twice.
    assert_eq!(within(limited.clone(), &limited), limited);
    assert_eq!(allowed(&within(Grant::Admin, &limited)), allowed(&Grant::Reader));
    let mut long = Grant::Reader;
    for number in 0..7 {
        let statements = json!([{"effect": "allow", "resources": [format!("integration/{number}")], "actions": ["*"]}]);
        long = within(policy(&statements), &long);
    }
    assert_eq!(all.within(&long), None);
}

#[test]
fn covering_is_never_claimed_where_it_is_not_sure() {
    let some = policy(&json!([{"effect": "allow", "resources": ["integration/*"], "actions": ["*"]}]));
    let limited = some.clone().within(&Grant::Writer).expect("is short");
    for (maker, covered) in [
        (Grant::Admin, vec![Grant::Admin, Grant::Writer, Grant::Reader, Grant::Ingest, some.clone(), limited.clone()]),
        (Grant::Writer, vec![Grant::Writer, Grant::Reader, limited.clone()]),
        (Grant::Reader, vec![Grant::Reader]),
        (Grant::Ingest, vec![Grant::Ingest]),
        (some.clone(), vec![some.clone(), limited.clone()]),
        (limited.clone(), vec![limited.clone()]),
    ] {
        let all = [Grant::Admin, Grant::Writer, Grant::Reader, Grant::Ingest, some.clone(), limited.clone()];
        let found: Vec<_> = all.into_iter().filter(|grant| maker.covers(grant)).collect();
        assert_eq!(found, covered, "{maker:?}");
    }
}

#[test]
fn grants_round_trip_as_text_and_anything_else_grants_nothing() {
    let ingest = policy(&json!([{"effect": "allow", "resources": ["acct"], "actions": ["ingestEntries"]}]));
    let limited = ingest.clone().within(&Grant::Writer).expect("is short");
    for grant in [Grant::Admin, Grant::Writer, Grant::Reader, Grant::Ingest, Grant::Operator, ingest, limited] {
        assert_eq!(Grant::from_text(&grant.to_text()), Some(grant));
    }
    for text in [
        "",
        "{}",
        "admin",
        r#"{"role":"owner"}"#,
        r#"{"policy":[{"effect":"allow"}],"role":"admin"}"#,
        r#"{"all":[]}"#,
        r#"{"all":[{"role":"admin"},{"all":[{"role":"reader"}]}]}"#,
    ] {
        assert_eq!(Grant::from_text(text), None, "{text}");
    }
}

#[test]
fn statements_come_back_as_they_were_sent() {
    let text = r#"[{"notActions":[],"zebra":{"b":1,"a":[null]},"resources":["proj/*:/flag/*"],"actions":["*"],"effect":"allow","notResources":null},{"effect":"deny","actions":["b","a"],"resources":["acct"]}]"#;
    let grant = policy(&serde_json::from_str(text).expect("the text is JSON"));
    assert_eq!(Grant::from_text(&grant.to_text()), Some(grant.clone()));
    let Grant::Policy(statements) = grant else { panic!("{grant:?} has no statements") };
    assert_eq!(statements.sent().to_string(), text);
}
