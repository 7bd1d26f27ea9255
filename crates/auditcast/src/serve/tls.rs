//! The certificate that the server shows.

use std::{path::Path, sync::Arc};

use anyhow::{Context, ensure};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::settings::TlsFiles;

/// Reads both files and offers HTTP/2 and HTTP/1.1 over TLS 1.2 and 1.3.
///
/// # Errors
/// When a file cannot be read, holds something else, or the two do not belong together.
pub fn server_config(files: &TlsFiles) -> anyhow::Result<ServerConfig> {
    let chain = certificates(&files.cert)?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .with_context(|| format!("tls_key {} holds no private key in PEM form", files.key.display()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("the crypto library lacks TLS 1.2 or 1.3")?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .with_context(|| format!("tls_cert {} and tls_key {}", files.cert.display(), files.key.display()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let chain = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("tls_cert {} cannot be read as PEM", path.display()))?;
    ensure!(!chain.is_empty(), "tls_cert {} holds no certificate in PEM form", path.display());
    Ok(chain)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::server_config;
    use crate::settings::TlsFiles;

    #[test]
    fn a_certificate_with_its_key_is_served_with_both_protocols() {
        let directory = tempfile::tempdir().expect("a directory");
        let files = TlsFiles { cert: directory.path().join("cert.pem"), key: directory.path().join("key.pem") };
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        fs::write(&files.cert, made.cert.pem()).expect("writes");
        fs::write(&files.key, made.signing_key.serialize_pem()).expect("writes");
        let config = server_config(&files).expect("reads");
        assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    }

    #[test]
    fn what_is_wrong_is_said_with_the_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let files = TlsFiles { cert: directory.path().join("cert.pem"), key: directory.path().join("key.pem") };
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        for (cert, key, named) in [
            ("", key.as_str(), "cert.pem"),
            ("-----BEGIN CERTIFICATE-----", key.as_str(), "cert.pem"),
            (cert.as_str(), "", "key.pem"),
            (cert.as_str(), cert.as_str(), "key.pem"),
            (cert.as_str(), other.signing_key.serialize_pem().as_str(), "key.pem"),
        ] {
            fs::write(&files.cert, cert).expect("writes");
            fs::write(&files.key, key).expect("writes");
            let refused = server_config(&files).expect_err("does not fit");
            assert!(format!("{refused:#}").contains(named), "{refused:#}");
        }
    }
}
