use std::{collections::HashSet, sync::Arc, time::Duration};

use domain::{Sequence, Timestamp};

use super::bench::{Bench, START, draft, entry_id, nameless, places};
use crate::{AppendError, Error};

pub(super) async fn sequences_have_no_gaps_under_concurrent_appends(bench: Bench) {
    let bench = Arc::new(bench);
    let accounts = [bench.account("a").await, bench.account("b").await, bench.account("c").await];
    let tasks: Vec<_> = (0..24)
        .map(|task: usize| {
            let bench = Arc::clone(&bench);
            tokio::spawn(async move {
                let account = accounts[task % accounts.len()];
                let mut given = Vec::new();
                for round in 0..10 {
                    let drafts = (0..=task % 4).map(|item| draft(&format!("{task}-{round}-{item}"), "{}")).collect();
                    let appended = bench.append(account, drafts).await.expect("is stored");
                    let places = places(&appended);
                    // A batch stands together, in its order.
                    assert!(places.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0), "{places:?}");
                    given.extend(appended.items.into_iter().map(|item| (account, item.id, item.sequence)));
                }
                given
            })
        })
        .collect();
    let mut given = Vec::new();
    for task in tasks {
        given.extend(task.await.expect("the task ends"));
    }
    for account in accounts {
        let log = bench.log(account).await;
        let sequences: Vec<u64> = log.iter().map(|entry| entry.sequence.0).collect();
        assert_eq!(sequences, (1..=log.len() as u64).collect::<Vec<_>>());
        assert_eq!(bench.last(account).await, log.len() as u64);
        let stored: HashSet<_> = log.iter().map(|entry| (account, entry.id.clone(), entry.sequence)).collect();
        let told: HashSet<_> = given.iter().filter(|(of, ..)| *of == account).cloned().collect();
        assert_eq!(stored, told);
    }
}

pub(super) async fn a_refused_batch_leaves_nothing_and_disturbs_nobody(bench: Bench) {
    let account = bench.account("a").await;
    let other = bench.account("b").await;
    bench.append(account, vec![draft("first", "1")]).await.expect("is stored");
    bench.append(other, vec![draft("first", "1")]).await.expect("is stored");
    for round in 0..20 {
        let fresh = format!("fresh-{round}");
        let refused = vec![draft(&fresh, "of the refused"), nameless("x"), draft("first", "another")];
        // Asked for at once, so that they share commits.
        let (before, refused, after, beside) = tokio::join!(
            bench.append(account, vec![draft(&format!("before-{round}"), "2")]),
            bench.append(account, refused),
            bench.append(account, vec![draft(&fresh, "of another")]),
            bench.append(other, vec![draft(&fresh, "beside"), nameless("y")]),
        );
        let conflict = AppendError::IdConflict { index: 2, id: entry_id("first"), sequence: Some(Sequence(1)) };
        assert_eq!(refused.expect_err("is refused").to_string(), conflict.to_string());
        assert_eq!(places(&before.expect("is stored")), [(2 + 2 * round, false)]);
        assert_eq!(places(&after.expect("is stored")), [(3 + 2 * round, false)]);
        assert_eq!(places(&beside.expect("is stored")), [(2 + 2 * round, false), (3 + 2 * round, false)]);
    }
    let texts = bench.texts(account).await;
    assert_eq!(texts.len(), 41);
    assert!(!texts.iter().any(|text| text == "of the refused" || text == "x"), "{texts:?}");
}

pub(super) async fn bytes_are_kept_as_they_came(bench: Bench) {
    let account = bench.account("a").await;
    let all: Vec<u8> = (0..=255).collect();
    let texts: [&[u8]; 5] = [b"", b"{ \"b\" : 1.0,\t\"a\":1e2 }", b"\0", &all, &all.repeat(1_024)];
    for (index, bytes) in texts.iter().enumerate() {
        let mut draft = draft(&format!("id-{index}"), "");
        draft.bytes = (*bytes).into();
        bench.append(account, vec![draft]).await.expect("is stored");
    }
    let log = bench.log(account).await;
    assert_eq!(log.iter().map(|entry| &*entry.bytes).collect::<Vec<_>>(), texts);
}

pub(super) async fn time_of_receipt_never_runs_backwards(bench: Bench) {
    let account = bench.account("a").await;
    let other = bench.account("b").await;
    let later = START.plus(Duration::from_secs(60));
    let earlier = Timestamp::from_millis(START.as_millis() - 60_000);
    for now in [START, later, earlier, START, later.plus(Duration::from_millis(1))] {
        bench.clock.set(now);
        bench.append(account, vec![nameless("{}")]).await.expect("is stored");
    }
    let times: Vec<i64> = bench.log(account).await.iter().map(|entry| entry.received_at.as_millis()).collect();
    let [start, later] = [START.as_millis(), later.as_millis()];
    assert_eq!(times, [start, later, later, later, later + 1]);
    // What one account has seen does not move the time of another.
    bench.clock.set(earlier);
    bench.append(other, vec![nameless("{}")]).await.expect("is stored");
    assert_eq!(bench.log(other).await[0].received_at, earlier);
}

