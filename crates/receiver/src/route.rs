//! Which vendor a request is for.

use crate::request::Request;

/// A vendor's API, named by the integration key that sends to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Datadog,
    Dynatrace,
    DynatraceV2,
    Elastic,
    Honeycomb,
    Logdna,
    Teams,
    NewRelic,
    SignalFx,
    Splunk,
    Unknown,
}

impl Place {
    pub const ALL: [Self; 11] = [
        Self::Datadog,
        Self::Dynatrace,
        Self::DynatraceV2,
        Self::Elastic,
        Self::Honeycomb,
        Self::Logdna,
        Self::Teams,
        Self::NewRelic,
        Self::SignalFx,
        Self::Splunk,
        Self::Unknown,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Datadog => "datadog",
            Self::Dynatrace => "dynatrace",
            Self::DynatraceV2 => "dynatrace-v2",
            Self::Elastic => "elastic",
            Self::Honeycomb => "honeycomb",
            Self::Logdna => "logdna",
            Self::Teams => "msteams",
            Self::NewRelic => "new-relic-apm",
            Self::SignalFx => "signalfx",
            Self::Splunk => "splunk",
            Self::Unknown => "unknown",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|place| place.name() == name)
    }

    /// The vendor of `request`: by its host where that is a vendor's, else by its path.
    pub fn of(request: &Request) -> Self {
        by_host(request).unwrap_or_else(|| by_path(request))
    }
}

fn by_host(request: &Request) -> Option<Place> {
    let host = request.host.as_str();
    let within = |domain: &str| host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    if within("datadoghq.com") || within("datadoghq.eu") || within("ddog-gov.com") {
        return Some(Place::Datadog);
    }
    if within("live.dynatrace.com") {
        return Some(if request.path.contains("/api/v2/") { Place::DynatraceV2 } else { Place::Dynatrace });
    }
    if within("honeycomb.io") {
        return Some(Place::Honeycomb);
    }
    if within("mezmo.com") || within("logdna.com") {
        return Some(Place::Logdna);
    }
    if ["webhook.office.com", "outlook.office.com", "logic.azure.com", "powerplatform.com"].into_iter().any(within) {
        return Some(Place::Teams);
    }
    if within("newrelic.com") {
        return Some(Place::NewRelic);
    }
    if within("signalfx.com") || within("observability.splunkcloud.com") {
        return Some(Place::SignalFx);
    }
    match host {
        "splunk.example.test" => Some(Place::Splunk),
        "elastic.example.test" => Some(Place::Elastic),
        _ => None,
    }
}

fn by_path(request: &Request) -> Place {
    let path = request.path.as_str();
    let last = path.rsplit('/').next().unwrap_or_default();
    let by_token = request.header("authorization").is_some_and(|value| value.starts_with("Api-Token"));
    if path.ends_with("/api/v2/events/ingest") {
        Place::DynatraceV2
    } else if path.ends_with("/api/v1/events") {
        // Datadog and Dynatrace share this path; Dynatrace Managed puts /e/ENVIRONMENT before it.
        if by_token || path.starts_with("/e/") { Place::Dynatrace } else { Place::Datadog }
    } else if path.starts_with("/1/markers/") || path.starts_with("/1/batch/") {
        Place::Honeycomb
    } else if path == "/logs/ingest" {
        Place::Logdna
    } else if path.contains("/workflows/") || path.starts_with("/webhook") {
        Place::Teams
    } else if path.starts_with("/v2/applications/") {
        Place::NewRelic
    } else if path == "/v2/event" {
        Place::SignalFx
    } else if path.starts_with("/services/collector") {
        Place::Splunk
    } else if matches!(last, "_bulk" | "_doc") || path.contains("/_doc/") || path.contains("/_create/") {
        Place::Elastic
    } else {
        Place::Unknown
    }
}
