//! What a receiver is started with.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

/// Tells the time, in UTC milliseconds since 1970.
pub type Now = Arc<dyn Fn() -> i64 + Send + Sync>;

/// How a receiver listens and what it takes for right.
#[derive(Clone)]
pub struct Options {
    /// Where the vendors' HTTPS is served. Default `127.0.0.1:0`, a free port.
    pub tls_listen: SocketAddr,
    /// Where the same routes are served without TLS. Default nowhere.
    pub http_listen: Option<SocketAddr>,
    /// Where faults are set and requests are read back. Default `127.0.0.1:0`.
    pub control_listen: SocketAddr,
    /// A folder into which `ca.pem` is written at start.
    pub certs: Option<PathBuf>,
    /// Host names in the certificate beside those of the vendors, for example a region of a workflow URL.
    pub extra_names: Vec<String>,
    /// What the senders must present.
    pub keys: Keys,
    /// Honeycomb datasets that exist from the start; others come to be with their first event.
    pub honeycomb_datasets: Vec<String>,
    /// New Relic application ids that exist; empty means that every number does.
    pub newrelic_applications: Vec<String>,
    /// GUID of the New Relic entity that changes are recorded for.
    pub newrelic_entity: String,
    /// Id of the Terraform workspace that runs may be started of.
    pub terraform_workspace: String,
    /// Splunk indexes that the token may write to.
    pub splunk_indexes: Vec<String>,
    /// Whether the Splunk token has indexer acknowledgement on, which makes a channel necessary.
    pub splunk_ack: bool,
    /// Largest decoded Splunk body, in bytes. Default 1 MiB, what Splunk Cloud advises.
    pub splunk_body_max: usize,
    /// The clock against which ages are judged.
    pub now: Now,
}

impl Options {
    /// The defaults, with the clock `now`.
    pub fn new(now: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            tls_listen: any,
            http_listen: None,
            control_listen: any,
            certs: None,
            extra_names: Vec::new(),
            keys: Keys::default(),
            honeycomb_datasets: vec!["auditcast".to_owned()],
            newrelic_applications: Vec::new(),
            newrelic_entity: "MXxBUE18QVBQTElDQVRJT058MQ".to_owned(),
            terraform_workspace: "ws-4BVpp4ZcUkKQiYDR".to_owned(),
            splunk_indexes: vec!["main".to_owned(), "audit".to_owned()],
            splunk_ack: false,
            splunk_body_max: 1 << 20,
            now: Arc::new(now),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("tls_listen", &self.tls_listen)
            .field("http_listen", &self.http_listen)
            .field("control_listen", &self.control_listen)
            .finish_non_exhaustive()
    }
}

/// The keys that the vendors know. They guard nothing: they are there to be got wrong.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Header `DD-API-KEY`.
    pub datadog: String,
    /// After `Api-Token ` in `Authorization`.
    pub dynatrace: String,
    /// After `ApiKey ` in `Authorization`: base64 of `id:key`.
    pub elastic: String,
    /// Header `X-Honeycomb-Team`.
    pub honeycomb: String,
    /// Header `apikey`, or the user of Basic credentials.
    pub logdna: String,
    /// Parameter `sig` of a workflow URL.
    pub teams: String,
    /// Header `Api-Key` or `X-Api-Key`.
    pub newrelic: String,
    /// Header `X-SF-Token`.
    pub signalfx: String,
    /// After `Splunk ` in `Authorization`.
    pub splunk: String,
    /// A Splunk token that exists and is switched off.
    pub splunk_disabled: String,
    /// Last part of the address of a webhook of Slack, Mattermost or Zapier.
    pub hook: String,
    /// Secret of signed webhooks: `whsec_` and base64.
    pub webhook: String,
    /// The secret that the receiver of signed webhooks knows from before.
    pub webhook_previous: String,
    /// Secret of `X-LD-Signature`.
    pub ld_webhook: String,
    /// The routing key of PagerDuty.
    pub pagerduty: String,
    /// After `Bearer ` in `Authorization`.
    pub grafana: String,
    /// User, colon and password of Loki's Basic credentials.
    pub loki: String,
    /// After `GenieKey ` in `Authorization`.
    pub opsgenie: String,
    /// After `Bearer ` in `X-LAST9-API-TOKEN`.
    pub last9: String,
    /// After `Bearer ` in `Authorization`, for Terraform.
    pub terraform: String,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            datadog: "datadog-key".to_owned(),
            dynatrace: "dynatrace-token".to_owned(),
            elastic: "ZWxhc3RpYzprZXk=".to_owned(),
            honeycomb: "honeycomb-key".to_owned(),
            logdna: "logdna-key".to_owned(),
            teams: "teams-signature".to_owned(),
            newrelic: "newrelic-key".to_owned(),
            signalfx: "signalfx-token".to_owned(),
            splunk: "splunk-token".to_owned(),
            splunk_disabled: "splunk-disabled".to_owned(),
            hook: "hook-token".to_owned(),
            webhook: "whsec_YXVkaXRjYXN0IHdlYmhvb2sgc2VjcmV0IDEyMzQ1Njc4".to_owned(),
            webhook_previous: "whsec_cHJldmlvdXMgd2ViaG9vayBzZWNyZXQgOTg3NjU0MzIx".to_owned(),
            ld_webhook: "ld-webhook-secret".to_owned(),
            pagerduty: "0123456789abcdef0123456789abcdef".to_owned(),
            grafana: "grafana-token".to_owned(),
            loki: "loki:loki-password".to_owned(),
            opsgenie: "opsgenie-key".to_owned(),
            last9: "last9-token".to_owned(),
            terraform: "terraform-token".to_owned(),
        }
    }
}
