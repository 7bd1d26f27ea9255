//! Random calls, compared with a model in memory that is too simple to be wrong.

use std::collections::HashMap;

use domain::{AccountId, EntryDraft, Sequence, Timestamp};
use proptest::{
    collection::vec,
    option,
    prelude::{Just, Strategy, any, prop_oneof},
    test_runner::{Config, TestRunner},
};

use super::bench::{Bench, START, draft, edit, nameless, options, places, record};
use crate::{AccountWork, AppendError, Appended, Counts, Error, JournalWrite, Progress, Subscription};

const ACCOUNTS: usize = 2;
const INTEGRATIONS: [&str; 2] = ["x", "y"];
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

#[derive(Clone, Debug)]
enum Call {
    Clock { seconds: i64 },
    Append { account: usize, drafts: Vec<(Option<u8>, u8)>, key: Option<(u8, u8)> },
    Create { account: usize, integration: usize, on: bool },
    Update { pick: usize, revision_off_by: u64, name: u8, on: bool },
    Delete { pick: usize },
    Journal { pick: usize, matched: u64, frontier: Option<u64>, delivered: u64 },
    Restart,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let account = 0..ACCOUNTS;
    let drafts = vec((option::weighted(0.8, 0..6_u8), 0..2_u8), 0..4);
    let key = option::weighted(0.4, (0..2_u8, 0..2_u8));
    let call = prop_oneof![
        // Back by a second, or on by five hours: no key that has grown too old grows young again,
        // which a backend may answer in two ways.
        2 => prop_oneof![Just(-1), (0..6_i64).prop_map(|steps| steps * 5 * 60 * 60)]
            .prop_map(|seconds| Call::Clock { seconds }),
        8 => (account.clone(), drafts, key).prop_map(|(account, drafts, key)| Call::Append { account, drafts, key }),
        2 => (account, 0..INTEGRATIONS.len(), any::<bool>())
            .prop_map(|(account, integration, on)| Call::Create { account, integration, on }),
        3 => (any::<usize>(), 0..4_u64, 0..3_u8, any::<bool>()).prop_map(|(pick, off_by, name, on)| Call::Update {
            pick,
            revision_off_by: off_by.saturating_sub(2),
            name,
            on,
        }),
        1 => any::<usize>().prop_map(|pick| Call::Delete { pick }),
        3 => (any::<usize>(), 0..20_u64, option::of(0..20_u64), 0..9_u64).prop_map(
            |(pick, matched, frontier, delivered)| Call::Journal { pick, matched, frontier, delivered }
        ),
        1 => Just(Call::Restart),
    ];
    vec(call, 1..40)
}

