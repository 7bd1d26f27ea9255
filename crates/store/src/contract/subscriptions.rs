use std::{sync::Arc, time::Duration};

use domain::{EntryDraft, Sequence};

use super::bench::{Bench, START, draft, edit, entry_id, record};
use crate::{Error, Subscription, SubscriptionCount};

pub(super) async fn a_subscription_reads_back_as_it_was_stored(bench: Bench) {
    let account = bench.account("a").await;
    let new = bench.new_subscription(account, "datadog", true);
    let created = bench.store.subscription_create(new.clone(), record("made")).await.expect("is made");
    let expected = Subscription {
        id: new.id,
        account,
        integration: "datadog".to_owned(),
        edit: new.edit,
        revision: 1,
        start: Some(Sequence(0)),
        created_at: START,
    };
    assert_eq!(created, expected);
    assert_eq!(bench.store.subscription_get(account, new.id).await.expect("is there"), expected);
    let log = bench.log(account).await;
    assert_eq!(log.len(), 1);
    assert!(String::from_utf8_lossy(&log[0].bytes).contains("\"_origin\":\"system\""), "{log:?}");
    let missing = bench.store.subscription_get(account, bench.store.subscription_id()).await;
    assert!(matches!(missing, Err(Error::NotFound)), "{missing:?}");
}

pub(super) async fn lists_are_per_account_and_integration_in_order_of_creation(bench: Bench) {
    let [account, other] = [bench.account("a").await, bench.account("b").await];
    let mut made = Vec::new();
    for (index, (account, integration, on)) in
        [(account, "x", true), (other, "x", true), (account, "y", true), (account, "x", false), (account, "x", true)]
            .into_iter()
            .enumerate()
    {
        bench.clock.set(START.plus(Duration::from_secs(index as u64)));
        made.push(bench.subscription(account, integration, on).await);
    }
    let list = async |account, integration| bench.store.subscription_list(account, integration).await.expect("is read");
    assert_eq!(list(account, "x").await, [made[0].clone(), made[3].clone(), made[4].clone()]);
    assert_eq!(list(other, "x").await, [made[1].clone()]);
    assert_eq!(list(other, "y").await, []);
    bench.store.subscription_delete(account, made[0].id, record("deleted")).await.expect("is deleted");
    assert_eq!(list(account, "x").await, [made[3].clone(), made[4].clone()]);
    let all = bench.store.subscription_list_all(account).await.expect("is read");
    assert_eq!(all, [made[2].clone(), made[3].clone(), made[4].clone()]);
    bench
        .store
        .subscription_update(account, made[2].id, 1, edit("off", false), record("off"))
        .await
        .expect("is changed");
    let count = |integration: &str, on, paused, never_on| SubscriptionCount {
        integration: integration.to_owned(),
        on,
        paused,
        never_on,
    };
    let counts = bench.store.subscription_counts().await.expect("is read");
    assert_eq!(counts, [count("x", 2, 0, 1), count("y", 0, 1, 0)]);
    bench.store.subscription_update(account, made[2].id, 2, edit("on", true), record("on")).await.expect("is changed");
    let mut on = bench.store.subscription_ids_on(account).await.expect("is read");
    on.sort();
    let mut expected = [made[2].id, made[4].id];
    expected.sort();
    assert_eq!(on, expected);
}

pub(super) async fn an_update_is_a_new_revision_and_a_stale_one_conflicts(bench: Bench) {
    let account = bench.account("a").await;
    let first = bench.subscription(account, "x", true).await;
    bench.clock.set(START.plus(Duration::from_secs(1)));
    let update = async |revision, name| {
        let edit = edit(name, true);
        bench.store.subscription_update(account, first.id, revision, edit, record(name)).await
    };
    let second = update(1, "second").await.expect("is changed");
    assert_eq!(second, Subscription { edit: edit("second", true), revision: 2, ..first.clone() });
    assert_eq!(bench.store.subscription_get(account, first.id).await.expect("is there"), second);
    for stale in [0, 1, 3, u64::MAX] {
        let refused = update(stale, "stale").await;
        assert!(matches!(refused, Err(Error::Conflict)), "{stale}: {refused:?}");
    }
    assert_eq!(bench.store.subscription_get(account, first.id).await.expect("is there"), second);
    assert_eq!(bench.last(account).await, 2);
    assert_eq!(update(2, "third").await.expect("is changed").revision, 3);
    assert_eq!(bench.last(account).await, 3);
}

pub(super) async fn of_concurrent_updates_one_wins(bench: Bench) {
    let bench = Arc::new(bench);
    let account = bench.account("a").await;
    let id = bench.subscription(account, "x", true).await.id;
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let bench = Arc::clone(&bench);
            tokio::spawn(async move {
                let edit = edit(&format!("of {task}"), true);
                bench.store.subscription_update(account, id, 1, edit, record("changed")).await
            })
        })
        .collect();
    let mut won = Vec::new();
    for task in tasks {
        match task.await.expect("the task ends") {
            Ok(subscription) => won.push(subscription),
            Err(error) => assert!(matches!(error, Error::Conflict), "{error:?}"),
        }
    }
    assert_eq!(won, [bench.store.subscription_get(account, id).await.expect("is there")]);
    assert_eq!(bench.last(account).await, 2);
}

