use std::time::Duration;

use domain::Timestamp;

use super::bench::{Bench, START, record};
use crate::{ConditionTelling, StoredCondition};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) async fn a_condition_is_kept_with_the_entry_that_tells_of_it(mut bench: Bench) {
    let account = bench.account("a").await;
    let subscription = bench.subscription(account, "x", true).await;
    assert_eq!(bench.store.condition_list().await.expect("is read"), []);
    let mut condition = StoredCondition {
        account,
        subscription: subscription.id,
        kind: "suspended".to_owned(),
        since: START,
        reason: "no key".to_owned(),
        started_at: START.plus(Duration::from_secs(1)),
        told_at: START.plus(Duration::from_secs(2)),
        ended_at: None,
        sequence: domain::Sequence(0),
    };
    let telling =
        |condition: &StoredCondition| ConditionTelling { condition: condition.clone(), record: record("told") };
    let told = bench.store.condition_tell(vec![telling(&condition)], START).await.expect("is written");
    condition.sequence = told[0];
    bench.restart(super::bench::options()).await;
    assert_eq!(bench.store.condition_list().await.expect("is read"), std::slice::from_ref(&condition));
    let log = bench.log(account).await;
    assert_eq!((log.last().expect("has entries").sequence, log.len()), (told[0], 2));
    // Another kind stands beside it; the same one is replaced.
    let held = StoredCondition { kind: "held".to_owned(), ..condition.clone() };
    condition.told_at = START.plus(DAY);
    let told = bench.store.condition_tell(vec![telling(&held), telling(&condition)], START).await.expect("is written");
    let found = bench.store.condition_list().await.expect("is read");
    assert_eq!(found.iter().map(|one| one.sequence).collect::<Vec<_>>(), told);
    assert_eq!(found.iter().map(|one| &*one.kind).collect::<Vec<_>>(), ["held", "suspended"]);
    assert_eq!(found[1].told_at, START.plus(DAY));
}

pub(super) async fn an_ended_condition_is_forgotten_after_a_while(bench: Bench) {
    let account = bench.account("a").await;
    let condition = |kind: &str, ended_at: Option<Timestamp>| StoredCondition {
        account,
        subscription: bench.store.subscription_id(),
        kind: kind.to_owned(),
        since: START,
        reason: String::new(),
        started_at: START,
        told_at: START,
        ended_at,
        sequence: domain::Sequence(0),
    };
    let tellings =
        [condition("lasts", None), condition("ended", Some(START)), condition("young", Some(START.plus(DAY)))];
    let tellings = tellings.map(|condition| ConditionTelling { condition, record: record("told") }).to_vec();
    bench.store.condition_tell(tellings, START).await.expect("is written");
    assert_eq!(bench.store.condition_list().await.expect("is read").len(), 3);
    bench.store.condition_tell(Vec::new(), START.plus(DAY)).await.expect("is written");
    let mut kinds: Vec<_> =
        bench.store.condition_list().await.expect("is read").into_iter().map(|one| one.kind).collect();
    kinds.sort();
    assert_eq!(kinds, ["lasts", "young"]);
}
