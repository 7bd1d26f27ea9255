//! The time by which ages are judged: a wall clock that jumps makes nothing late.

use domain::Timestamp;

use super::Inner;

impl Inner {
    /// The time by the wall clock, or what it would be had it not jumped.
    pub(crate) fn time(&self) -> Timestamp {
        let mut watch = self.clock_watch.lock();
        let before = watch.jump();
        let time = watch.look(self.clock.now(), self.clock.monotonic());
        match (before, watch.jump()) {
            (None, Some(jump)) => tracing::warn!(
                jump_seconds = jump / 1_000,
                "the clock has jumped; nothing is skipped, restamped or dropped for it unless it stands"
            ),
            (Some(_), None) => tracing::info!(now = %time, "the clock goes on from here"),
            _ => {}
        }
        time
    }

    /// Whether the time has stood for long enough to drop entries by it.
    pub(super) fn time_is_settled(&self) -> bool {
        self.time();
        self.clock_watch.lock().is_settled(self.clock.monotonic())
    }

    pub(super) fn clock_warning(&self) -> Option<String> {
        self.time();
        let jump = self.clock_watch.lock().jump()?;
        let direction = if jump > 0 { "ahead" } else { "back" };
        let seconds = jump.unsigned_abs() / 1_000;
        Some(format!(
            "the clock has jumped {seconds} s {direction}; nothing is skipped or dropped for it unless it stands"
        ))
    }
}