pub(super) async fn pages_end_by_count_and_by_bytes(bench: Bench) {
    let account = bench.account("a").await;
    let drafts = (0..10).map(|index| draft(&format!("{index}"), &"x".repeat(100))).collect();
    bench.append(account, drafts).await.expect("is stored");
    // After, most entries, most bytes: which sequences come.
    let cases: [(u64, usize, usize, &[u64]); 9] = [
        (0, 3, 10_000, &[1, 2, 3]),
        (3, 3, 10_000, &[4, 5, 6]),
        (9, 3, 10_000, &[10]),
        (10, 3, 10_000, &[]),
        (u64::MAX, 3, 10_000, &[]),
        (0, 100, 300, &[1, 2, 3]),
        (0, 100, 301, &[1, 2, 3, 4]),
        (4, 100, 0, &[5]),
        (0, 0, 10_000, &[]),
    ];
    for (after, count, bytes, expected) in cases {
        let page = bench.store.entry_page(account, Sequence(after), count, bytes).await.expect("is read");
        let sequences: Vec<u64> = page.iter().map(|entry| entry.sequence.0).collect();
        assert_eq!(sequences, expected, "after {after}, {count} entries, {bytes} bytes");
    }
}

pub(super) async fn a_page_never_reaches_into_another_account(bench: Bench) {
    for name in ["a", "b", "c", "d"] {
        let account = bench.account(name).await;
        bench.append(account, vec![nameless(name), nameless(name)]).await.expect("is stored");
    }
    for name in ["a", "b", "c", "d"] {
        let account = bench.account(name).await;
        assert_eq!(bench.texts(account).await, [name, name]);
        for after in [2, 1 << 40, (1 << 40) + 1, 1 << 41, u64::MAX] {
            let page = bench.store.entry_page(account, Sequence(after), 10, 1_000).await.expect("is read");
            assert!(page.is_empty(), "{name} after {after}: {page:?}");
        }
    }
}

pub(super) async fn an_entry_is_found_by_its_id(bench: Bench) {
    let account = bench.account("a").await;
    let other = bench.account("b").await;
    bench.append(account, vec![draft("häßlich/id?", "1"), draft("HÄSSLICH", "2")]).await.expect("is stored");
    let entry = bench.store.entry_get(account, entry_id("häßlich/id?")).await.expect("is there");
    assert_eq!((entry.account, entry.sequence.0, &*entry.bytes), (account, 1, b"1".as_slice()));
    assert_eq!((entry.id, entry.received_at), (entry_id("häßlich/id?"), START));
    for (account, id) in [(account, "hässlich"), (account, "HÄSSLICH "), (other, "häßlich/id?")] {
        let missing = bench.store.entry_get(account, entry_id(id)).await;
        assert!(matches!(missing, Err(Error::NotFound)), "{id}: {missing:?}");
    }
    let nowhere = bench.store.entry_get(domain::AccountId::from_bytes([9; 12]), entry_id("häßlich/id?")).await;
    assert!(matches!(nowhere, Err(Error::NotFound)), "{nowhere:?}");
}

pub(super) async fn an_entry_without_id_gets_one(bench: Bench) {
    let account = bench.account("a").await;
    let drafts = (0..100).map(|_| nameless("the same")).collect();
    let appended = bench.append(account, drafts).await.expect("is stored");
    let ids: HashSet<_> = appended.items.iter().map(|item| item.id.clone()).collect();
    assert_eq!(ids.len(), 100);
    for item in appended.items {
        let text = item.id.as_str();
        assert!(text.len() == 24 && text.bytes().all(|byte| b"0123456789abcdef".contains(&byte)), "{text}");
        let entry = bench.store.entry_get(account, item.id).await.expect("is there");
        assert_eq!(entry.sequence, item.sequence);
    }
}

pub(super) async fn an_empty_batch_stores_nothing(bench: Bench) {
    let account = bench.account("a").await;
    let appended = bench.append(account, Vec::new()).await.expect("is answered");
    assert!(appended.items.is_empty() && !appended.repeated);
    assert_eq!(bench.last(account).await, 0);
}

pub(super) async fn the_time_of_the_next_entry_is_told_for_each_place(bench: Bench) {
    let [account, other] = [bench.account("a").await, bench.account("b").await];
    for (seconds, owner) in [(1, account), (2, account), (3, other)] {
        bench.clock.set(START.plus(Duration::from_secs(seconds)));
        bench.append(owner, vec![nameless("{}")]).await.expect("is stored");
    }
    let all = bench.store.entry_page(account, Sequence(0), 9, usize::MAX).await.expect("is read");
    let of_other = bench.store.entry_page(other, Sequence(0), 9, usize::MAX).await.expect("is read");
    let places = vec![(account, Sequence(1)), (account, Sequence(2)), (other, Sequence(0)), (account, Sequence(0))];
    let times = bench.store.entry_times_after(places).await.expect("is read");
    let [first, second] = [&all[0], &all[1]].map(|entry| Some(entry.received_at));
    assert_ne!(first, second);
    // Where a log ends, the next account's is not looked at.
    assert_eq!(times, [second, None, Some(of_other[0].received_at), first]);
}
