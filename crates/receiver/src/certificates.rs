//! A certificate authority of the receiver's own, and a certificate for the vendors' names.

use std::sync::Arc;

use anyhow::Context;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::{ServerConfig, crypto::aws_lc_rs};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// The names that are served. A wildcard stands for one label, so that regions of workflow URLs
/// have to be named each; `extra` brings those that are not here.
const NAMES: [&str; 59] = [
    "localhost",
    "127.0.0.1",
    "::1",
    "*.datadoghq.com",
    "*.datadoghq.eu",
    "*.ddog-gov.com",
    "api.us3.datadoghq.com",
    "api.us5.datadoghq.com",
    "api.ap1.datadoghq.com",
    "api.ap2.datadoghq.com",
    "api.uk1.datadoghq.com",
    "api.us2.ddog-gov.com",
    "*.live.dynatrace.com",
    "api.honeycomb.io",
    "api.eu1.honeycomb.io",
    "logs.mezmo.com",
    "logs.logdna.com",
    "outlook.office.com",
    "*.webhook.office.com",
    "*.logic.azure.com",
    "*.westeurope.logic.azure.com",
    "*.westus.logic.azure.com",
    "*.eastus.logic.azure.com",
    "*.powerplatform.com",
    "*.environment.api.powerplatform.com",
    "api.newrelic.com",
    "api.eu.newrelic.com",
    "ingest.us0.signalfx.com",
    "ingest.us1.signalfx.com",
    "ingest.us2.signalfx.com",
    "ingest.eu0.signalfx.com",
    "ingest.eu1.signalfx.com",
    "ingest.jp0.signalfx.com",
    "ingest.au0.signalfx.com",
    "splunk.example.test",
    "elastic.example.test",
    "http-intake.logs.datadoghq.com",
    "http-intake.logs.datadoghq.eu",
    "http-intake.logs.us5.datadoghq.com",
    "hooks.slack.com",
    "hooks.zapier.com",
    "insights-collector.newrelic.com",
    "insights-collector.eu01.nr-data.net",
    "events.pagerduty.com",
    "events.eu.pagerduty.com",
    "api.opsgenie.com",
    "api.eu.opsgenie.com",
    "api.atlassian.com",
    "*.chronosphere.io",
    "app.kosli.com",
    "grafana.example.test",
    "loki.example.test",
    "mattermost.example.test",
    "last9.example.test",
    "webhook.example.test",
    "app.terraform.io",
    "compass.example.test",
    "datadog.example.test",
    "msteams-app.example.test",
];

/// What TLS is served with, and the authority that vouches for it.
pub(crate) struct Certificates {
    pub server: Arc<ServerConfig>,
    pub ca_pem: String,
}

pub(crate) fn make(extra: &[String]) -> anyhow::Result<Certificates> {
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    ca.distinguished_name.push(DnType::CommonName, "auditcast receiver, for tests only");
    let issuer = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;

    let names: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).chain(extra.iter().cloned()).collect();
    let key = KeyPair::generate()?;
    let mut leaf = CertificateParams::new(names).context("a name of the certificate is not valid")?;
    leaf.distinguished_name.push(DnType::CommonName, "auditcast receiver");
    leaf.use_authority_key_identifier_extension = true;
    let certificate = leaf.signed_by(&key, &issuer)?;

    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut server = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Certificates { server: Arc::new(server), ca_pem: issuer.pem() })
}
