//! The numbers that docs/delivery.md tells are the ones that hold.

use delivery::{
    ConditionLimits, DELAY_MAX, Failure, HELD_MAX, OUTCOMES_MAX, OutcomeKind, REPLY_BYTES, REPLY_BYTES_PER_ITEM,
    RETENTION_EVERY, SLOW, STEP_BYTES, STEP_ENTRIES, TURN_MAX,
    attempts::BUFFERED_BYTES_MAX,
    condition::WINDOW_PERCENT,
    courier::{HOLES_MAX, JOB_BYTES_MAX, LOADED_BYTES_MAX, UNJOURNALED_MAX},
    decide::Schedule,
};
use domain::ClockWatch;

#[test]
fn the_page_tells_the_limits_as_they_are() {
    let page = include_str!("../../../../docs/delivery.md");
    let schedule = Schedule::default();
    let conditions = ConditionLimits::default();
    let mib = |bytes: usize| bytes / 1024 / 1024;
    for (what, number) in [
        ("first wait of a hold", format!("{} s", schedule.backoff_first.as_secs())),
        ("longest wait of a hold", format!("{} min", schedule.backoff_max.as_secs() / 60)),
        ("first wait of a suspension", format!("{} min", schedule.probe_first.as_secs() / 60)),
        ("longest wait of a suspension", format!("{} h", schedule.probe_max.as_secs() / 3_600)),
        ("first wait of an entry", format!("{} s", schedule.entry_first.as_secs())),
        ("tries of an entry while others pass", schedule.entry_tries_max.to_string()),
        ("refusals in a row", schedule.refusals_in_row_max.to_string()),
        ("failures in a row", schedule.failures_in_row_max.to_string()),
        ("longest wait that a destination may ask for", format!("{} h", schedule.retry_after_max.as_secs() / 3_600)),
        ("an answer is slow from", format!("{} s", SLOW.as_secs())),
        ("jitter", format!("0 to {} %", schedule.jitter_percent_max)),
        ("unsettled entries of a subscription", HOLES_MAX.to_string()),
        ("entries of a subscription in memory", format!("{} MiB", mib(LOADED_BYTES_MAX))),
        ("entries of a job in memory", format!("{} MiB", mib(JOB_BYTES_MAX))),
        ("jobs of a subscription that have not ended", store::JOBS_RUNNING_MAX.to_string()),
        ("unwritten outcomes of a subscription", UNJOURNALED_MAX.to_string()),
        ("an outcome waits to be written", format!("{} ms", DELAY_MAX.as_millis())),
        ("outcomes that are written at once", OUTCOMES_MAX.to_string()),
        ("a test message waits for its turn", format!("{} s", TURN_MAX.as_secs())),
        ("of a reply are read", format!("{} KiB", REPLY_BYTES / 1024)),
        ("of a reply for each entry of the request", format!("{} KiB", REPLY_BYTES_PER_ITEM / 1024)),
        ("failures kept to show", Failure::KEPT.to_string()),
        ("subscriptions with work are looked at", format!("every {} s", conditions.look_every.as_secs())),
        ("a hold is told from", format!("{} min", conditions.held_after.as_secs() / 60)),
        ("a subscription is behind from", format!("{} min", conditions.behind_after.as_secs() / 60)),
        ("a condition ends after", format!("{} min", conditions.quiet.as_secs() / 60)),
        ("an entry is about to be late from", format!("{WINDOW_PERCENT} % of the age window")),
        ("unsettled entries are kept beyond their age for", format!("{} days", HELD_MAX.as_secs() / 86_400)),
        ("old entries are looked for", format!("every {} min", RETENTION_EVERY.as_secs() / 60)),
        ("old entries leave the log at once", STEP_ENTRIES.to_string()),
        ("bytes of old entries leave the log at once", format!("{} MiB", mib(STEP_BYTES))),
        ("the clocks may part by", format!("{} s", ClockWatch::APART_MAX.as_secs())),
        ("a jump of the clock is believed after", format!("{} min", ClockWatch::STANDS_AFTER.as_secs() / 60)),
        ("of a failed answer kept to show", format!("{} KiB", Failure::BODY_BYTES_MAX / 1024)),
        ("attempts of a subscription that wait to be written", format!("{} KiB", BUFFERED_BYTES_MAX / 1024)),
    ] {
        assert!(page.contains(&format!("| {what} | {number} |")), "the page does not say: {what}: {number}");
    }
}

#[test]
fn the_page_tells_every_outcome_once() {
    let page = include_str!("../../../../docs/delivery.md");
    for kind in OutcomeKind::ALL {
        assert_eq!(page.matches(&format!("\n| {} |", kind.name())).count(), 1, "{}", kind.name());
    }
}
