//! Random requests to the whole API, against a plain model in memory that tells beforehand how each
//! is answered. The model is made after the documentation, and shares no code with the server.
//!
//! A seed that fails is printed, with the fewest of its steps that still fail; put it into `REPLAYED`
//! to run it alone.

mod logs;
mod patch;
mod steps;
mod things;
mod world;

use steps::Step;
use world::World;

use crate::audit_log_model::Random;

const SEEDS: u64 = 24;
const STEPS: usize = 300;
const REPLAYED: Option<u64> = None;
/// How often it is tried to do without some of the steps.
const TRIES: usize = 300;

fn steps(seed: u64) -> Vec<Step> {
    let mut random = Random::new(seed);
    (0..STEPS).map(|_| steps::step(&mut random)).collect()
}

/// Does the steps on a new server: how many were done, and what was wrong with the last.
async fn run(steps: &[Step]) -> Option<(usize, String)> {
    let mut world = World::start().await;
    for (at, step) in steps.iter().enumerate() {
        if let Err(problem) = world.run(step).await {
            return Some((at + 1, problem));
        }
    }
    None
}

/// Takes steps out as long as the others still fail: what is left, and what is wrong then.
async fn fewest(mut steps: Vec<Step>, mut problem: String) -> (Vec<Step>, String) {
    let mut length = steps.len().div_ceil(2);
    let mut tries = 0;
    while length > 0 && tries < TRIES {
        let mut from = 0;
        while from < steps.len() && tries < TRIES {
            let mut fewer = steps.clone();
            fewer.drain(from..(from + length).min(steps.len()));
            tries += 1;
            match run(&fewer).await {
                Some((done, found)) => {
                    fewer.truncate(done);
                    (steps, problem) = (fewer, found);
                }
                None => from += length,
            }
        }
        length /= 2;
    }
    (steps, problem)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_requests_are_answered_as_a_plain_model_answers_them() {
    for seed in REPLAYED.map_or(1..SEEDS + 1, |seed| seed..seed + 1) {
        let mut all = steps(seed);
        if let Some((done, problem)) = run(&all).await {
            all.truncate(done);
            let (fewest, last) = fewest(all, problem.clone()).await;
            panic!("seed {seed}: {problem}\nthe fewest steps that fail: {fewest:#?}\nwith {last}");
        }
    }
}
