use std::time::Duration;

use super::bench::{Bench, START, draft, nameless, places};
use crate::AppendError;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) async fn the_same_request_gets_the_same_answer(bench: Bench) {
    let account = bench.account("a").await;
    bench.append(account, vec![draft("old", "0")]).await.expect("is stored");
    let batch = || vec![nameless("1"), draft("old", "0"), nameless("1"), draft("x", "2")];
    let first = bench.append_once(account, batch(), "key", 1).await.expect("is stored");
    assert_eq!(places(&first), [(2, false), (1, true), (3, false), (4, false)]);
    assert!(!first.repeated);
    let again = bench.append_once(account, batch(), "key", 1).await.expect("is answered");
    assert_eq!(again.items, first.items);
    assert!(again.repeated);
    assert_eq!(bench.texts(account).await, ["0", "1", "1", "2"]);
}

pub(super) async fn another_request_under_the_key_is_refused(bench: Bench) {
    let account = bench.account("a").await;
    bench.append_once(account, vec![nameless("1")], "key", 1).await.expect("is stored");
    let other = bench.append_once(account, vec![nameless("2")], "key", 2).await;
    assert!(matches!(other, Err(AppendError::KeyReused)), "{other:?}");
    let again = bench.append_once(account, vec![nameless("1")], "key", 1).await.expect("is answered");
    assert!(again.repeated);
    assert_eq!(bench.texts(account).await, ["1"]);
}

pub(super) async fn a_key_is_forgotten_after_a_day_and_not_before(bench: Bench) {
    let account = bench.account("a").await;
    // More keys than are dropped at once, all of the same age.
    for key in 0..40 {
        bench.append_once(account, vec![nameless("1")], &format!("key-{key}"), 1).await.expect("is stored");
    }
    bench.clock.set(START.plus(DAY));
    let last_moment = bench.append_once(account, vec![nameless("2")], "key-39", 2).await;
    assert!(matches!(last_moment, Err(AppendError::KeyReused)), "{last_moment:?}");
    bench.clock.set(START.plus(DAY + Duration::from_millis(1)));
    for key in [39, 0, 20] {
        let key = format!("key-{key}");
        let new = bench.append_once(account, vec![nameless("2")], &key, 2).await.expect("is stored");
        assert!(!new.repeated);
        let old = bench.append_once(account, vec![nameless("1")], &key, 1).await;
        assert!(matches!(old, Err(AppendError::KeyReused)), "{old:?}");
    }
    assert_eq!(bench.last(account).await, 43);
}

pub(super) async fn a_refused_batch_does_not_use_up_its_key(bench: Bench) {
    let account = bench.account("a").await;
    bench.append(account, vec![draft("x", "1")]).await.expect("is stored");
    let refused = bench.append_once(account, vec![nameless("2"), draft("x", "2")], "key", 1).await;
    assert!(matches!(refused, Err(AppendError::IdConflict { .. })), "{refused:?}");
    let next = bench.append_once(account, vec![nameless("3")], "key", 2).await.expect("is stored");
    assert_eq!((places(&next), next.repeated), (vec![(2, false)], false));
}

pub(super) async fn accounts_do_not_share_keys(bench: Bench) {
    for (name, request) in [("a", 1), ("b", 2)] {
        let account = bench.account(name).await;
        let appended = bench.append_once(account, vec![nameless(name)], "key", request).await.expect("is stored");
        assert!(!appended.repeated);
    }
}
