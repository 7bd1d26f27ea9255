use super::bench::{Bench, draft, entry_id, places};
use crate::AppendError;

pub(super) async fn the_same_bytes_again_are_a_duplicate(bench: Bench) {
    let account = bench.account("a").await;
    bench.append(account, vec![draft("x", "1"), draft("y", "2")]).await.expect("is stored");
    let again = bench.append(account, vec![draft("y", "2"), draft("z", "3"), draft("x", "1")]).await.expect("is told");
    assert_eq!(places(&again), [(2, true), (3, false), (1, true)]);
    assert!(!again.repeated);
    assert_eq!(again.items[0].id, entry_id("y"));
    assert_eq!(bench.texts(account).await, ["1", "2", "3"]);
}

pub(super) async fn other_bytes_under_the_same_id_refuse_the_whole_batch(bench: Bench) {
    let account = bench.account("a").await;
    bench.append(account, vec![draft("x", "1"), draft("y", "2")]).await.expect("is stored");
    // Bytes that mean the same are other bytes too.
    for text in ["", "2 ", "3"] {
        let batch = vec![draft("new", "0"), draft("x", "1"), draft("y", text)];
        match bench.append(account, batch).await {
            Err(AppendError::IdConflict { index: 2, id, sequence: Some(sequence) }) => {
                assert_eq!((id, sequence.0), (entry_id("y"), 2));
            }
            other => panic!("{text:?}: {other:?}"),
        }
    }
    assert_eq!(bench.texts(account).await, ["1", "2"]);
    let new = bench.append(account, vec![draft("new", "other")]).await.expect("nothing of the refused is known");
    assert_eq!(places(&new), [(3, false)]);
}

pub(super) async fn a_batch_may_repeat_itself_but_not_contradict_itself(bench: Bench) {
    let account = bench.account("a").await;
    bench.append(account, vec![draft("old", "0")]).await.expect("is stored");
    let batch = vec![draft("x", "1"), draft("old", "0"), draft("x", "1"), draft("old", "0"), draft("y", "1")];
    let appended = bench.append(account, batch).await.expect("is stored");
    assert_eq!(places(&appended), [(2, false), (1, true), (2, true), (1, true), (3, false)]);
    let contradiction = vec![draft("z", "1"), draft("w", "1"), draft("z", "2")];
    match bench.append(account, contradiction).await {
        Err(AppendError::IdConflict { index: 2, id, sequence: None }) => assert_eq!(id, entry_id("z")),
        other => panic!("{other:?}"),
    }
    assert_eq!(bench.texts(account).await, ["0", "1", "1"]);
}

pub(super) async fn accounts_do_not_share_ids(bench: Bench) {
    for name in ["a", "b"] {
        let account = bench.account(name).await;
        let appended = bench.append(account, vec![draft("x", name)]).await.expect("is stored");
        assert_eq!(places(&appended), [(1, false)]);
    }
}
