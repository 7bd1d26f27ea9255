use domain::{AccountId, JobId, Sequence, SubscriptionId, Timestamp};

use super::bench::{Bench, START, entry_id, nameless, record};
use crate::{
    DeadLetter, Error, JOBS_RUNNING_MAX, Job, JobCounts, JobError, JobKind, JobProgress, JobState, JobWrites,
    JournalWrite, LetterFate, Letters, NewJob, Work,
};

fn letter(subscription: SubscriptionId, sequence: u64, fate: LetterFate) -> DeadLetter {
    DeadLetter {
        subscription,
        sequence: Sequence(sequence),
        fate,
        entry_id: entry_id(&format!("of {sequence}")),
        reason: "why".to_owned(),
        died_at: Timestamp::from_millis(7),
        bytes: vec![b'x'; 10],
    }
}

async fn write(bench: &Bench, account: AccountId, dead: Vec<DeadLetter>, jobs: JobWrites) {
    let write = JournalWrite { dead, jobs, ..JournalWrite::of(account, Sequence(9)) };
    bench.store.journal_write(vec![write]).await.expect("is written");
}

/// A subscription with dead letters 1 to 3 and a skipped entry 4.
async fn with_letters(bench: &Bench) -> (AccountId, SubscriptionId) {
    let account = bench.account("a").await;
    let id = bench.subscription(account, "x", true).await.id;
    let fates = [LetterFate::Dead, LetterFate::Dead, LetterFate::Dead, LetterFate::Skipped];
    let letters = fates.into_iter().zip(1..).map(|(fate, sequence)| letter(id, sequence, fate)).collect();
    write(bench, account, letters, JobWrites::default()).await;
    (account, id)
}

async fn make(bench: &Bench, account: AccountId, subscription: SubscriptionId, work: Work) -> Result<Job, JobError> {
    let new = NewJob { id: bench.store.job_id(), account, subscription, work, made_by: "\"me\"".to_owned() };
    bench.store.job_create(new, record("job")).await
}

fn replay(first: u64, last: u64) -> Work {
    Work::Replay(Sequence(first), Sequence(last))
}

fn these(sequences: &[u64]) -> Work {
    Work::Redelivery(Letters::These(sequences.iter().map(|sequence| Sequence(*sequence)).collect()))
}

async fn claimed(bench: &Bench, account: AccountId, id: JobId, after: u64) -> Vec<u64> {
    let letters = bench.store.dead_letter_claimed(account, id, Sequence(after), 9, usize::MAX).await.expect("is read");
    letters.iter().map(|letter| letter.entry.sequence.0).collect()
}

async fn letters(bench: &Bench, id: SubscriptionId, fate: Option<LetterFate>) -> Vec<u64> {
    let page = bench.store.dead_letter_page(id, None, fate, 9, usize::MAX).await.expect("is read");
    page.letters.iter().map(|stored| stored.letter.sequence.0).collect()
}

pub(super) async fn a_replay_is_stored_with_its_record_and_read_back(bench: Bench) {
    let (account, id) = with_letters(&bench).await;
    let before = bench.last(account).await;
    let made = make(&bench, account, id, replay(2, 5)).await.expect("is made");
    assert_eq!((made.kind, made.state, made.total), (JobKind::Replay, JobState::Running, 4));
    let expected = JobProgress { frontier: Sequence(1), counts: JobCounts::default(), detail: String::new() };
    assert_eq!(made.progress, expected);
    assert_eq!((made.made_by.as_deref(), made.ended_at), (Some("\"me\""), None));
    assert_eq!(bench.last(account).await, before + 1);
    assert_eq!(bench.store.job_get(id, made.id).await.expect("is there"), made);
    let beside = bench.subscription(account, "x", true).await.id;
    assert!(matches!(bench.store.job_get(beside, made.id).await, Err(Error::NotFound)));
    let other = bench.account("b").await;
    assert!(matches!(make(&bench, other, id, replay(1, 1)).await, Err(JobError::Store(Error::NotFound))));
}

