//! Which vendor a request is for.

use crate::request::Request;

/// A vendor's API, named by the integration key that sends to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Chronosphere,
    Compass,
    Datadog,
    DatadogLogs,
    DatadogPrivate,
    Dynatrace,
    DynatraceV2,
    Elastic,
    ElasticStream,
    Grafana,
    Honeycomb,
    Kosli,
    Last9,
    Logdna,
    Loki,
    Mattermost,
    NewRelic,
    NewRelicChanges,
    NewRelicEvents,
    Opsgenie,
    PagerDuty,
    SignalFx,
    Slack,
    Splunk,
    SplunkRaw,
    Teams,
    TeamsApp,
    Terraform,
    Webhook,
    Zapier,
    Unknown,
}

const NAMES: [(Place, &str); 31] = [
    (Place::Chronosphere, "chronosphere"),
    (Place::Compass, "compass"),
    (Place::Datadog, "datadog"),
    (Place::DatadogLogs, "datadog-logs"),
    (Place::DatadogPrivate, "datadog-private"),
    (Place::Dynatrace, "dynatrace"),
    (Place::DynatraceV2, "dynatrace-v2"),
    (Place::Elastic, "elastic"),
    (Place::ElasticStream, "elastic-data-stream"),
    (Place::Grafana, "grafana"),
    (Place::Honeycomb, "honeycomb"),
    (Place::Kosli, "kosli"),
    (Place::Last9, "last9"),
    (Place::Logdna, "logdna"),
    (Place::Loki, "loki"),
    (Place::Mattermost, "mattermost"),
    (Place::NewRelic, "new-relic-apm"),
    (Place::NewRelicChanges, "new-relic-changes"),
    (Place::NewRelicEvents, "new-relic"),
    (Place::Opsgenie, "opsgenie"),
    (Place::PagerDuty, "pagerduty"),
    (Place::SignalFx, "signalfx"),
    (Place::Slack, "slack"),
    (Place::Splunk, "splunk"),
    (Place::SplunkRaw, "splunk-raw"),
    (Place::Teams, "msteams"),
    (Place::TeamsApp, "msteams-app"),
    (Place::Terraform, "terraform-cloud"),
    (Place::Webhook, "webhook-signed"),
    (Place::Zapier, "zapier"),
    (Place::Unknown, "unknown"),
];

/// Domains of vendors, their sub-domains included. Names under `example.test` stand for hosts that
/// a customer chooses.
const DOMAINS: [(&str, Place); 36] = [
    ("datadoghq.com", Place::Datadog),
    ("datadoghq.eu", Place::Datadog),
    ("ddog-gov.com", Place::Datadog),
    ("live.dynatrace.com", Place::Dynatrace),
    ("honeycomb.io", Place::Honeycomb),
    ("mezmo.com", Place::Logdna),
    ("logdna.com", Place::Logdna),
    ("webhook.office.com", Place::Teams),
    ("outlook.office.com", Place::Teams),
    ("logic.azure.com", Place::Teams),
    ("powerplatform.com", Place::Teams),
    ("newrelic.com", Place::NewRelic),
    ("nr-data.net", Place::NewRelic),
    ("signalfx.com", Place::SignalFx),
    ("observability.splunkcloud.com", Place::SignalFx),
    ("hooks.slack.com", Place::Slack),
    ("hooks.slack-gov.com", Place::Slack),
    ("hooks.zapier.com", Place::Zapier),
    ("events.pagerduty.com", Place::PagerDuty),
    ("events.eu.pagerduty.com", Place::PagerDuty),
    ("api.opsgenie.com", Place::Opsgenie),
    ("api.eu.opsgenie.com", Place::Opsgenie),
    ("api.atlassian.com", Place::Opsgenie),
    ("chronosphere.io", Place::Chronosphere),
    ("app.kosli.com", Place::Kosli),
    ("app.terraform.io", Place::Terraform),
    ("compass.example.test", Place::Compass),
    ("datadog.example.test", Place::DatadogPrivate),
    ("msteams-app.example.test", Place::TeamsApp),
    ("grafana.example.test", Place::Grafana),
    ("loki.example.test", Place::Loki),
    ("mattermost.example.test", Place::Mattermost),
    ("last9.example.test", Place::Last9),
    ("webhook.example.test", Place::Webhook),
    ("splunk.example.test", Place::Splunk),
    ("elastic.example.test", Place::Elastic),
];

