//! Structured logs on standard error.

use std::{backtrace::Backtrace, io::IsTerminal, panic};

use tracing_subscriber::{EnvFilter, fmt};

use crate::settings::{LogFormat, LogLevel};

/// The crates whose events follow `log_level`. Libraries are held to warnings: at lower
/// levels some of them print what passes through them, secrets included.
const OUR_CRATES: &[&str] = &["auditcast", "api", "app", "delivery", "store", "integrations", "policy", "domain"];

/// Sends events and panics to standard error from here on. Called once, first thing.
pub fn start(format: LogFormat, level: LogLevel) {
    let builder = fmt().with_env_filter(filter(level)).with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
    panic::set_hook(Box::new(|panicked| {
        let place = panicked.location().map_or_else(String::new, ToString::to_string);
        // The payload's text is ours: no code of ours puts input into a panic.
        let payload = panicked.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a text");
        tracing::error!(place, backtrace = %Backtrace::capture(), "panicked: {text}");
    }));
}

fn filter(level: LogLevel) -> EnvFilter {
    let ours = OUR_CRATES.iter().map(|name| format!("{name}={}", level.as_str()));
    let libraries = if level == LogLevel::Error { LogLevel::Error } else { LogLevel::Warn };
    let directives: Vec<String> = std::iter::once(libraries.as_str().to_owned()).chain(ours).collect();
    EnvFilter::new(directives.join(","))
}

#[cfg(test)]
mod tests {
    use super::filter;
    use crate::settings::LogLevel;

    #[test]
    fn libraries_stay_at_warnings_whatever_the_level() {
        let text = filter(LogLevel::Trace).to_string();
        let bare: Vec<&str> = text.split(',').filter(|directive| !directive.contains('=')).collect();
        assert_eq!(bare, ["warn"], "{text}");
        assert!(text.contains("delivery=trace") && !text.contains("hyper"), "{text}");
    }
}
