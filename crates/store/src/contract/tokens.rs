use std::time::Duration;

use domain::{AccountId, Timestamp, TokenId};

use super::bench::{Bench, START, record};
use crate::{Error, NewToken, Token, TokenEdit, TokenFound, TokenKind, TokenValue};

fn value(hash: u8) -> TokenValue {
    TokenValue { hash: [hash; 32], ending: format!("{hash:04x}") }
}

pub(super) fn new_token(bench: &Bench, account: AccountId, hash: u8) -> NewToken {
    let id = bench.store.token_id();
    NewToken {
        id,
        account,
        value: value(hash),
        kind: TokenKind::Personal,
        member: id,
        api_version: 20_240_415,
        edit: edit("of a test", (hash == 1).then(|| START.plus(Duration::from_millis(1_000)))),
    }
}

fn edit(name: &str, expires_at: Option<Timestamp>) -> TokenEdit {
    let (name, description) = (name.to_owned(), "what for".to_owned());
    TokenEdit { name, description, grant: "{\"role\":\"reader\"}".to_owned(), expires_at }
}

async fn found(bench: &Bench, hash: u8) -> Option<TokenFound> {
    bench.store.token_by_hash([hash; 32]).await.expect("is read")
}

pub(super) async fn a_token_is_found_by_its_hash(bench: Bench) {
    let account = bench.account("a").await;
    assert!(!bench.store.token_any().await.expect("is read"));
    for hash in [1, 2] {
        let new = new_token(&bench, account, hash);
        let made = bench.store.token_create(new.clone(), record("token")).await.expect("is made");
        let NewToken { id, account, value, kind, member, api_version, edit } = new;
        let (expires_at, ending) = (edit.expires_at, value.ending);
        let (created_at, updated_at, last_used_at, revision) = (START, START, None, 1);
        let token = Token {
            id,
            account,
            ending,
            kind,
            member,
            api_version,
            edit,
            revision,
            created_at,
            updated_at,
            last_used_at,
        };
        assert_eq!(made, token);
        assert_eq!(found(&bench, hash).await, Some(TokenFound { token, expires_at, is_old: false, suspended: None }));
    }
    assert_eq!(found(&bench, 3).await, None);
    assert!(bench.store.token_any().await.expect("is read"));
    assert_eq!(bench.last(account).await, 2);
}

pub(super) async fn a_token_that_is_refused_leaves_no_record(bench: Bench) {
    let account = bench.account("a").await;
    bench.store.token_create(new_token(&bench, account, 1), record("token")).await.expect("is made");
    let again = bench.store.token_create(new_token(&bench, account, 1), record("token")).await;
    assert!(matches!(again, Err(Error::Conflict)), "{again:?}");
    assert_eq!(bench.last(account).await, 1);
    let nowhere = new_token(&bench, AccountId::from_bytes([9; 12]), 2);
    let nowhere = bench.store.token_create(nowhere, record("token")).await;
    assert!(matches!(nowhere, Err(Error::NotFound)), "{nowhere:?}");
}

pub(super) async fn a_reset_leaves_one_old_value_until_its_time(bench: Bench) {
    let account = bench.account("a").await;
    let id = bench.store.token_create(new_token(&bench, account, 1), record("token")).await.expect("is made").id;
    let soon = START.plus(Duration::from_millis(500));
    let reset = |revision: u64, hash: u8, until: Option<Timestamp>| {
        bench.store.token_reset(account, (id, revision), value(hash), until, record("token"))
    };
    let after = reset(1, 2, Some(soon)).await.expect("is reset");
    assert_eq!((after.revision, after.ending.as_str()), (2, "0002"));
    let old = found(&bench, 1).await.expect("still works");
    assert_eq!((old.expires_at, old.is_old, old.token.id), (Some(soon), true, id));
    let new = found(&bench, 2).await.expect("works");
    assert_eq!((new.expires_at, new.is_old), (Some(START.plus(Duration::from_millis(1_000))), false));
    reset(2, 3, Some(START.plus(Duration::from_millis(9_000)))).await.expect("is reset");
    assert_eq!(found(&bench, 1).await, None);
    // The old value does not outlive the token.
    assert_eq!(
        found(&bench, 2).await.map(|found| found.expires_at),
        Some(Some(START.plus(Duration::from_millis(1_000))))
    );
    reset(3, 4, None).await.expect("is reset");
    assert_eq!((found(&bench, 2).await, found(&bench, 3).await), (None, None));
    assert!(found(&bench, 4).await.is_some());
    assert!(matches!(reset(3, 5, None).await, Err(Error::Conflict)));
    assert_eq!(bench.last(account).await, 4);
}

