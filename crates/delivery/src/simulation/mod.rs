//! A seeded simulation of deliveries: the real couriers, lanes, account, matching and journal,
//! over a modelled store that forgets what was not written and destinations that misbehave.
//!
//! A seed that fails is printed; put it into `REPLAYED` to run it alone.

mod destination;
mod world;

use world::World;

const SEEDS: u64 = 2_000;
const REPLAYED: Option<u64> = None;

/// One life: trouble, then destinations that are well until nothing is left to do.
fn live(seed: u64) -> Result<(), String> {
    let mut world = World::new(seed);
    let steps = world.random.below(400) + 50;
    for _ in 0..steps {
        world.step()?;
    }
    world.recover()?;
    world.check_end()
}

#[test]
fn every_entry_ends_with_exactly_one_fate() {
    let seeds = REPLAYED.map_or(0..SEEDS, |seed| seed..seed + 1);
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let seeds = seeds.clone().skip(worker).step_by(workers);
            scope.spawn(move || {
                for seed in seeds {
                    if let Err(problem) = live(seed) {
                        panic!("seed {seed}: {problem}");
                    }
                }
            });
        }
    });
}

/// The splitmix64 generator: small, and the same everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    pub(crate) fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}
