use std::collections::HashMap;

use domain::{AccountId, EntryDraft};

use super::bench::{Bench, draft, record};
use crate::writer::COMMITTED_BYTES_MAX;

pub(super) async fn news_are_the_entries_in_order_without_gaps(bench: Bench) {
    let accounts = [bench.account("a").await, bench.account("b").await];
    let appends = async {
        for round in 0..50 {
            let drafts = || (0..=round % 3).map(|item| draft(&format!("{round}-{item}"), "{}")).collect();
            let (one, two) = tokio::join!(bench.append(accounts[0], drafts()), bench.append(accounts[1], drafts()));
            assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
            // One that is refused is no news.
            bench.append(accounts[0], vec![draft("new", ""), draft("0-0", "other")]).await.expect_err("is refused");
        }
        bench.store.subscription_create(bench.new_subscription(accounts[0], "x", true), record("made")).await
    };
    let most = 50 + 49 / 3 * 3 + 1;
    let news = async {
        let mut seen: HashMap<AccountId, u64> = HashMap::new();
        let mut texts = Vec::new();
        while seen.values().sum::<u64>() < 2 * most + 1 {
            for news in bench.store.committed().take().await {
                let before = seen.insert(news.account, news.last.0).unwrap_or(0);
                let sequences: Vec<u64> = news.entries.iter().map(|entry| entry.sequence.0).collect();
                assert_eq!(sequences, (before + 1..=news.last.0).collect::<Vec<_>>());
                assert!(news.entries.iter().all(|entry| entry.account == news.account));
                texts.extend(news.entries.iter().filter(|entry| entry.account == accounts[0]).cloned());
            }
        }
        texts
    };
    let (created, news) = tokio::join!(appends, news);
    created.expect("is made");
    let log = bench.log(accounts[0]).await;
    assert_eq!(news.len(), log.len());
    for (news, stored) in news.iter().zip(&log) {
        assert_eq!((&news.id, &news.bytes, news.received_at), (&stored.id, &stored.bytes, stored.received_at));
    }
}

pub(super) async fn a_slow_taker_loses_bytes_but_not_the_end_of_the_log(bench: Bench) {
    let accounts = [bench.account("a").await, bench.account("b").await];
    let size = 256 * 1024;
    let count = COMMITTED_BYTES_MAX / size + 5;
    let large = EntryDraft { id: None, bytes: vec![b'x'; size].into() };
    for _ in 0..count {
        bench.append(accounts[0], vec![large.clone()]).await.expect("is stored");
    }
    bench.append(accounts[1], vec![draft("small", "1")]).await.expect("is stored");
    let news = bench.store.committed().take().await;
    let bytes: usize = news.iter().flat_map(|news| &news.entries).map(|entry| entry.bytes.len()).sum();
    assert!(bytes <= COMMITTED_BYTES_MAX, "{bytes}");
    for news in news {
        let last = if news.account == accounts[0] { count as u64 } else { 1 };
        assert_eq!(news.last.0, last);
        // What is left is the end of the log.
        let sequences: Vec<u64> = news.entries.iter().map(|entry| entry.sequence.0).collect();
        assert_eq!(sequences, (last + 1 - sequences.len() as u64..=last).collect::<Vec<_>>());
        assert!(sequences.len() < count);
    }
    bench.append(accounts[0], vec![large]).await.expect("is stored");
    let news = bench.store.committed().take().await;
    assert_eq!(news.iter().map(|news| (news.last.0, news.entries.len())).collect::<Vec<_>>(), [(count as u64 + 1, 1)]);
}
