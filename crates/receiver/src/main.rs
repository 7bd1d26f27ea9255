//! `auditcast-receiver`: stands in for the vendors on this machine.

use std::{
    io::Write,
    net::SocketAddr,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use clap::Parser;
use receiver::{Keys, Options, Receiver};

/// A strict local stand-in for the vendors of all built-in integrations.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where the vendors' HTTPS is served.
    #[arg(long, default_value = "127.0.0.1:8443")]
    tls_listen: SocketAddr,
    /// Where the same is served as plain HTTP.
    #[arg(long)]
    http_listen: Option<SocketAddr>,
    /// Where faults are set and requests are read back.
    #[arg(long, default_value = "127.0.0.1:8444")]
    control_listen: SocketAddr,
    /// A file for the certificate of the authority.
    #[arg(long, value_name = "FILE")]
    ca_out: Option<PathBuf>,
    /// A further host name in the certificate; may be repeated.
    #[arg(long, value_name = "NAME")]
    extra_name: Vec<String>,
    /// A vendor's key in the place of the documented one, as datadog=KEY; may be repeated.
    #[arg(long, value_name = "VENDOR=KEY", value_parser = vendor_key)]
    key: Vec<(String, String)>,
    /// A Honeycomb dataset that exists; may be repeated.
    #[arg(long, value_name = "NAME", default_values_t = ["auditcast".to_owned()])]
    honeycomb_dataset: Vec<String>,
    /// A New Relic application id that exists; all do when there is none.
    #[arg(long, value_name = "ID")]
    newrelic_application: Vec<String>,
    /// A Splunk index that the token may write to; may be repeated.
    #[arg(long, value_name = "NAME", default_values_t = ["main".to_owned(), "audit".to_owned()])]
    splunk_index: Vec<String>,
    /// Switches indexer acknowledgement on for the Splunk token.
    #[arg(long)]
    splunk_ack: bool,
}

fn vendor_key(text: &str) -> Result<(String, String), String> {
    let (vendor, key) = text.split_once('=').ok_or("VENDOR=KEY is expected")?;
    // Only whether the name is known counts here; the key is set on the real keys later.
    set_key(&mut Keys::default(), vendor, key)?;
    Ok((vendor.to_owned(), key.to_owned()))
}

fn set_key(keys: &mut Keys, vendor: &str, key: &str) -> Result<(), String> {
    let place = match vendor {
        "datadog" => &mut keys.datadog,
        "dynatrace" => &mut keys.dynatrace,
        "elastic" => &mut keys.elastic,
        "honeycomb" => &mut keys.honeycomb,
        "logdna" => &mut keys.logdna,
        "msteams" => &mut keys.teams,
        "new-relic-apm" => &mut keys.newrelic,
        "signalfx" => &mut keys.signalfx,
        "splunk" => &mut keys.splunk,
        "splunk-disabled" => &mut keys.splunk_disabled,
        "slack" | "mattermost" | "zapier" => &mut keys.hook,
        "webhook-signed" => &mut keys.webhook,
        "webhook-signed-previous" => &mut keys.webhook_previous,
        "chronosphere" | "compass" | "kosli" | "msteams-app" => &mut keys.ld_webhook,
        "pagerduty" => &mut keys.pagerduty,
        "grafana" => &mut keys.grafana,
        "loki" => &mut keys.loki,
        "opsgenie" => &mut keys.opsgenie,
        "last9" => &mut keys.last9,
        "terraform-cloud" => &mut keys.terraform,
        _ => return Err(format!("{vendor} is no vendor with a key")),
    };
    key.clone_into(place);
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the binary brings the real clock to the library")]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut options = Options::new(now);
    options.tls_listen = arguments.tls_listen;
    options.http_listen = arguments.http_listen;
    options.control_listen = arguments.control_listen;
    options.extra_names = arguments.extra_name;
    options.honeycomb_datasets = arguments.honeycomb_dataset;
    options.newrelic_applications = arguments.newrelic_application;
    options.splunk_indexes = arguments.splunk_index;
    options.splunk_ack = arguments.splunk_ack;
    for (vendor, key) in &arguments.key {
        set_key(&mut options.keys, vendor, key).map_err(anyhow::Error::msg)?;
    }
    let receiver = Receiver::start(options).await?;
    if let Some(file) = &arguments.ca_out {
        std::fs::write(file, receiver.ca_pem()).with_context(|| format!("cannot write {}", file.display()))?;
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "vendors: https://{}", receiver.tls_address())?;
    if let Some(address) = receiver.http_address() {
        writeln!(out, "vendors: http://{address}")?;
    }
    writeln!(out, "control: http://{}", receiver.control_address())?;
    out.flush()?;
    drop(out);
    tokio::signal::ctrl_c().await?;
    receiver.shutdown().await;
    Ok(())
}