pub(super) async fn a_deleted_subscription_is_gone_and_its_ledger_stays(bench: Bench) {
    let account = bench.account("a").await;
    let subscription = bench.subscription(account, "x", true).await;
    bench.journal(account, 1, subscription.id, None).await;
    let before = bench.progress(subscription.id).await.expect("is there");
    bench.store.subscription_delete(account, subscription.id, record("deleted")).await.expect("is deleted");
    let gone = bench.store.subscription_get(account, subscription.id).await;
    assert!(matches!(gone, Err(Error::NotFound)), "{gone:?}");
    assert_eq!(bench.store.subscription_list(account, "x").await.expect("is read"), []);
    assert_eq!(bench.store.subscription_ids_on(account).await.expect("is read"), []);
    let after = bench.progress(subscription.id).await.expect("the ledger is there");
    assert_eq!((after.frontier, after.counts), (Some(Sequence(1)), before.counts));
    assert_eq!(bench.last(account).await, 2);
    let again = bench.store.subscription_delete(account, subscription.id, record("deleted")).await;
    assert!(matches!(again, Err(Error::NotFound)), "{again:?}");
    let changed = bench.store.subscription_update(account, subscription.id, 1, edit("second", true), record("changed"));
    assert!(matches!(changed.await, Err(Error::NotFound)));
    assert_eq!(bench.last(account).await, 2);
    // Requests that were under way end up in the frozen ledger.
    bench.journal(account, 2, subscription.id, Some(1)).await;
    assert_eq!(bench.progress(subscription.id).await.expect("is there").counts.delivered, 2);
}

pub(super) async fn a_change_that_fails_leaves_no_record(bench: Bench) {
    let account = bench.account("a").await;
    let new = bench.new_subscription(account, "x", true);
    bench.store.subscription_create(new.clone(), record("made")).await.expect("is made");
    let again = bench.store.subscription_create(new.clone(), record("made")).await;
    assert!(matches!(again, Err(Error::Conflict)), "{again:?}");
    let stale = bench.store.subscription_update(account, new.id, 7, edit("second", true), record("changed")).await;
    assert!(matches!(stale, Err(Error::Conflict)), "{stale:?}");
    let missing = bench.store.subscription_delete(account, bench.store.subscription_id(), record("deleted")).await;
    assert!(matches!(missing, Err(Error::NotFound)), "{missing:?}");
    assert_eq!(bench.last(account).await, 1);
    assert_eq!(bench.texts(account).await.len(), 1);
    // And the next one gets the next place.
    bench.store.subscription_delete(account, new.id, record("deleted")).await.expect("is deleted");
    assert_eq!(bench.last(account).await, 2);
}

pub(super) async fn a_record_that_fails_leaves_no_change(bench: Bench) {
    let account = bench.account("a").await;
    bench.append(account, vec![draft("taken", "1")]).await.expect("is stored");
    let subscription = bench.subscription(account, "x", true).await;
    let taken = || EntryDraft { id: Some(entry_id("taken")), ..record("any") };
    let store = &bench.store;
    let new = bench.new_subscription(account, "y", true);
    let created = store.subscription_create(new.clone(), taken()).await;
    assert!(matches!(created, Err(Error::Conflict)), "{created:?}");
    assert!(store.subscription_get(account, new.id).await.is_err());
    assert_eq!(bench.progress(new.id).await, None);
    let updated = store.subscription_update(account, subscription.id, 1, edit("second", false), taken()).await;
    assert!(matches!(updated, Err(Error::Conflict)), "{updated:?}");
    let deleted = store.subscription_delete(account, subscription.id, taken()).await;
    assert!(matches!(deleted, Err(Error::Conflict)), "{deleted:?}");
    assert_eq!(store.subscription_get(account, subscription.id).await.expect("is there"), subscription);
    assert_eq!(bench.texts(account).await.len(), 2);
}

pub(super) async fn nobody_reaches_the_subscription_of_another_account(bench: Bench) {
    let [account, other] = [bench.account("a").await, bench.account("b").await];
    let subscription = bench.subscription(account, "x", true).await;
    let store = &bench.store;
    assert!(matches!(store.subscription_get(other, subscription.id).await, Err(Error::NotFound)));
    let updated = store.subscription_update(other, subscription.id, 1, edit("second", true), record("changed")).await;
    assert!(matches!(updated, Err(Error::NotFound)), "{updated:?}");
    let deleted = store.subscription_delete(other, subscription.id, record("deleted")).await;
    assert!(matches!(deleted, Err(Error::NotFound)), "{deleted:?}");
    assert_eq!(bench.last(other).await, 0);
    assert_eq!(store.subscription_get(account, subscription.id).await.expect("is there"), subscription);
}
