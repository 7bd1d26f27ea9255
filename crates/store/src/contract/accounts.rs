use domain::{AccountId, Keys, MasterKey, SealContext, SealError};

use super::bench::{Bench, edit, nameless, record};
use crate::AccountWork;

fn master(byte: u8) -> MasterKey {
    MasterKey::from_bytes([byte; 32])
}

fn context(bench: &Bench, account: AccountId) -> SealContext<'static> {
    SealContext { account, subscription: bench.store.subscription_id(), field: "config" }
}

pub(super) async fn an_account_is_made_once(bench: Bench) {
    let store = &bench.store;
    assert_eq!(store.account_by_name("a").await.expect("is read"), None);
    let (key, other) = (master(1), master(2));
    let (one, two, three, other) = tokio::join!(
        store.account_ensure("a", Some(&key)),
        store.account_ensure("a", Some(&other)),
        store.account_ensure("a", None),
        store.account_ensure("b", None),
    );
    let account = one.expect("is made");
    assert_eq!(account.name, "a");
    for same in [two, three, store.account_ensure("a", Some(&key)).await] {
        assert_eq!(same.expect("is there"), account);
    }
    assert_ne!(other.expect("is made").id, account.id);
    assert_eq!(store.account_by_name("a").await.expect("is read"), Some(account));
}

pub(super) async fn a_data_key_is_made_when_a_master_key_is_at_hand_and_never_replaced(bench: Bench) {
    let account = bench.account("a").await;
    let keyring = bench.store.keyring(Some(master(1)));
    assert!(matches!(keyring.check(account), Err(SealError::Unavailable(_))), "{:?}", keyring.check(account));
    bench.store.account_ensure("a", keyring.master()).await.expect("gets its key");
    let context = context(&bench, account);
    let sealed = keyring.seal(context, b"canary").expect("seals");
    assert!(!sealed.windows(6).any(|window| window == b"canary"));
    // Neither the same key nor another one makes a second data key.
    for key in [1, 2] {
        let same = bench.store.account_ensure("a", Some(&master(key))).await.expect("is there");
        assert_eq!(same.id, account);
    }
    let fresh = bench.store.keyring(Some(master(1)));
    assert_eq!(fresh.open(context, &sealed).expect("opens").as_slice(), b"canary");
}

pub(super) async fn a_wrong_or_missing_master_key_opens_nothing_and_says_so(bench: Bench) {
    let key = master(1);
    let account = bench.store.account_ensure("a", Some(&key)).await.expect("is made").id;
    let context = context(&bench, account);
    let sealed = bench.store.keyring(Some(key)).seal(context, b"canary").expect("seals");
    for useless in [None, Some(master(2))] {
        let keyring = bench.store.keyring(useless);
        assert_eq!(keyring.check(account), Err(SealError::MasterKey));
        assert_eq!(keyring.seal(context, b"text"), Err(SealError::MasterKey));
        assert_eq!(keyring.open(context, &sealed), Err(SealError::MasterKey));
        bench.store.account_ensure("a", keyring.master()).await.expect("is left alone");
    }
    let keyring = bench.store.keyring(Some(master(1)));
    assert_eq!(keyring.check(account), Ok(()));
    assert_eq!(keyring.open(context, &sealed).expect("opens").as_slice(), b"canary");
    let nowhere = keyring.check(AccountId::from_bytes([9; 12]));
    assert!(matches!(nowhere, Err(SealError::Unavailable(_))), "{nowhere:?}");
}

pub(super) async fn accounts_with_work_are_those_whose_subscriptions_have_some(bench: Bench) {
    let account = bench.account("a").await;
    let idle = bench.account("b").await;
    bench.append(idle, vec![nameless("{}")]).await.expect("is stored");
    let work = async || bench.store.account_list_work().await.expect("is read");
    let at = |last| vec![AccountWork { account, last: domain::Sequence(last) }];

    let subscription = bench.subscription(account, "x", false).await;
    assert_eq!(work().await, [], "off from the beginning");
    let change = async |revision, on| {
        let edit = edit("changed", on);
        let changed = bench.store.subscription_update(account, subscription.id, revision, edit, record("changed"));
        changed.await.expect("is changed");
    };
    change(1, true).await;
    assert_eq!(work().await, at(2), "its own record waits");
    bench.journal(account, 2, subscription.id, None).await;
    assert_eq!(work().await, [], "caught up");
    bench.append(account, vec![nameless("{}")]).await.expect("is stored");
    assert_eq!(work().await, at(3), "something new has come");
    bench.journal(account, 3, subscription.id, Some(1)).await;
    assert_eq!(work().await, at(3), "behind, though all is matched");
    change(2, false).await;
    assert_eq!(work().await, [], "paused");
    change(3, true).await;
    assert_eq!(work().await, at(5), "resumed");
    bench.store.subscription_delete(account, subscription.id, record("deleted")).await.expect("is deleted");
    assert_eq!(work().await, [], "deleted");
}