pub(super) fn random_calls_answer_as_the_model_does(fresh: fn() -> Bench) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let config = Config { cases: 64, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&calls(), |calls| {
        runtime.block_on(compare(fresh(), calls));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

async fn compare(bench: Bench, calls: Vec<Call>) {
    let mut pair = Pair { bench, now: START, accounts: Vec::new(), subscriptions: Vec::new() };
    for name in ["a", "b"] {
        let id = pair.bench.account(name).await;
        pair.accounts.push(Account { id, log: Vec::new(), matched: 0, keys: HashMap::new() });
    }
    for call in calls {
        pair.call(call).await;
    }
    pair.compare_everything().await;
}

struct Stored {
    id: Option<String>,
    bytes: Vec<u8>,
    received_at: Timestamp,
}

struct Key {
    request: u8,
    places: Vec<(u64, bool)>,
    made_at: Timestamp,
}

/// The model of one account.
struct Account {
    id: AccountId,
    log: Vec<Stored>,
    matched: u64,
    keys: HashMap<u8, Key>,
}

#[derive(Debug, PartialEq)]
enum Refusal {
    KeyReused,
    IdConflict(usize, Option<u64>),
}

impl Account {
    fn push(&mut self, draft: &EntryDraft, now: Timestamp) -> u64 {
        let received_at = self.log.last().map_or(now, |last| last.received_at.max(now));
        let id = draft.id.as_ref().map(ToString::to_string);
        self.log.push(Stored { id, bytes: draft.bytes.to_vec(), received_at });
        self.log.len() as u64
    }

    fn append(
        &mut self,
        drafts: &[EntryDraft],
        key: Option<(u8, u8)>,
        now: Timestamp,
    ) -> Result<(Vec<(u64, bool)>, bool), Refusal> {
        if let Some((key, request)) = key
            && let Some(known) = self.keys.get(&key)
            && known.made_at.as_millis() >= now.as_millis() - DAY_MILLIS
        {
            let is_same = known.request == request;
            return if is_same { Ok((known.places.clone(), true)) } else { Err(Refusal::KeyReused) };
        }
        let before = self.log.len();
        let mut places = Vec::new();
        for (index, draft) in drafts.iter().enumerate() {
            let id = draft.id.as_ref().map(ToString::to_string);
            let known = self.log.iter().position(|stored| id.is_some() && stored.id == id);
            let place = match known {
                Some(known) if self.log[known].bytes == *draft.bytes => (known as u64 + 1, true),
                Some(known) => {
                    self.log.truncate(before);
                    return Err(Refusal::IdConflict(index, (known < before).then_some(known as u64 + 1)));
                }
                None => (self.push(draft, now), false),
            };
            places.push(place);
        }
        if let Some((key, request)) = key {
            self.keys.insert(key, Key { request, places: places.clone(), made_at: now });
        }
        Ok((places, false))
    }
}

/// The model of one subscription; `stored` is the last state of a deleted one too.
struct Modelled {
    stored: Subscription,
    progress: Option<Progress>,
    deleted: bool,
}

/// The store and the model beside it.
struct Pair {
    bench: Bench,
    now: Timestamp,
    accounts: Vec<Account>,
    subscriptions: Vec<Modelled>,
}

impl Pair {
    async fn call(&mut self, call: Call) {
        match call {
            Call::Clock { seconds } => {
                self.now = Timestamp::from_millis(self.now.as_millis() + seconds * 1000);
                self.bench.clock.set(self.now);
            }
            Call::Append { account, drafts, key } => self.append(account, &drafts, key).await,
            Call::Create { account, integration, on } => self.create(account, integration, on).await,
            Call::Update { pick, revision_off_by, name, on } => self.update(pick, revision_off_by, name, on).await,
            Call::Delete { pick } => self.delete(pick).await,
            Call::Journal { pick, matched, frontier, delivered } => {
                self.journal(pick, matched, frontier, delivered).await;
            }
            Call::Restart => self.bench.restart(options()).await,
        }
    }

    async fn append(&mut self, account: usize, drafts: &[(Option<u8>, u8)], key: Option<(u8, u8)>) {
        let drafts: Vec<EntryDraft> = drafts
            .iter()
            .map(|(id, text)| match id {
                Some(id) => draft(&format!("id-{id}"), &format!("text {text}")),
                None => nameless(&format!("text {text}")),
            })
            .collect();
        let account = &mut self.accounts[account];
        let expected = account.append(&drafts, key, self.now);
        let answer = match key {
            Some((key, request)) => self.bench.append_once(account.id, drafts, &key.to_string(), request).await,
            None => self.bench.append(account.id, drafts).await,
        };
        assert_eq!(in_short(answer), expected);
    }

    async fn create(&mut self, account: usize, integration: usize, on: bool) {
        let account = &mut self.accounts[account];
        let new = self.bench.new_subscription(account.id, INTEGRATIONS[integration], on);
        let answer = self.bench.store.subscription_create(new.clone(), record("made")).await.expect("is made");
        let start = on.then_some(Sequence(account.log.len() as u64));
        account.push(&record("made"), self.now);
        let stored = Subscription {
            id: new.id,
            account: account.id,
            integration: new.integration,
            edit: new.edit,
            revision: 1,
            start,
            created_at: self.now,
        };
        assert_eq!(answer, stored);
        self.subscriptions.push(Modelled { stored, progress: start.map(begun), deleted: false });
    }

    fn pick(&mut self, pick: usize) -> Option<(&mut Modelled, &mut Account)> {
        let count = self.subscriptions.len();
        let picked = &mut self.subscriptions[pick.checked_rem(count)?];
        let account = self.accounts.iter_mut().find(|account| account.id == picked.stored.account)?;
        Some((picked, account))
    }

    async fn update(&mut self, pick: usize, revision_off_by: u64, name: u8, on: bool) {
        let (store, now) = (self.bench.store.clone(), self.now);
        let Some((picked, account)) = self.pick(pick) else { return };
        let revision = picked.stored.revision + revision_off_by;
        let edit = edit(&format!("name {name}"), on);
        let answer =
            store.subscription_update(account.id, picked.stored.id, revision, edit.clone(), record("changed")).await;
        if picked.deleted {
            assert!(matches!(answer, Err(Error::NotFound)), "{answer:?}");
        } else if revision_off_by > 0 {
            assert!(matches!(answer, Err(Error::Conflict)), "{answer:?}");
        } else {
            let before = Sequence(account.log.len() as u64);
            account.push(&record("changed"), now);
            picked.detach(account.matched);
            if picked.stored.start.is_none() && on {
                picked.stored.start = Some(before);
                picked.progress = Some(begun(before));
            }
            picked.stored.edit = edit;
            picked.stored.revision += 1;
            assert_eq!(answer.expect("is changed"), picked.stored);
        }
    }

    async fn delete(&mut self, pick: usize) {
        let (store, now) = (self.bench.store.clone(), self.now);
        let Some((picked, account)) = self.pick(pick) else { return };
        let answer = store.subscription_delete(account.id, picked.stored.id, record("deleted")).await;
        if picked.deleted {
            assert!(matches!(answer, Err(Error::NotFound)), "{answer:?}");
        } else {
            answer.expect("is deleted");
            account.push(&record("deleted"), now);
            picked.detach(account.matched);
            picked.deleted = true;
        }
    }

    async fn journal(&mut self, pick: usize, matched: u64, frontier: Option<u64>, delivered: u64) {
        let store = self.bench.store.clone();
        let Some((picked, account)) = self.pick(pick) else { return };
        let progress = Progress {
            frontier: frontier.map(Sequence),
            unsettled_from: frontier.map(|frontier| Sequence(frontier + 1)),
            counts: Counts { delivered, skipped: 1, dead: 2, filtered_after_match: 4 },
            detail: format!("detail {delivered}"),
        };
        let write = JournalWrite {
            progress: vec![(picked.stored.id, progress.clone())],
            ..JournalWrite::of(account.id, Sequence(matched))
        };
        store.journal_write(vec![write]).await.expect("is written");
        account.matched = account.matched.max(matched);
        if picked.progress.is_some() {
            picked.progress = Some(progress);
        }
    }

    async fn compare_everything(&self) {
        let store = &self.bench.store;
        for account in &self.accounts {
            let log = self.bench.log(account.id).await;
            assert_eq!(log.len(), account.log.len());
            for (index, (entry, expected)) in log.iter().zip(&account.log).enumerate() {
                assert_eq!(entry.sequence.0, index as u64 + 1);
                assert_eq!((&*entry.bytes, entry.received_at), (&*expected.bytes, expected.received_at));
                assert!(expected.id.as_ref().is_none_or(|id| *id == entry.id.as_str()), "{entry:?}");
                let found = store.entry_get(account.id, entry.id.clone()).await.expect("is there");
                assert_eq!(found.sequence, entry.sequence);
            }
            assert_eq!(self.bench.last(account.id).await, log.len() as u64);
            assert_eq!(store.account_matched(account.id).await.expect("is read"), Sequence(account.matched));
            for integration in INTEGRATIONS {
                let listed = store.subscription_list(account.id, integration).await.expect("is read");
                let expected = self.seen().filter(|one| one.account == account.id && one.integration == integration);
                assert_eq!(sorted(listed), sorted(expected.cloned().collect()));
            }
            let mut on = store.subscription_ids_on(account.id).await.expect("is read");
            let expected = self.seen().filter(|one| one.account == account.id && one.edit.on);
            let mut expected: Vec<_> = expected.map(|one| one.id).collect();
            on.sort();
            expected.sort();
            assert_eq!(on, expected);
            let ids = self.subscriptions.iter().map(|modelled| modelled.stored.id).collect();
            let begun = store.subscription_list_begun(account.id, ids).await.expect("is read");
            let expected = self.subscriptions.iter().filter(|one| one.stored.account == account.id && !one.deleted);
            let expected = expected.filter_map(|one| Some((one.stored.clone(), one.progress.clone()?)));
            assert_eq!(begun, expected.collect::<Vec<_>>());
        }
        for modelled in &self.subscriptions {
            assert_eq!(self.bench.progress(modelled.stored.id).await, modelled.progress);
        }
        let mut work = store.account_list_work().await.expect("is read");
        work.sort_by_key(|work| work.account);
        let mut expected: Vec<_> = self.accounts.iter().filter_map(|account| self.work(account)).collect();
        expected.sort_by_key(|work| work.account);
        assert_eq!(work, expected);
    }

    fn seen(&self) -> impl Iterator<Item = &Subscription> {
        self.subscriptions.iter().filter(|modelled| !modelled.deleted).map(|modelled| &modelled.stored)
    }

    fn work(&self, account: &Account) -> Option<AccountWork> {
        let last = account.log.len() as u64;
        let has_work = self.subscriptions.iter().any(|modelled| {
            let is_on = modelled.stored.account == account.id && modelled.stored.edit.on && !modelled.deleted;
            let behind = modelled.progress.as_ref().is_some_and(|progress| progress.frontier.is_some());
            is_on && (behind || account.matched < last)
        });
        has_work.then_some(AccountWork { account: account.id, last: Sequence(last) })
    }
}

impl Modelled {
    fn detach(&mut self, matched: u64) {
        if let Some(progress) = &mut self.progress
            && progress.frontier.is_none()
        {
            (progress.frontier, progress.unsettled_from) = (Some(Sequence(matched)), Some(Sequence(matched + 1)));
        }
    }
}

fn begun(start: Sequence) -> Progress {
    Progress {
        frontier: Some(start),
        unsettled_from: Some(start.next()),
        counts: Counts::default(),
        detail: String::new(),
    }
}

fn in_short(answer: Result<Appended, AppendError>) -> Result<(Vec<(u64, bool)>, bool), Refusal> {
    match answer {
        Ok(appended) => Ok((places(&appended), appended.repeated)),
        Err(AppendError::KeyReused) => Err(Refusal::KeyReused),
        Err(AppendError::IdConflict { index, sequence, .. }) => {
            Err(Refusal::IdConflict(index, sequence.map(|sequence| sequence.0)))
        }
        Err(error) => panic!("{error:?}"),
    }
}

fn sorted(mut subscriptions: Vec<Subscription>) -> Vec<Subscription> {
    subscriptions.sort_by_key(|subscription| subscription.id);
    subscriptions
}
