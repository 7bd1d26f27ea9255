//! `auditcast integrations test`.

use std::fmt::Write;

use delivery::{Outcome, TestRequest, TestResult};

use super::example::Example;
use crate::{serve, settings::Settings};

/// Sends one request; what came back as text, and whether it was accepted.
///
/// # Errors
/// Why nothing could be sent.
pub(super) fn send(settings: &Settings, example: &Example) -> Result<(String, bool), Vec<String>> {
    let Example { integration, config, entry, .. } = example;
    let result = serve::try_out(settings, integration, config, entry.as_ref());
    let result = result.map_err(|error| vec![format!("{error:#}")])?;
    let Some(request) = &result.request else {
        let reason = match &result.outcome {
            Outcome::Nothing => "the integration sends nothing for such an entry",
            outcome => outcome.reason().map_or("no request can be made", |reason| reason.text.as_str()),
        };
        return Err(vec![format!("nothing was sent: {reason}")]);
    };
    Ok((describe(&result, request), result.outcome == Outcome::Accepted))
}

// Writing to a String cannot fail.
fn describe(result: &TestResult, request: &TestRequest) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "sent: {} {} ({} bytes)", request.method, request.url, request.bytes);
    if let Some(status) = result.status_code {
        let _ = writeln!(text, "answered: {status} after {} ms", result.took.as_millis());
    }
    if let Some(body) = result.response_body.as_ref().filter(|body| !body.is_empty()) {
        let _ = writeln!(text, "{body}");
    }
    let _ = match result.outcome.reason() {
        Some(reason) => writeln!(text, "outcome: {} ({}): {}", result.outcome.kind().name(), reason.name, reason.text),
        None => writeln!(text, "outcome: {}", result.outcome.kind().name()),
    };
    text
}
