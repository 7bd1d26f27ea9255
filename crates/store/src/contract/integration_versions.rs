use std::collections::BTreeSet;

use super::bench::Bench;
use crate::IntegrationVersion;

fn version(key: &str, version: &str, files: &str) -> IntegrationVersion {
    IntegrationVersion { key: key.to_owned(), version: version.to_owned(), files: files.to_owned() }
}

pub(super) async fn the_version_kept_last_comes_first_and_stays(mut bench: Bench) {
    let (old, new, other) = (version("a", "1", "old"), version("a", "2", "new"), version("b", "1", "x"));
    bench.store.integration_version_keep(vec![old.clone(), other.clone()]).await.expect("is written");
    bench.store.integration_version_keep(vec![new.clone()]).await.expect("is written");
    bench.restart(super::bench::options()).await;
    let kept = bench.store.integration_version_list().await.expect("is read");
    assert_eq!(kept, [new.clone(), old.clone(), other.clone()]);
    // Going back to an earlier one makes that one the newest.
    bench.store.integration_version_keep(vec![old.clone()]).await.expect("is written");
    let kept = bench.store.integration_version_list().await.expect("is read");
    assert_eq!(kept, [old.clone(), new, other.clone()]);
    bench.store.integration_version_forget("a", vec!["2".to_owned(), "3".to_owned()]).await.expect("is written");
    assert_eq!(bench.store.integration_version_list().await.expect("is read"), [old, other]);
}

pub(super) async fn subscriptions_to_one_integration_are_listed_over_all_accounts(bench: Bench) {
    let (one_account, two) = (bench.account("one").await, bench.account("two").await);
    let first = bench.subscription(one_account, "x", true).await;
    let second = bench.subscription(two, "x", false).await;
    let key = first.integration.clone();
    let found = bench.store.subscription_list_of_integration(&key).await.expect("is read");
    // Both are of one moment, so either may come first.
    let ids: BTreeSet<_> = found.iter().map(|one| one.id.to_string()).collect();
    assert_eq!(ids, BTreeSet::from([first.id.to_string(), second.id.to_string()]));
    assert!(found.iter().any(|one| one.account == one_account) && found.iter().any(|one| one.account == two));
    assert!(bench.store.subscription_list_of_integration("none").await.expect("is read").is_empty());
    bench.store.subscription_delete(one_account, first.id, super::bench::record("deleted")).await.expect("is written");
    assert_eq!(bench.store.subscription_list_of_integration(&key).await.expect("is read").len(), 1);
}
