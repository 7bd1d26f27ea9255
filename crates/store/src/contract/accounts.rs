use domain::{AccountId, Keys, MasterKey, SealContext, SealError};

use super::bench::{Bench, START, edit, nameless, record};
use crate::{AccountEdit, AccountWork, Error, NewAccount, Suspension};

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

async fn make(bench: &Bench, name: &str) -> Result<crate::Account, Error> {
    let new =
        NewAccount { id: bench.store.account_id(), name: name.to_owned(), allow_destinations: "[\"::1\"]".to_owned() };
    bench.store.account_create(new, &master(1), record("account")).await
}

fn suspended() -> AccountEdit {
    let suspension = Some(Suspension { since: START, reason: "bill 7".to_owned() });
    AccountEdit { allow_destinations: "[]".to_owned(), suspension }
}

pub(super) async fn an_account_of_the_operator_has_a_key_and_a_log_that_begins_with_it(bench: Bench) {
    let made = make(&bench, "a").await.expect("is made");
    assert_eq!((made.name.as_str(), made.allow_destinations.as_str()), ("a", "[\"::1\"]"));
    assert_eq!((made.created_at, &made.suspension, bench.last(made.id).await), (START, &None, 1));
    bench.store.keyring(Some(master(1))).seal(context(&bench, made.id), b"text").expect("seals");
    assert_eq!(bench.store.account_get(made.id).await.expect("is read"), made);
    assert!(matches!(make(&bench, "a").await, Err(Error::Conflict)));
    let other = make(&bench, "b").await.expect("is made");
    assert_eq!(bench.store.account_list().await.expect("is read"), [made, other]);
    let nobody = bench.store.account_get(AccountId::from_bytes([9; 12])).await;
    assert!(matches!(nobody, Err(Error::NotFound)), "{nobody:?}");
}

pub(super) async fn a_suspended_account_has_no_work_and_its_subscriptions_keep_their_place(bench: Bench) {
    let account = make(&bench, "a").await.expect("is made").id;
    let subscription = bench.subscription(account, "x", true).await.id;
    let at = bench.last(account).await;
    bench.journal(account, at, subscription, None).await;
    let stored = bench.store.account_update(account, suspended(), record("suspend")).await.expect("is suspended");
    assert_eq!(stored.suspension, suspended().suspension);
    assert_eq!(bench.progress(subscription).await.and_then(|progress| progress.frontier), Some(domain::Sequence(at)));
    assert_eq!(bench.store.account_list_work().await.expect("is read"), []);
    let again = AccountEdit { suspension: None, ..suspended() };
    bench.store.account_update(account, again, record("resume")).await.expect("is resumed");
    assert_eq!(bench.store.account_list_work().await.expect("is read").len(), 1);
    assert_eq!(bench.last(account).await, at + 2);
}
