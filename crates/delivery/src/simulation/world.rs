//! The log, the database, the process, and what happens to them.

mod jobs;
mod ledger;
mod process;
mod retention;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, OnceLock},
    time::Duration,
};

use domain::{AccountId, Entry, EntryId, JobId, Sequence, SubscriptionId, Timestamp};
use integrations::{BatchLimits, Catalogue, Integration};
use policy::Policy;
use serde_json::json;
use store::{Counts, Job, JobState, JournalWrite, LetterFate, Progress};

use self::ledger::{Kept, statements};
use super::{Random, destination::Destination};
use crate::{
    account::Account,
    attempts::unpack,
    courier::{Courier, JobEntry, JobRead, Load, Now, Pacing, Results},
    journal::{self, Taken},
    lane::{Lane, Mode, Spec},
};

const ACCOUNT: AccountId = AccountId::from_bytes([7; 12]);
const PACING: Pacing = Pacing { window_max: 4, ordered: false };

/// What the database has of a subscription.
#[derive(Clone)]
struct Row {
    revision: u64,
    is_on: bool,
    wanted: u64,
    progress: Progress,
    /// How many of the fates are written down.
    fates: usize,
    not_before: Duration,
    /// Up to here the position was checked.
    checked: u64,
    /// Letters that are written down, and the jobs that have claimed them.
    letters: BTreeMap<u64, (LetterFate, Option<JobId>)>,
    /// Attempts that are written down.
    attempts: u64,
    told: u64,
    kept: Kept,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Delivered,
    Dead,
    Skipped,
    Nothing,
    /// It was given up for its age.
    Expired,
}

/// What one subscription is beside the database.
struct Side {
    destination: Destination,
    /// Remainders of sequences by three that some revision wanted not.
    unwanted: [bool; 3],
    /// The fates as the process knows them, in the order in which they came; a redelivery brings
    /// another one.
    fates: Vec<(u64, Fate)>,
    /// Where the first one of each sequence stands among them.
    places: HashMap<u64, usize>,
    /// Attempts that have ended, and not been forgotten by a crash.
    attempts: u64,
    /// Entries of the server's own that tell of what was skipped.
    told: u64,
}

struct Flight {
    lane: Arc<Lane>,
    load: Load,
    ends: Duration,
    results: Results,
}

struct Reader {
    lane: Arc<Lane>,
    spec: Arc<Spec>,
    read: Read,
}

enum Read {
    Holes(Vec<Sequence>, Vec<Arc<Entry>>),
    Page(Sequence, Sequence, Vec<Arc<Entry>>),
    Job(JobId, JobRead, Vec<JobEntry>),
}

struct Write {
    write: JournalWrite,
    taken: Taken,
    fates: HashMap<SubscriptionId, (usize, Duration, (u64, u64))>,
}