/// Beginnings of paths, for hosts that are no vendor's. The first that fits counts.
const PATHS: [(&str, Place); 18] = [
    ("/1/markers/", Place::Honeycomb),
    ("/1/batch/", Place::Honeycomb),
    ("/logs/ingest", Place::Logdna),
    ("/webhook-signed", Place::Webhook),
    ("/webhook", Place::Teams),
    ("/v2/applications/", Place::NewRelic),
    ("/v1/accounts/", Place::NewRelic),
    ("/graphql", Place::NewRelic),
    ("/v2/event", Place::SignalFx),
    ("/services/collector", Place::Splunk),
    ("/services/", Place::Slack),
    ("/hooks/catch/", Place::Zapier),
    ("/hooks/", Place::Mattermost),
    ("/v2/change/enqueue", Place::PagerDuty),
    ("/v2/enqueue", Place::PagerDuty),
    ("/v2/alerts", Place::Opsgenie),
    ("/api/annotations", Place::Grafana),
    ("/loki/", Place::Loki),
];

impl Place {
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(place, _)| *place == self).map_or("unknown", |(_, name)| name)
    }

    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, known)| *known == name).map(|(place, _)| *place)
    }

    /// The vendor of `request`: by its host where that is a vendor's, else by its path.
    pub fn of(request: &Request) -> Self {
        let vendor = by_host(&request.host).unwrap_or_else(|| by_path(request));
        narrowed(vendor, &request.path)
    }
}

fn by_host(host: &str) -> Option<Place> {
    let within = |domain: &str| host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    DOMAINS.iter().find(|(domain, _)| within(domain)).map(|(_, place)| *place)
}

fn by_path(request: &Request) -> Place {
    let path = request.path.as_str();
    let last = path.rsplit('/').next().unwrap_or_default();
    let by_token = request.header("authorization").is_some_and(|value| value.starts_with("Api-Token"));
    if path.ends_with("/api/v2/events/ingest") {
        Place::Dynatrace
    } else if path.ends_with("/api/v1/events") {
        // Datadog and Dynatrace share this path; Dynatrace Managed puts /e/ENVIRONMENT before it.
        if by_token || path.starts_with("/e/") { Place::Dynatrace } else { Place::Datadog }
    } else if path == "/api/v2/logs" {
        Place::Datadog
    } else if path.ends_with("/api/v1/data/events/receiver/launchdarkly") {
        Place::Chronosphere
    } else if path.ends_with("/events/receiver/launchdarkly") {
        Place::Last9
    } else if path.contains("/workflows/") {
        Place::Teams
    } else if matches!(last, "_bulk" | "_doc") || path.contains("/_doc/") || path.contains("/_create/") {
        Place::Elastic
    } else {
        PATHS.iter().find(|(start, _)| path.starts_with(start)).map_or(Place::Unknown, |(_, place)| *place)
    }
}

/// The API of a vendor that has several under one name.
fn narrowed(vendor: Place, path: &str) -> Place {
    match vendor {
        Place::Datadog if path == "/api/v2/logs" => Place::DatadogLogs,
        Place::Dynatrace if path.contains("/api/v2/") => Place::DynatraceV2,
        Place::Elastic if path.starts_with("/logs-") => Place::ElasticStream,
        Place::NewRelic if path == "/graphql" => Place::NewRelicChanges,
        Place::NewRelic if path.starts_with("/v1/accounts/") => Place::NewRelicEvents,
        Place::Splunk if path.starts_with("/services/collector/raw") => Place::SplunkRaw,
        vendor => vendor,
    }
}
