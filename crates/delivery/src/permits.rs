//! How many requests may be in flight, and how they are shared out, so that destinations that
//! hang cannot keep the others waiting.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Hosts from which those without a request are forgotten.
const HOSTS_KEPT: usize = 1_024;

pub(crate) struct Permits {
    all: Arc<Semaphore>,
    /// Half of all: for subscriptions whose last request did not pass, or none has yet.
    unproven: Arc<Semaphore>,
    hosts: Mutex<HashMap<String, Weak<Semaphore>>>,
    of_host: usize,
    count: usize,
}

/// The right to one request, until dropped.
pub(crate) struct Permit {
    _held: [Option<OwnedSemaphorePermit>; 3],
}

impl Permits {
    pub(crate) fn new(count: usize) -> Self {
        let semaphore = |count: usize| Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS)));
        let (all, unproven) = (semaphore(count), semaphore(count / 2));
        Self { count: all.available_permits(), all, unproven, hosts: Mutex::default(), of_host: count / 4 }
    }

    /// How many there are, and how many of them are taken.
    pub(crate) fn figures(&self) -> (usize, usize) {
        (self.count, self.count - self.all.available_permits().min(self.count))
    }

    /// Waits for a permit; the narrowest share first, so that nobody holds a place in a wider
    /// one while it waits for a narrower one.
    pub(crate) async fn acquire(&self, host: Option<&str>, is_proven: bool) -> Permit {
        let of_host = match host {
            Some(host) => take(self.host(host)).await,
            None => None,
        };
        let unproven = if is_proven { None } else { take(Arc::clone(&self.unproven)).await };
        Permit { _held: [of_host, unproven, take(Arc::clone(&self.all)).await] }
    }

    fn host(&self, host: &str) -> Arc<Semaphore> {
        let mut hosts = self.hosts.lock();
        if let Some(known) = hosts.get(host).and_then(Weak::upgrade) {
            return known;
        }
        if hosts.len() >= HOSTS_KEPT {
            hosts.retain(|_, semaphore| semaphore.strong_count() > 0);
        }
        let semaphore = Arc::new(Semaphore::new(self.of_host.clamp(1, Semaphore::MAX_PERMITS)));
        hosts.insert(host.to_owned(), Arc::downgrade(&semaphore));
        semaphore
    }
}

async fn take(semaphore: Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    // None of them is ever closed.
    semaphore.acquire_owned().await.ok()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::Permits;

    #[test]
    fn a_host_has_a_quarter_and_the_unproven_a_half() {
        let permits = Permits::new(16);
        let now = |host: &'static str, is_proven| permits.acquire(Some(host), is_proven).now_or_never();
        let held: Vec<_> = (0..5).map_while(|_| now("slow", false)).collect();
        assert_eq!(held.len(), 4, "one host");
        let more: Vec<_> = ["a", "b", "c", "d", "e"].into_iter().map_while(|host| now(host, false)).collect();
        assert_eq!(more.len(), 4, "all that are unproven");
        let proven: Vec<_> = (0..9).map_while(|host| now(["f", "g", "h"][host / 3], true)).collect();
        assert_eq!(proven.len(), 8, "the rest is for the others");
        assert_eq!(permits.figures(), (16, 16));
        drop(held);
        assert_eq!(permits.figures(), (16, 12));
        assert!(now("slow", false).is_some(), "a host is let in again");
    }
}
