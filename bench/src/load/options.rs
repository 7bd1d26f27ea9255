//! The options of the load generator.

use std::{fs, net::SocketAddr, path::PathBuf, sync::OnceLock};

use anyhow::{Context, bail, ensure};
use clap::Parser;
use hyper::{
    HeaderMap, Method, Uri,
    header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue},
};

use crate::{now_us, template::Template};

/// Posts entries, in a closed loop or at a rate, and prints one JSON object: what was accepted, how
/// fast, and at what cost. An entry is accepted when its request was answered 2xx.
#[derive(Clone, Debug, Parser)]
#[command(name = "bench-load", version)]
pub struct Options {
    /// http URL on loopback; given several times, requests are spread over the paths.
    #[arg(long, required = true)]
    pub url: Vec<String>,
    /// The method of the requests.
    #[arg(long, default_value = "POST")]
    pub method: String,
    /// A header, as 'Name: value'; may be repeated.
    #[arg(long)]
    pub header: Vec<String>,
    /// File with one entry, in which {id}, {seq}, {ts} and {ms} are filled in; a built-in one of 1.5 kB
    /// without it.
    #[arg(long)]
    pub template: Option<PathBuf>,
    /// Entries a request; more than 1 are sent as an array.
    #[arg(long, default_value_t = 1)]
    pub batch: u64,
    /// Connections, each with one request at a time.
    #[arg(long, default_value_t = 1)]
    pub conns: usize,
    /// Entries a second, evenly spaced; 0 is the closed loop. One that finds no free connection is sent
    /// late, which `behind` shows.
    #[arg(long, default_value_t = 0.0)]
    pub rate: f64,
    /// Seconds until no further request is sent.
    #[arg(long, default_value_t = 10.0)]
    pub duration: f64,
    /// Stop after so many entries.
    #[arg(long)]
    pub count: Option<u64>,
    /// Seconds at the beginning that the figures leave out.
    #[arg(long, default_value_t = 0.0)]
    pub warmup: f64,
    /// The number of the run in the ids of its entries; from the clock without it.
    #[arg(long)]
    pub run: Option<u32>,
    /// Milliseconds that a request may take.
    #[arg(long, default_value_t = 30_000)]
    pub timeout_ms: u64,
    /// File for the ids: A (accepted) or E (not known to be), id, time of the answer, tab-separated.
    #[arg(long)]
    pub ids_out: Option<PathBuf>,
}

/// Where the requests go.
pub(super) struct Target {
    pub address: SocketAddr,
    pub paths: Vec<Uri>,
    pub headers: HeaderMap,
}

impl Options {
    /// The number of the run, the same for the life of the process.
    pub fn run(&self) -> u32 {
        static FROM_THE_CLOCK: OnceLock<u32> = OnceLock::new();
        self.run.unwrap_or_else(|| {
            *FROM_THE_CLOCK.get_or_init(|| u32::try_from((now_us() / 1_000) & u64::from(u32::MAX)).unwrap_or(0))
        })
    }

    pub(super) fn method(&self) -> anyhow::Result<Method> {
        self.method.parse().with_context(|| format!("--method {} is no method", self.method))
    }

    pub(super) fn template(&self) -> anyhow::Result<Template> {
        let text = match &self.template {
            None => include_str!("../../templates/entry.json").to_owned(),
            Some(file) => fs::read_to_string(file).with_context(|| file.display().to_string())?,
        };
        Ok(Template::parse(text.trim_end()))
    }

    pub(super) fn target(&self) -> anyhow::Result<Target> {
        ensure!(self.batch > 0 && self.conns > 0, "--batch and --conns must be above 0");
        ensure!(self.rate >= 0.0 && self.rate.is_finite(), "--rate must not be below 0");
        ensure!(self.warmup >= 0.0 && self.duration.is_finite(), "--warmup and --duration must be numbers from 0");
        ensure!(self.duration > self.warmup, "--duration must be above --warmup");
        let uris: Vec<Uri> = self
            .url
            .iter()
            .map(|url| url.parse().with_context(|| format!("--url {url}")))
            .collect::<anyhow::Result<_>>()?;
        let authority = uris.first().and_then(Uri::authority).cloned().context("--url needs a host")?;
        if uris.iter().any(|uri| uri.authority() != Some(&authority) || uri.scheme_str() != Some("http")) {
            bail!("every --url must be http and have the same host and port");
        }
        let host = authority.host().trim_matches(['[', ']']).replace("localhost", "127.0.0.1");
        let ip = host.parse().with_context(|| format!("{host} is no address"))?;
        let address = SocketAddr::new(ip, authority.port_u16().unwrap_or(80));
        ensure!(address.ip().is_loopback(), "entries are sent to loopback addresses only");
        let paths = uris
            .iter()
            .map(|uri| uri.path_and_query().map_or("/", |path| path.as_str()).parse())
            .collect::<Result<_, _>>()?;
        let mut headers = self.headers()?;
        headers.insert(HOST, authority.as_str().parse()?);
        Ok(Target { address, paths, headers })
    }

    fn headers(&self) -> anyhow::Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        for header in &self.header {
            let (name, value) = header.split_once(':').with_context(|| format!("--header {header} has no colon"))?;
            headers.append(name.trim().parse::<HeaderName>()?, value.trim().parse::<HeaderValue>()?);
        }
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        Ok(headers)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::Options;

    fn target(arguments: &[&str]) -> Result<String, String> {
        let options =
            Options::try_parse_from([&["bench-load"], arguments].concat()).map_err(|error| error.to_string())?;
        options.target().map(|target| target.address.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn only_loopback_is_sent_to() {
        assert_eq!(target(&["--url", "http://localhost:9/x"]).as_deref(), Ok("127.0.0.1:9"));
        assert_eq!(target(&["--url", "http://[::1]:9/x"]).as_deref(), Ok("[::1]:9"));
        assert!(target(&["--url", "http://192.0.2.1:9/x"]).is_err());
        assert!(target(&["--url", "https://127.0.0.1:9/x"]).is_err());
        assert!(target(&["--url", "http://127.0.0.1:9/x", "--url", "http://127.0.0.1:8/x"]).is_err());
    }

    #[test]
    fn options_that_would_never_end_or_never_begin_are_refused() {
        for wrong in [["--batch", "0"], ["--conns", "0"], ["--rate", "inf"], ["--duration", "inf"], ["--warmup", "10"]]
        {
            assert!(target(&["--url", "http://127.0.0.1:9/", wrong[0], wrong[1]]).is_err(), "{wrong:?}");
        }
    }
}
