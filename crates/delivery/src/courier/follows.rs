//! What follows a failed attempt, for people to see.

use super::{Courier, Flow, Load, Source};
use crate::attempts::Follows;

impl Courier {
    /// What follows for the entries of a request that has failed, as things stand after it.
    pub fn follows(&self, load: &Load) -> Follows {
        let queue = match load.source {
            Source::Log => Some(&*self.live),
            Source::Job { id, .. } => self.job.as_ref().filter(|job| job.id() == id).map(|job| &job.queue),
        };
        let hole = |sequence| queue.and_then(|queue| queue.hole(sequence));
        let mut unsettled = load.entries.iter().filter_map(|entry| hole(entry.sequence)).peekable();
        match &self.flow {
            Flow::Suspended(wait) => Follows::Suspend(wait.until_wall),
            Flow::Holding(wait) => Follows::Hold(wait.until_wall),
            Flow::Flowing if unsettled.peek().is_none() => Follows::Nothing,
            Flow::Flowing => {
                let soonest = unsettled.filter_map(|hole| hole.due.map(|due| due.at_wall)).min();
                soonest.map_or(Follows::Again, Follows::Retry)
            }
        }
    }
}
