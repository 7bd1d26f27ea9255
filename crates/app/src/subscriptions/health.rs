//! How all subscriptions of an account fare, the worst first.

use std::{cmp::Reverse, time::Duration};

use delivery::{ConditionKind, State, Status};
use domain::SubscriptionId;
use integrations::WEBHOOK_KEY;

use crate::{
    Action, App, Caller, Error,
    access::{subscription_resource, webhook_resource},
};

/// How one subscription fares.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// Its id.
    pub id: SubscriptionId,
    /// The integration key.
    pub integration: String,
    /// What people call it.
    pub name: String,
    /// How its deliveries fare.
    pub status: Status,
    /// How long ago the first entry that has no fate yet was received; `None` when all have one.
    pub oldest_unsettled: Option<Duration>,
    /// Whether it stays with an older version of its integration, since the newest does not take
    /// its config.
    pub is_outdated: bool,
}

impl Health {
    /// Whether it delivers, and yet falls behind: the condition that is told of everywhere else.
    pub fn is_behind(&self) -> bool {
        let is_told = || self.status.conditions.iter().any(|condition| condition.kind == ConditionKind::Behind);
        self.status.state == State::Flowing && is_told()
    }

    /// Smaller is worse.
    fn rank(&self) -> impl Ord + use<> {
        let of_state = match self.status.state {
            State::Suspended { .. } => 0,
            State::Holding { .. } => 1,
            State::Flowing if self.is_behind() => 2,
            State::Flowing => 3,
            State::Paused => 4,
            State::NeverOn => 5,
        };
        (of_state, Reverse(self.oldest_unsettled), Reverse(self.status.waiting))
    }
}

impl App {
    /// The account's subscriptions whose deliveries the caller may see: the suspended ones first,
    /// then those that hold, are behind, flow, are paused, and were never on. Among equals the one
    /// whose entries wait longest comes first.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when it may see none at all; or what the store says.
    pub async fn integration_health(&self, caller: &Caller) -> Result<Vec<Health>, Error> {
        let mut stored = self.store.subscription_list_all(caller.account).await?;
        stored.retain(|one| match one.integration.as_str() {
            WEBHOOK_KEY => caller.may(Action::ViewWebhook, &webhook_resource(&one.id.to_string())),
            _ => caller.may(Action::ViewDeliveries, &subscription_resource(&one.id.to_string())),
        });
        if stored.is_empty() {
            self.authorise_empty_list(caller, Action::ViewDeliveries)?;
        }
        let mut list = Vec::with_capacity(stored.len());
        for one in stored {
            let status = self.engine.status(&one).await?;
            let store::Subscription { id, integration, edit, .. } = one;
            let is_outdated = self.engine.is_outdated(id);
            list.push(Health { id, integration, name: edit.name, status, oldest_unsettled: None, is_outdated });
        }
        let behind = |health: &Health| health.status.position.filter(|_| health.status.waiting > Some(0));
        let places = list.iter().filter_map(|health| Some((caller.account, behind(health)?))).collect();
        let times = self.store.entry_times_after(places).await?;
        let now = self.clock.now();
        for (health, received_at) in list.iter_mut().filter(|health| behind(health).is_some()).zip(times) {
            health.oldest_unsettled = received_at.map(|at| now.since(at));
        }
        // Equal ones stay in the order of their creation.
        list.sort_by_cached_key(Health::rank);
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use delivery::{Condition, ConditionKind, State, Status};
    use domain::{SubscriptionId, Timestamp};

    use super::Health;

    fn health(name: &str, state: State, waiting: u64, oldest_seconds: Option<u64>) -> Health {
        let status = Status {
            state,
            position: None,
            waiting: Some(waiting),
            counts: store::Counts::default(),
            success_count: 0,
            error_count: 0,
            last_success: None,
            last_error: None,
            errors: Vec::new(),
            conditions: Vec::new(),
        };
        Health {
            id: SubscriptionId::from_bytes([0; 12]),
            integration: "splunk".to_owned(),
            name: name.to_owned(),
            status,
            oldest_unsettled: oldest_seconds.map(Duration::from_secs),
            is_outdated: false,
        }
    }

    fn told_of(mut health: Health) -> Health {
        let kind = ConditionKind::Behind;
        health.status.conditions.push(Condition { kind, since: Timestamp::default(), reason: String::new() });
        health
    }

    #[test]
    fn the_worst_come_first() {
        let (since, until, probe_at) =
            (Timestamp::from_millis(0), Timestamp::from_millis(1), Timestamp::from_millis(1));
        let holding = || State::Holding { since, until, reason: String::new() };
        let suspended = State::Suspended { since, probe_at, reason: String::new() };
        let mut list = [
            health("never on", State::NeverOn, 9, Some(900)),
            health("paused", State::Paused, 9, Some(900)),
            health("caught up", State::Flowing, 0, None),
            health("flowing", State::Flowing, 2, Some(59)),
            health("flowing with more", State::Flowing, 3, Some(59)),
            told_of(health("behind", State::Flowing, 1, Some(1))),
            health("holding", holding(), 1, Some(1)),
            health("holding for longer", holding(), 1, Some(2)),
            health("suspended", suspended, 0, None),
        ];
        list.sort_by_cached_key(Health::rank);
        let names: Vec<_> = list.iter().map(|health| health.name.as_str()).collect();
        let expected = [
            "suspended",
            "holding for longer",
            "holding",
            "behind",
            "flowing with more",
            "flowing",
            "caught up",
            "paused",
            "never on",
        ];
        assert_eq!(names, expected);
    }
}