pub(super) async fn jobs_take_turns_and_are_listed_newest_first(bench: Bench) {
    let (account, id) = with_letters(&bench).await;
    assert_eq!(bench.store.job_next(account, id).await.expect("is read"), None);
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(make(&bench, account, id, replay(1, 2)).await.expect("is made").id);
    }
    let next = async || bench.store.job_next(account, id).await.expect("is read").map(|job| job.id);
    assert_eq!(next().await, Some(made[0]));
    assert_eq!(bench.store.job_list_waiting(account).await.expect("is read"), [id]);
    let page = async |before, count| {
        let page = bench.store.job_page(id, before, count).await.expect("is read");
        (page.jobs.iter().map(|job| job.id).collect::<Vec<_>>(), page.has_more)
    };
    assert_eq!(page(None, 2).await, (vec![made[2], made[1]], true));
    assert_eq!(page(Some(made[1]), 2).await, (vec![made[0]], false));
    assert!(matches!(bench.store.job_page(id, Some(bench.store.job_id()), 2).await, Err(Error::NotFound)));
    let counts = JobCounts { accepted: 1, refused: 0, filtered: 1, skipped: 0 };
    let progress = JobProgress { frontier: Sequence(2), counts, detail: "d".to_owned() };
    let jobs = JobWrites { progress: vec![(made[0], progress.clone(), true)], ..JobWrites::default() };
    write(&bench, account, Vec::new(), jobs).await;
    let done = bench.store.job_get(id, made[0]).await.expect("is there");
    assert_eq!((done.state, done.progress, done.ended_at.is_some()), (JobState::Done, progress, true));
    assert_eq!(next().await, Some(made[1]));
}

pub(super) async fn a_stopped_job_stays_stopped_whatever_the_journal_brings(bench: Bench) {
    let (account, id) = with_letters(&bench).await;
    let made = make(&bench, account, id, these(&[1, 2])).await.expect("is made");
    let stop = async || bench.store.job_stop(account, id, made.id, record("stop")).await.expect("is stopped");
    let before = bench.last(account).await;
    assert_eq!((stop().await, stop().await), (true, false));
    assert_eq!(bench.last(account).await, before + 1, "what had ended before is not recorded");
    let counts = JobCounts { accepted: 1, ..JobCounts::default() };
    let progress = JobProgress { frontier: Sequence(2), counts, detail: String::new() };
    let jobs = JobWrites { progress: vec![(made.id, progress, true)], ..JobWrites::default() };
    write(&bench, account, Vec::new(), jobs).await;
    let stopped = bench.store.job_get(id, made.id).await.expect("is there");
    assert_eq!((stopped.state, stopped.progress.counts), (JobState::Stopped, counts));
    assert_eq!(claimed(&bench, account, made.id, 0).await, Vec::<u64>::new());
    assert_eq!(bench.store.job_next(account, id).await.expect("is read"), None);
}

pub(super) async fn a_redelivery_claims_its_letters_until_they_have_their_fate(bench: Bench) {
    let (account, id) = with_letters(&bench).await;
    let unknown = make(&bench, account, id, these(&[1, 8, u64::MAX])).await;
    assert!(matches!(unknown, Err(JobError::Unknown(list)) if list == [Sequence(8), Sequence(u64::MAX)]));
    let made = make(&bench, account, id, these(&[3, 1, 1])).await.expect("is made");
    assert_eq!((made.first, made.last, made.total), (Sequence(1), Sequence(3), 2));
    assert_eq!(claimed(&bench, account, made.id, 0).await, [1, 3]);
    assert_eq!(claimed(&bench, account, made.id, 1).await, [3]);
    let elsewhere = make(&bench, account, id, these(&[2, 3])).await;
    assert!(matches!(elsewhere, Err(JobError::Claimed(list)) if list == [Sequence(3)]));
    let skipped = Work::Redelivery(Letters::All(Some(LetterFate::Skipped)));
    let late = make(&bench, account, id, skipped.clone()).await.expect("is made");
    assert_eq!(claimed(&bench, account, late.id, 0).await, [4]);
    assert!(matches!(make(&bench, account, id, skipped).await, Err(JobError::Nothing)));
    // One is delivered, the other refused again.
    let again = DeadLetter { reason: "again".to_owned(), ..letter(id, 3, LetterFate::Dead) };
    let jobs = JobWrites { delivered: vec![(id, Sequence(1))], ..JobWrites::default() };
    write(&bench, account, vec![again], jobs).await;
    assert_eq!(claimed(&bench, account, made.id, 0).await, Vec::<u64>::new());
    assert_eq!(letters(&bench, id, None).await, [4, 3, 2]);
    assert_eq!(letters(&bench, id, Some(LetterFate::Dead)).await, [3, 2]);
    assert_eq!(letters(&bench, id, Some(LetterFate::Skipped)).await, [4]);
}

