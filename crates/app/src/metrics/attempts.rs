//! Attempts by their outcome, and how long requests take.

use std::{collections::BTreeMap, time::Duration};

use delivery::{DURATION_BOUNDS, IntegrationFigures, OutcomeKind};

use super::text::{Kind, Text};

pub(super) fn write(text: &mut Text, integrations: &BTreeMap<String, IntegrationFigures>) {
    let attempts = "auditcast_attempts_total";
    text.family(attempts, Kind::Counter, "Attempts by their outcome, of one entry or of a batch.");
    for (key, figures) in integrations {
        for (kind, count) in OutcomeKind::ALL.into_iter().zip(figures.attempts.outcomes) {
            // What is passed over is no attempt.
            if !matches!(kind, OutcomeKind::Nothing | OutcomeKind::Skipped) {
                text.sample(attempts, &[("integration", key), ("outcome", kind.name())], count);
            }
        }
    }
    let unrecorded = "auditcast_attempts_unrecorded_total";
    text.family(unrecorded, Kind::Counter, "Attempts that found no room to be recorded.");
    for (key, figures) in integrations {
        text.sample(unrecorded, &[("integration", key)], figures.attempts.unrecorded);
    }
    write_durations(text, integrations);
}

fn write_durations(text: &mut Text, integrations: &BTreeMap<String, IntegrationFigures>) {
    text.family("auditcast_attempt_duration_seconds", Kind::Histogram, "How long the requests of attempts took.");
    for (key, figures) in integrations {
        let bounds = DURATION_BOUNDS.map(|bound| bound.as_secs_f64().to_string());
        let bounds = bounds.iter().map(String::as_str).chain(["+Inf"]);
        let mut count = 0;
        for (bound, of_bucket) in bounds.zip(figures.attempts.durations) {
            count += of_bucket;
            text.sample("auditcast_attempt_duration_seconds_bucket", &[("integration", key), ("le", bound)], count);
        }
        let took: Duration = figures.attempts.took;
        text.sample("auditcast_attempt_duration_seconds_sum", &[("integration", key)], took.as_secs_f64());
        text.sample("auditcast_attempt_duration_seconds_count", &[("integration", key)], count);
    }
}
