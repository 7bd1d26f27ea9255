//! The options of the sink.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};

use super::{fault::Faults, misbehaviour::Misbehaviour};

/// Takes deliveries, counts their entries by path, and answers as Elastic, Splunk, Honeycomb, LogDNA,
/// SignalFx and Datadog do, told apart by path; 200 without a body elsewhere.
///
/// GET /_sink/stats gives the figures, GET /_sink/ids what came (path, id, deliveries, attempts, first
/// arrival), POST /_sink/reset forgets both. SIGTERM and SIGINT print the figures and end it.
#[derive(Clone, Debug, Parser)]
#[command(name = "bench-sink", version)]
pub struct Options {
    /// Loopback address for plain HTTP; may be repeated, so that 127.0.1.1, 127.0.1.2 and so on stand
    /// for several hosts. Port 0 takes a free one; the addresses are printed.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: Vec<SocketAddr>,
    /// Loopback address for HTTPS.
    #[arg(long)]
    pub tls_listen: Option<SocketAddr>,
    /// File for the certificate of the authority that vouches for the HTTPS address.
    #[arg(long, requires = "tls_listen")]
    pub ca_out: Option<PathBuf>,
    /// A further host name in the certificate; may be repeated.
    #[arg(long)]
    pub name: Vec<String>,
    /// Milliseconds before each answer.
    #[arg(long, default_value_t = 0)]
    pub delay_ms: u64,
    /// Milliseconds before each answer for paths that begin so, as PREFIX=MS; may be repeated, the first
    /// that fits counts.
    #[arg(long, value_name = "PREFIX=MS", value_parser = path_delay)]
    pub delay_path: Vec<(String, u64)>,
    /// What happens, as hang, reset, trickle or endless, instead of an answer to paths that begin so; may be
    /// repeated, the first that fits counts.
    #[arg(long, value_name = "PREFIX=KIND", value_parser = path_misbehaviour)]
    pub misbehave: Vec<(String, Misbehaviour)>,
    /// Count requests only, and look at no body.
    #[arg(long)]
    pub no_parse: bool,
    /// File for what came, written at the end.
    #[arg(long)]
    pub ids_out: Option<PathBuf>,
    /// What goes wrong on purpose.
    #[command(flatten)]
    pub faults: Faults,
}

fn path_delay(text: &str) -> Result<(String, u64), String> {
    let (prefix, ms) = text.rsplit_once('=').ok_or("PREFIX=MS is expected")?;
    let ms = ms.parse().map_err(|error| format!("{ms}: {error}"))?;
    Ok((prefix.to_owned(), ms))
}

fn path_misbehaviour(text: &str) -> Result<(String, Misbehaviour), String> {
    let (prefix, kind) = text.rsplit_once('=').ok_or("PREFIX=KIND is expected")?;
    Ok((prefix.to_owned(), Misbehaviour::from_str(kind, false)?))
}

impl Options {
    /// What is done instead of answering a request for `path`.
    pub(super) fn misbehaviour(&self, path: &str) -> Option<Misbehaviour> {
        self.misbehave.iter().find(|(prefix, _)| path.starts_with(prefix.as_str())).map(|(_, kind)| *kind)
    }

    /// Whether any connection is to be reset.
    pub(super) fn resets(&self) -> bool {
        self.faults.reset_ratio > 0.0 || self.misbehave.iter().any(|(_, kind)| *kind == Misbehaviour::Reset)
    }

    /// How long the answer to a request for `path` waits, faults aside.
    pub(super) fn delay(&self, path: &str) -> Duration {
        let own = self.delay_path.iter().find(|(prefix, _)| path.starts_with(prefix.as_str()));
        Duration::from_millis(own.map_or(self.delay_ms, |(_, ms)| *ms))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::Options;

    #[test]
    fn a_delay_of_a_path_beats_that_of_all() {
        let arguments = ["bench-sink", "--delay-ms", "5", "--delay-path", "/a=b=100", "--delay-path", "/a=0"];
        let options = Options::try_parse_from(arguments).expect("the options are good");
        let delays = ["/a=b/x", "/a", "/b"].map(|path| options.delay(path));
        assert_eq!(delays, [100, 0, 5].map(Duration::from_millis));
        assert!(Options::try_parse_from(["bench-sink", "--delay-path", "/a"]).is_err());
    }
}