pub(super) async fn a_subscription_has_a_bounded_number_of_jobs_that_have_not_ended(bench: Bench) {
    let (account, id) = with_letters(&bench).await;
    for _ in 0..JOBS_RUNNING_MAX {
        make(&bench, account, id, replay(1, 1)).await.expect("is made");
    }
    let before = bench.last(account).await;
    assert!(matches!(make(&bench, account, id, replay(1, 1)).await, Err(JobError::TooMany)));
    assert_eq!(bench.last(account).await, before, "what was refused is not recorded");
    let jobs = JobWrites { retries: vec![(id, vec![Sequence(1)])], ..JobWrites::default() };
    write(&bench, account, Vec::new(), jobs).await;
    assert_eq!(bench.store.job_page(id, None, 99).await.expect("is read").jobs.len(), JOBS_RUNNING_MAX);
}

pub(super) async fn the_server_makes_a_job_of_the_letters_that_are_there(bench: Bench) {
    let (account, id) = with_letters(&bench).await;
    let busy = make(&bench, account, id, these(&[2])).await.expect("is made");
    let sequences = [2, 3, 7].into_iter().map(Sequence).collect();
    let jobs = JobWrites { retries: vec![(id, sequences), (id, vec![Sequence(8)])], ..JobWrites::default() };
    write(&bench, account, Vec::new(), jobs).await;
    let page = bench.store.job_page(id, None, 9).await.expect("is read").jobs;
    assert_eq!(page.iter().map(|job| job.total).collect::<Vec<_>>(), [1, 1]);
    assert_eq!((page[0].made_by.as_deref(), page[1].id), (None, busy.id));
    assert_eq!(claimed(&bench, account, page[0].id, 0).await, [3]);
}

pub(super) async fn deleting_a_subscription_stops_its_jobs(bench: Bench) {
    let (account, id) = with_letters(&bench).await;
    let made = make(&bench, account, id, these(&[1])).await.expect("is made");
    bench.store.subscription_delete(account, id, record("deleted")).await.expect("is deleted");
    assert_eq!(bench.store.job_get(id, made.id).await.expect("is kept").state, JobState::Stopped);
    assert!(bench.store.job_list_waiting(account).await.expect("is read").is_empty());
}

pub(super) async fn an_account_whose_only_work_is_a_job_has_work(bench: Bench) {
    let account = bench.account("a").await;
    let id = bench.subscription(account, "x", true).await.id;
    bench.journal(account, 1, id, None).await;
    assert!(bench.store.account_list_work().await.expect("is read").is_empty());
    make(&bench, account, id, replay(1, 1)).await.expect("is made");
    let last = bench.last(account).await;
    bench.journal(account, last, id, None).await;
    let work = bench.store.account_list_work().await.expect("is read");
    assert_eq!(work.iter().map(|work| work.account).collect::<Vec<_>>(), [account]);
}

pub(super) async fn the_first_entry_from_a_time_on_is_found(bench: Bench) {
    let [other, account] = [bench.account("a").await, bench.account("b").await];
    let at = |second: i64| Timestamp::from_millis(START.as_millis() + second * 1_000);
    for second in [0, 10, 10, 20] {
        bench.clock.set(at(second));
        bench.append(account, vec![nameless("{}"), nameless("{}")]).await.expect("is stored");
        bench.append(other, vec![nameless("{}")]).await.expect("is stored");
    }
    for (second, expected) in [(-5, 1), (0, 1), (1, 3), (10, 3), (11, 7), (20, 7), (21, 9)] {
        let found = bench.store.entry_first_received(account, at(second)).await.expect("is read");
        assert_eq!(found, Sequence(expected), "{second}");
    }
    let empty = bench.account("c").await;
    assert_eq!(bench.store.entry_first_received(empty, at(0)).await.expect("is read"), Sequence(1));
}
