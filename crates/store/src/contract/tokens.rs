use super::bench::{Bench, START, record};
use crate::{Error, NewToken, Token};

fn new_token(bench: &Bench, account: domain::AccountId, hash: u8) -> NewToken {
    NewToken {
        id: bench.store.token_id(),
        account,
        hash: [hash; 32],
        ending: "1f2e".to_owned(),
        name: "of a test".to_owned(),
        grant: "{\"role\":\"reader\"}".to_owned(),
        expires_at: (hash == 1).then_some(START),
    }
}

pub(super) async fn a_token_is_found_by_its_hash(bench: Bench) {
    let account = bench.account("a").await;
    assert!(!bench.store.token_any().await.expect("is read"));
    for hash in [1, 2] {
        let new = new_token(&bench, account, hash);
        bench.store.token_create(new.clone(), record("token")).await.expect("is made");
        let NewToken { id, account, ending, name, grant, expires_at, .. } = new;
        let found = bench.store.token_by_hash([hash; 32]).await.expect("is read");
        assert_eq!(found, Some(Token { id, account, name, ending, grant, expires_at }));
    }
    assert_eq!(bench.store.token_by_hash([3; 32]).await.expect("is read"), None);
    assert!(bench.store.token_any().await.expect("is read"));
    assert_eq!(bench.last(account).await, 2);
}

pub(super) async fn a_token_that_is_refused_leaves_no_record(bench: Bench) {
    let account = bench.account("a").await;
    bench.store.token_create(new_token(&bench, account, 1), record("token")).await.expect("is made");
    let again = bench.store.token_create(new_token(&bench, account, 1), record("token")).await;
    assert!(matches!(again, Err(Error::Conflict)), "{again:?}");
    assert_eq!(bench.last(account).await, 1);
    let nowhere = new_token(&bench, domain::AccountId::from_bytes([9; 12]), 2);
    let nowhere = bench.store.token_create(nowhere, record("token")).await;
    assert!(matches!(nowhere, Err(Error::NotFound)), "{nowhere:?}");
}