pub(super) async fn a_token_is_changed_from_the_revision_that_was_read(bench: Bench) {
    let account = bench.account("a").await;
    let id = bench.store.token_create(new_token(&bench, account, 1), record("token")).await.expect("is made").id;
    let update = |revision: u64, name: &'static str| {
        bench.store.token_update(account, id, revision, edit(name, None), record("token"))
    };
    let updated = update(1, "other").await.expect("is changed");
    assert_eq!((updated.revision, &updated.edit), (2, &edit("other", None)));
    assert_eq!(bench.store.token_get(account, id).await.expect("is read"), updated);
    assert!(matches!(update(1, "stale").await, Err(Error::Conflict)));
    assert_eq!(bench.last(account).await, 2);
}

pub(super) async fn a_deleted_token_is_gone(bench: Bench) {
    let account = bench.account("a").await;
    let id = bench.store.token_create(new_token(&bench, account, 1), record("token")).await.expect("is made").id;
    bench.store.token_delete(account, id, record("token")).await.expect("is deleted");
    assert_eq!(found(&bench, 1).await, None);
    assert!(matches!(bench.store.token_get(account, id).await, Err(Error::NotFound)));
    let again = bench.store.token_delete(account, id, record("token")).await;
    assert!(matches!(again, Err(Error::NotFound)), "{again:?}");
    assert_eq!(bench.last(account).await, 2);
}

pub(super) async fn tokens_are_listed_newest_first_and_reached_only_in_their_account(bench: Bench) {
    let (account, other) = (bench.account("a").await, bench.account("b").await);
    let mut ids = Vec::new();
    for hash in [1, 2, 3] {
        bench.clock.set(START.plus(Duration::from_secs(hash.into())));
        let new = new_token(&bench, account, hash);
        ids.insert(0, bench.store.token_create(new, record("token")).await.expect("is made").id);
    }
    let list = async |account| -> Vec<TokenId> {
        bench.store.token_list(account).await.expect("is read").iter().map(|token| token.id).collect()
    };
    assert_eq!((list(account).await, list(other).await), (ids.clone(), vec![]));
    assert!(matches!(bench.store.token_get(other, ids[0]).await, Err(Error::NotFound)));
    let deleted = bench.store.token_delete(other, ids[0], record("token")).await;
    assert!(matches!(deleted, Err(Error::NotFound)), "{deleted:?}");
    let updated = bench.store.token_update(other, ids[0], 1, edit("stolen", None), record("token")).await;
    assert!(matches!(updated, Err(Error::NotFound)), "{updated:?}");
    let reset = bench.store.token_reset(other, (ids[0], 1), value(9), None, record("token")).await;
    assert!(matches!(reset, Err(Error::NotFound)), "{reset:?}");
    assert_eq!(bench.last(other).await, 0);
}

pub(super) async fn the_last_use_of_a_token_never_moves_back(bench: Bench) {
    let account = bench.account("a").await;
    let id = bench.store.token_create(new_token(&bench, account, 1), record("token")).await.expect("is made").id;
    let later = START.plus(Duration::from_millis(60_000));
    bench.store.token_note_used(vec![(id, later)]).await.expect("is written");
    bench.store.token_note_used(vec![(id, START), (bench.store.token_id(), later)]).await.expect("is written");
    assert_eq!(bench.store.token_get(account, id).await.expect("is read").last_used_at, Some(later));
    assert_eq!(bench.last(account).await, 1);
}
