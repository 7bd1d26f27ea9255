use domain::{AccountId, IngestSourceId};

use super::bench::{Bench, START, options, record};
use crate::{AccountLimits, Error, IngestSource, StoreOptions, Suspension};

fn source(account: AccountId, id: u8) -> IngestSource {
    IngestSource {
        id: IngestSourceId::from_bytes([id; 12]),
        account,
        kind: "k".to_owned(),
        name: format!("source {id}"),
        secret: vec![0, 255, id],
        created_at: START,
    }
}

async fn made(bench: &Bench, account: AccountId, id: u8) -> IngestSource {
    bench.store.ingest_source_create(source(account, id), record("made")).await.expect("is made")
}

pub(super) async fn a_source_reads_back_as_it_was_stored(mut bench: Bench) {
    let account = bench.account("a").await;
    let stored = made(&bench, account, 1).await;
    assert_eq!(stored, source(account, 1));
    bench.restart(options()).await;
    assert_eq!(bench.store.ingest_source_get(stored.id).await.expect("is there"), stored);
    assert_eq!(bench.last(account).await, 1);
    let unknown = bench.store.ingest_source_get(IngestSourceId::from_bytes([9; 12])).await;
    assert!(matches!(unknown, Err(Error::NotFound)), "{unknown:?}");
    let again = bench.store.ingest_source_create(source(account, 1), record("made")).await;
    assert!(matches!(again, Err(Error::Conflict)), "{again:?}");
    assert_eq!(bench.last(account).await, 1);
}

pub(super) async fn sources_are_listed_oldest_first_and_deleted_only_in_their_account(bench: Bench) {
    let [account, other] = [bench.account("a").await, bench.account("b").await];
    let mut stored = Vec::new();
    for id in [3, 1, 2] {
        bench.clock.set(START.plus(std::time::Duration::from_secs(10 - u64::from(id))));
        stored.insert(0, made(&bench, account, id).await);
    }
    stored.sort_by_key(|source| source.created_at);
    let list = async |account| bench.store.ingest_source_list(account).await.expect("is read");
    assert_eq!((list(account).await, list(other).await), (stored.clone(), vec![]));
    let strange = bench.store.ingest_source_delete(other, stored[0].id, record("gone")).await;
    assert!(matches!(strange, Err(Error::NotFound)), "{strange:?}");
    assert_eq!(bench.last(other).await, 0);
    bench.store.ingest_source_delete(account, stored[0].id, record("gone")).await.expect("is deleted");
    assert_eq!(list(account).await, stored[1..]);
    let gone = bench.store.ingest_source_get(stored[0].id).await;
    assert!(matches!(gone, Err(Error::NotFound)), "{gone:?}");
    assert_eq!(bench.last(account).await, 4);
}

pub(super) async fn a_source_of_a_suspended_account_is_not_found(bench: Bench) {
    let account = bench.account("a").await;
    let stored = made(&bench, account, 1).await;
    let edit = |suspension| crate::AccountEdit { allow_destinations: "[]".to_owned(), suspension };
    let held = Suspension { since: START, reason: "unpaid".to_owned() };
    bench.store.account_update(account, edit(Some(held)), record("suspended")).await.expect("is changed");
    let hidden = bench.store.ingest_source_get(stored.id).await;
    assert!(matches!(hidden, Err(Error::NotFound)), "{hidden:?}");
    bench.store.account_update(account, edit(None), record("resumed")).await.expect("is changed");
    assert_eq!(bench.store.ingest_source_get(stored.id).await.expect("is there"), stored);
}

pub(super) async fn an_account_has_so_many_of_each_and_no_more(mut bench: Bench) {
    let account_limits = AccountLimits { tokens: 2, subscriptions: 1, ingest_sources: 1 };
    bench.restart(StoreOptions { account_limits, ..options() }).await;
    let [account, other] = [bench.account("a").await, bench.account("b").await];
    made(&bench, account, 1).await;
    let beyond = bench.store.ingest_source_create(source(account, 2), record("made")).await;
    assert!(matches!(beyond, Err(Error::Limit { what: "sources", max: 1 })), "{beyond:?}");
    let subscription = bench.subscription(account, "x", false).await;
    let new = || bench.new_subscription(account, "y", true);
    let beyond = bench.store.subscription_create(new(), record("made")).await;
    assert!(matches!(beyond, Err(Error::Limit { what: "subscriptions and webhooks", max: 1 })), "{beyond:?}");
    for hash in [1, 2] {
        let token = super::tokens::new_token(&bench, account, hash);
        bench.store.token_create(token, record("made")).await.expect("is made");
    }
    let token = super::tokens::new_token(&bench, account, 3);
    let beyond = bench.store.token_create(token.clone(), record("made")).await;
    assert!(matches!(beyond, Err(Error::Limit { what: "access tokens", max: 2 })), "{beyond:?}");
    let of_the_setting = crate::NewToken { kind: crate::TokenKind::Bootstrap, ..token };
    bench.store.token_create(of_the_setting, record("made")).await.expect("is the way in");
    assert_eq!(bench.last(account).await, 5, "what was refused is not recorded");
    // Others have their own room, and what is deleted makes some.
    made(&bench, other, 3).await;
    bench.store.subscription_delete(account, subscription.id, record("gone")).await.expect("is deleted");
    bench.store.subscription_create(new(), record("made")).await.expect("there is room");
    let beyond = bench.store.subscription_create(new(), record("made")).await;
    assert!(matches!(beyond, Err(Error::Limit { .. })), "{beyond:?}");
}