pub(super) struct World {
    pub(super) random: Random,
    integration: Arc<Integration>,
    now: Duration,
    wall_ahead: i64,
    wall_jumped: bool,
    log: Vec<Arc<Entry>>,
    /// The first entry that the log still has.
    beginning: u64,
    matched: u64,
    rows: BTreeMap<SubscriptionId, Row>,
    sides: BTreeMap<SubscriptionId, Side>,
    account: Arc<Account>,
    flights: Vec<Flight>,
    readers: Vec<Reader>,
    write: Option<Write>,
    /// What the database has of jobs, in the order in which they were made.
    jobs: Vec<Job>,
    limits: BatchLimits,
    /// Most entries of a burst.
    burst: u64,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        static INTEGRATION: OnceLock<Arc<Integration>> = OnceLock::new();
        let integration = INTEGRATION
            .get_or_init(|| Arc::clone(Catalogue::builtin().expect("loads").get("datadog").expect("is built in")));
        let mut random = Random::new(seed);
        let limits = BatchLimits { items_max: [1, 8, 1_000][(seed % 3) as usize], bytes_max: 100_000 };
        let subscriptions = random.below(3) + 1;
        let mut world = Self {
            random,
            integration: Arc::clone(integration),
            now: Duration::from_secs(1),
            wall_ahead: 0,
            wall_jumped: false,
            log: Vec::new(),
            beginning: 1,
            matched: 0,
            rows: BTreeMap::new(),
            sides: BTreeMap::new(),
            account: Arc::new(Account::new(ACCOUNT, Sequence(0))),
            flights: Vec::new(),
            readers: Vec::new(),
            write: None,
            jobs: Vec::new(),
            limits,
            // Only some lives fill the couriers to the brim, since that takes time.
            burst: if seed.is_multiple_of(500) { 900 } else { 20 },
        };
        (0..subscriptions).for_each(|_| world.subscribe());
        world
    }

    pub(super) fn step(&mut self) -> Result<(), String> {
        match self.random.below(100) {
            0..20 => self.append(),
            20..40 => self.match_some(),
            40..44 => self.journal(),
            44..50 => self.end_write()?,
            50..60 => self.end_reader(),
            60..80 => self.end_flight()?,
            80..86 => self.pass_time(),
            86..91 => self.change_mood(),
            91..94 => self.edit()?,
            94..95 => self.crash()?,
            97..99 => self.make_job(),
            99..100 => match self.random.below(8) {
                0 | 1 => self.skip_to_now()?,
                2 | 3 => self.give_up()?,
                4 | 5 => self.drop_old(),
                _ => self.stop_job(),
            },
            95..96 if self.rows.len() < 5 => self.subscribe(),
            96..97 => {
                self.wall_ahead += i64::try_from(self.random.below(20_000_000)).unwrap() - 10_000_000;
                self.wall_jumped = true;
            }
            _ => {}
        }
        self.pump()
    }

    /// Destinations are well and everything is on, until nothing happens any more.
    pub(super) fn recover(&mut self) -> Result<(), String> {
        self.sides.values_mut().for_each(|side| side.destination.recover());
        for id in self.rows.keys().copied().collect::<Vec<_>>() {
            self.edit_to(id, true, 7)?;
        }
        for _ in 0..20_000 {
            self.match_some();
            self.journal();
            self.end_write()?;
            while !self.readers.is_empty() {
                self.end_reader();
            }
            self.end_flight()?;
            self.pump()?;
            let last = Sequence(self.log.len() as u64);
            let is_done = |lane: &Arc<Lane>| {
                let state = lane.lock();
                state.mode == Mode::Attached && state.courier.unsettled() == 0 && state.courier.in_flight() == 0
            };
            let state = self.account.lock();
            let no_job = self.jobs.iter().all(|job| job.state != JobState::Running);
            if state.matched == last && state.lanes.iter().all(is_done) && state.dirty.is_empty() && no_job {
                return Ok(());
            }
            let next = state.lanes.iter().filter_map(|lane| lane.lock().courier.next_due());
            let next = next.chain(self.flights.iter().map(|flight| flight.ends)).filter(|due| *due > self.now).min();
            if let Some(next) = next {
                self.now = next;
            }
        }
        let state = self.account.lock();
        let stuck: Vec<_> = state.lanes.iter().map(|lane| format!("{:?}", lane.lock().courier)).collect();
        Err(format!("it never comes to rest at {} of {}: {stuck:?}", state.matched.0, self.log.len()))
    }

    pub(super) fn check_end(&mut self) -> Result<(), String> {
        self.check_rows()?;
        let last = self.log.len() as u64;
        for (id, row) in &self.rows {
            let side = &self.sides[id];
            let settled = row.progress.frontier.map_or(self.matched, |frontier| frontier.0);
            if settled != last {
                return Err(format!("{id} stands at {settled} of {last}"));
            }
            let newest: HashMap<u64, Fate> = side.fates.iter().copied().collect();
            let count = |fate| newest.values().filter(|other| **other == fate).count() as u64;
            let expected = Counts {
                delivered: count(Fate::Delivered),
                skipped: count(Fate::Skipped) + count(Fate::Expired),
                dead: count(Fate::Dead),
                // What the check of the ledger holds.
                filtered_after_match: row.progress.counts.filtered_after_match,
            };
            if row.progress.counts != expected {
                return Err(format!("{id} counts {:?} and had {expected:?}", row.progress.counts));
            }
            for (sequence, fate) in &side.fates {
                if *fate == Fate::Delivered && !side.destination.accepted.contains(sequence) {
                    return Err(format!("{id}: {sequence} counts as delivered and never was"));
                }
            }
        }
        self.check_jobs()
    }

    fn check_rows(&mut self) -> Result<(), String> {
        let ids: Vec<_> = self.rows.keys().copied().collect();
        ids.into_iter().try_for_each(|id| {
            self.check_row(id)?;
            self.check_ledger(id)
        })
    }

    /// What the database says holds whenever the process might die.
    fn check_row(&mut self, id: SubscriptionId) -> Result<(), String> {
        let clocks = self.clocks();
        let row = self.rows.get_mut(&id).expect("is there");
        let side = &self.sides[&id];
        let frontier = row.progress.frontier.map_or(self.matched, |frontier| frontier.0);
        let courier = Courier::restore(&row.progress, Sequence(frontier), row.revision, PACING, clocks)?;
        let position = courier.position().0;
        if position < row.checked {
            return Err(format!("{id} falls back from {} to {position}", row.checked));
        }
        if position + 1 < self.beginning {
            return Err(format!("{id} waits for {}, and the log begins with {}", position + 1, self.beginning));
        }
        for sequence in row.checked + 1..=position {
            let has_fate = side.places.get(&sequence).is_some_and(|place| *place < row.fates);
            if !has_fate && !side.unwanted[(sequence % 3) as usize] {
                return Err(format!("{id} stands at {position} past {sequence}, which has no fate"));
            }
        }
        row.checked = position;
        Ok(())
    }

    fn clocks(&self) -> Now {
        let wall = 1_790_000_000_000 + self.wall_ahead;
        Now { monotonic: self.now, wall: Timestamp::from_millis(wall).plus(self.now) }
    }

    fn spec(&self, revision: u64, wanted: u64) -> Spec {
        Spec {
            counters: Arc::default(),
            revision,
            name: "".into(),
            policy: Policy::parse(&statements(wanted)).expect("is a policy"),
            integration: Arc::clone(&self.integration),
            config: Box::default(),
            batch: self.limits,
            unusable: None,
            used: parking_lot::Mutex::default(),
        }
    }

    fn append(&mut self) {
        let most = if self.random.one_in(30) { self.burst } else { 4 };
        for _ in 0..self.random.below(most) + 1 {
            let sequence = self.log.len() as u64 + 1;
            let bytes = json!({ "accesses": [{ "action": "update", "resource": format!("proj/p{}", sequence % 3) }] });
            let id = EntryId::parse(&format!("e{sequence}")).expect("is an id");
            let bytes = bytes.to_string().into_bytes().into();
            self.log.push(Arc::new(Entry::new(ACCOUNT, Sequence(sequence), id, Timestamp::default(), bytes)));
        }
    }

    /// A page of what was committed, as the matcher takes it.
    fn match_some(&mut self) {
        let matched = self.account.lock().matched;
        let count = usize::try_from(self.random.below(300) + 1).unwrap();
        let page = self.page(matched, count);
        let no_index = self.account.lock().index.is_empty();
        if no_index {
            self.account.lock().matched = Sequence(self.log.len() as u64);
        } else {
            self.account.give(&page);
        }
        self.account.lock().ahead.clear();
    }

    fn page(&self, after: Sequence, count: usize) -> Vec<Arc<Entry>> {
        let skip = after.0.max(self.beginning - 1);
        self.log.iter().skip(usize::try_from(skip).unwrap()).take(count).map(Arc::clone).collect()
    }

    fn subscribe(&mut self) {
        self.append();
        let mut bytes = [0; 12];
        bytes[11] = u8::try_from(self.rows.len()).unwrap();
        let id = SubscriptionId::from_bytes(bytes);
        let start = self.log.len() as u64 - 1;
        let progress = Progress {
            frontier: Some(Sequence(start)),
            unsettled_from: Some(Sequence(start + 1)),
            counts: Counts::default(),
            detail: String::new(),
        };
        let row = Row {
            revision: 1,
            is_on: true,
            wanted: 7,
            progress,
            fates: 0,
            not_before: Duration::ZERO,
            checked: start,
            letters: BTreeMap::new(),
            attempts: 0,
            told: 0,
            kept: Kept::first(start),
        };
        self.rows.insert(id, row);
        let destination = Destination::new(&mut self.random);
        self.sides.insert(
            id,
            Side { destination, unwanted: [false; 3], fates: Vec::new(), places: HashMap::new(), attempts: 0, told: 0 },
        );
        self.take_up(id);
    }

    fn take_up(&mut self, id: SubscriptionId) {
        if self.wall_jumped {
            // What is left of a wait is told by that clock when it is taken up from the store.
            self.sides.get_mut(&id).expect("is there").destination.not_before = Duration::ZERO;
        }
        let row = &self.rows[&id];
        let matched = self.account.lock().matched;
        let courier = Courier::restore(&row.progress, matched, row.revision, PACING, self.clocks()).expect("is whole");
        let is_idle = courier.is_idle() && courier.frontier() == matched;
        let lane = Arc::new(Lane::new(ACCOUNT, id, self.spec(row.revision, row.wanted), courier));
        let mut state = self.account.lock();
        lane.lock().jobs_changed = true;
        if is_idle {
            state.attach(&lane, &mut lane.lock());
        }
        state.lanes.insert(lane);
    }

    fn edit(&mut self) -> Result<(), String> {
        let count = self.rows.len() as u64;
        let at = usize::try_from(self.random.below(count)).unwrap();
        let id = *self.rows.keys().nth(at).expect("there are as many");
        let (is_on, wanted) = (!self.random.one_in(4), self.random.below(8));
        self.edit_to(id, is_on, wanted)
    }

    fn edit_to(&mut self, id: SubscriptionId, is_on: bool, wanted: u64) -> Result<(), String> {
        let lane = self.account.lock().lanes.get(id).map(Arc::clone);
        if let Some(lane) = &lane {
            self.account.freeze(lane);
            self.end_write()?;
            self.journal();
            self.write_succeeds()?;
        }
        let row = self.rows.get_mut(&id).expect("is there");
        (row.revision, row.is_on, row.wanted) = (row.revision + 1, is_on, wanted);
        row.progress.frontier.get_or_insert(Sequence(self.matched));
        row.kept.revise(is_on, wanted, &row.progress);
        let unwanted = &mut self.sides.get_mut(&id).expect("is there").unwanted;
        (0..3).for_each(|rest| unwanted[rest] |= is_on && wanted & (1 << rest) == 0);
        let revision = row.revision;
        match lane {
            Some(lane) => self.account.revise(&lane, is_on, Some((self.spec(revision, wanted), PACING))),
            None if is_on => self.take_up(id),
            None => {}
        }
        Ok(())
    }

    /// Whatever was not written is gone.
    fn crash(&mut self) -> Result<(), String> {
        if self.random.one_in(2) {
            self.write_succeeds()?;
        }
        // What was lost by a write stays lost, so it is enough to look now and then.
        self.check_rows()?;
        (self.flights, self.readers, self.write) = (Vec::new(), Vec::new(), None);
        self.account = Arc::new(Account::new(ACCOUNT, Sequence(self.matched)));
        for (id, row) in &mut self.rows {
            // A wait by the wall clock is as good as that clock.
            row.not_before = if self.wall_jumped { Duration::ZERO } else { row.not_before };
            let side = self.sides.get_mut(id).expect("is there");
            side.fates.truncate(row.fates);
            side.places.retain(|_, place| *place < row.fates);
            side.destination.not_before = row.not_before;
            (side.attempts, side.told) = (row.attempts, row.told);
        }
        self.wall_jumped = false;
        let on: Vec<_> = self.rows.iter().filter(|(_, row)| row.is_on).map(|(id, _)| *id).collect();
        on.into_iter().for_each(|id| self.take_up(id));
        Ok(())
    }

    fn journal(&mut self) {
        if self.write.is_some() {
            return;
        }
        let (write, taken) = journal::take(Arc::clone(&self.account));
        let fates = |(id, _): &(SubscriptionId, Progress)| {
            let side = &self.sides[id];
            (*id, (side.fates.len(), side.destination.not_before, (side.attempts, side.told)))
        };
        let fates = write.progress.iter().map(fates).collect();
        self.write = Some(Write { write, taken, fates });
    }

    fn end_write(&mut self) -> Result<(), String> {
        if !self.random.one_in(8) {
            return self.write_succeeds();
        }
        if let Some(Write { taken, .. }) = self.write.take() {
            taken.give_back();
        }
        Ok(())
    }

    fn write_succeeds(&mut self) -> Result<(), String> {
        let Some(Write { write, taken, mut fates }) = self.write.take() else { return Ok(()) };
        self.matched = self.matched.max(write.matched.0);
        for of_lane in &write.attempts {
            let row = self.rows.get_mut(&of_lane.subscription).expect("is there");
            for attempt in unpack(&of_lane.packed).map_err(|error| error.to_string())? {
                row.attempts += 1;
                if attempt.runs[0].first.0 != row.attempts {
                    return Err(format!("{} stands where attempt {} belongs", attempt.runs[0].first.0, row.attempts));
                }
            }
        }
        for (id, progress) in write.progress {
            let row = self.rows.get_mut(&id).expect("is there");
            let letters = write.dead.iter().filter(|letter| letter.subscription == id);
            row.letters.extend(letters.map(|letter| (letter.sequence.0, (letter.fate, None))));
            for (_, sequence) in write.jobs.delivered.iter().filter(|(of, _)| *of == id) {
                row.letters.remove(&sequence.0);
            }
            let letters = |fate| row.letters.values().filter(|(other, _)| *other == fate).count() as u64;
            row.kept.written(id, &write.skipped);
            let letters = (letters(LetterFate::Dead), letters(LetterFate::Skipped) + row.kept.skipped_count());
            let counts = (progress.counts.dead, progress.counts.skipped);
            if letters != counts {
                return Err(format!("{id} counts {counts:?} dead and skipped and has {letters:?} letters"));
            }
            row.progress = progress;
            row.told += write.told.iter().filter(|told| *told.bytes == *id.to_string().as_bytes()).count() as u64;
            let made;
            (row.fates, row.not_before, made) = fates.remove(&id).expect("was taken");
            if (row.attempts, row.told) != made {
                return Err(format!("{id} made {made:?} attempts and told and wrote {:?}", (row.attempts, row.told)));
            }
        }
        self.write_jobs(write.jobs);
        taken.written();
        Ok(())
    }

    fn pass_time(&mut self) {
        let most = [50, 5_000, 400_000][usize::try_from(self.random.below(3)).unwrap()];
        self.now += Duration::from_millis(self.random.below(most));
    }

    fn change_mood(&mut self) {
        let Self { sides, random, .. } = self;
        let at = usize::try_from(random.below(sides.len() as u64)).unwrap();
        if let Some(side) = sides.values_mut().nth(at) {
            side.destination.change_mood(random);
        }
    }
}
