use std::{collections::BTreeMap, time::Duration};

use super::{KEYS, Layer, LogFormat, Mistake, Settings, parse, reference_page};

fn with(file: &str, overrides: &[(&str, &str)]) -> Result<Settings, Vec<Mistake>> {
    let overrides = overrides.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    parse(file, &overrides)
}

fn mistakes(file: &str, overrides: &[(&str, &str)]) -> Vec<Mistake> {
    with(file, overrides).expect_err("has mistakes")
}

#[test]
fn without_any_layer_the_documented_defaults_hold() {
    let settings = parse("", &BTreeMap::new()).expect("the defaults are valid");
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.base_url(settings.listen), "http://127.0.0.1:8080");
    assert_eq!(settings.data_dir.to_str(), Some("./data"));
    assert!(settings.bootstrap_token.is_none() && settings.tls.is_none() && settings.master_key_file.is_none());
    assert_eq!(settings.ingest.body_max_bytes, 10 * 1024 * 1024);
    assert_eq!(settings.ingest.entry_max_bytes, 256 * 1024);
    assert_eq!(settings.ingest.batch_max_entries, 10_000);
    assert_eq!(settings.ingest.queue_max_bytes, 32 * 1024 * 1024);
    let delivery = settings.delivery;
    assert_eq!((delivery.window_max, delivery.permits), (16, 1024));
    let timeouts =
        (delivery.connect_timeout, delivery.tls_timeout, delivery.first_byte_timeout, delivery.request_timeout);
    let seconds = Duration::from_secs;
    assert_eq!(timeouts, (seconds(5), seconds(5), seconds(30), seconds(60)));
    assert_eq!((delivery.backoff_first, delivery.backoff_max), (seconds(1), seconds(15 * 60)));
    assert_eq!((delivery.probe_first, delivery.probe_max), (seconds(60), seconds(3600)));
    assert_eq!((delivery.entry_tries_max, delivery.entry_schedule), (10, seconds(24 * 3600)));
    assert_eq!((delivery.refusals_max, delivery.failures_max), (10, 5));
    assert_eq!((delivery.retry_after_max, delivery.jitter_percent), (seconds(24 * 3600), 20));
    assert!(delivery.allow_destinations.is_empty() && delivery.connect_to.iter().next().is_none());
}

#[test]
fn the_environment_wins_over_the_file_and_a_flag_over_both() {
    let file = "listen = \"127.0.0.1:1\"\ndata_dir = \"file\"\nlog_format = \"json\"";
    let settings = with(
        file,
        &[("AUDITCAST_LISTEN", "127.0.0.1:2"), ("--listen", "127.0.0.1:3"), ("AUDITCAST_DATA_DIR", "environment")],
    )
    .expect("valid");
    assert_eq!(settings.listen.port(), 3);
    assert_eq!(settings.data_dir.to_str(), Some("environment"));
    assert_eq!(settings.log_format, LogFormat::Json);
}

#[test]
fn every_mistake_is_reported_at_once_with_its_layer() {
    let found = mistakes(
        "listen = 8080\nlisten_on = \"x\"\nhttp_connections_max = \"many\"\n[delivery]\nwindow_max = 3",
        &[("AUDITCAST_LOG_LEVEL", "loud"), ("AUDITCAST_NOPE", "1"), ("--data-dir", ""), ("--delivery-permits", "0")],
    );
    let mut places: Vec<(Layer, &str)> = found.iter().map(|found| (found.layer, found.key.as_str())).collect();
    places.sort_unstable();
    assert_eq!(
        places,
        [
            (Layer::File, "delivery"),
            (Layer::File, "http_connections_max"),
            (Layer::File, "listen"),
            (Layer::File, "listen_on"),
            (Layer::Environment, "AUDITCAST_LOG_LEVEL"),
            (Layer::Environment, "AUDITCAST_NOPE"),
            (Layer::Flag, "--data-dir"),
            (Layer::Flag, "--delivery-permits"),
        ]
    );
}

#[test]
fn an_unknown_key_is_told_its_nearest_neighbour_in_the_same_spelling() {
    for (file, overrides, expected) in [
        ("lisen = \"x\"", &[][..], "nearest is listen"),
        ("", &[("AUDITCAST_DATADIR", "x")], "nearest is AUDITCAST_DATA_DIR"),
        ("", &[("--tls-certs", "x")], "nearest is --tls-cert"),
        ("colour = \"x\"", &[], "docs/settings.md"),
    ] {
        let found = mistakes(file, overrides);
        assert!(found[0].reason.contains(expected), "{found:?}");
    }
}

#[test]
fn values_that_do_not_fit_together_are_mistakes_of_the_layer_that_set_them() {
    for (overrides, key) in [
        (&[("AUDITCAST_TLS_CERT", "cert.pem")], "AUDITCAST_TLS_CERT"),
        (&[("--tls-key", "key.pem")], "--tls-key"),
        (&[("AUDITCAST_DELIVERY_BACKOFF_FIRST_MS", "900001")], "AUDITCAST_DELIVERY_BACKOFF_FIRST_MS"),
        (&[("AUDITCAST_DELIVERY_PROBE_MAX_MS", "59999")], "AUDITCAST_DELIVERY_PROBE_MAX_MS"),
        (&[("--ingest-queue-max-bytes", "10485759")], "--ingest-queue-max-bytes"),
    ] {
        let found = mistakes("", overrides);
        assert_eq!(found.iter().map(|found| found.key.as_str()).collect::<Vec<_>>(), [key], "{found:?}");
    }
}

#[test]
fn the_index_for_searches_is_on_or_off() {
    assert!(with("", &[]).expect("valid").search_index);
    assert!(!with("search_index = \"off\"", &[]).expect("valid").search_index);
    let found = mistakes("search_index = true", &[("AUDITCAST_SEARCH_INDEX", "false")]);
    let reasons: Vec<&str> = found.iter().map(|found| found.reason.as_str()).collect();
    assert_eq!(reasons, ["must be a text in quotes", "\"false\" is not one of on, off"]);
}

#[test]
fn no_mistake_shows_the_bootstrap_token() {
    for (file, overrides) in [
        ("bootstrap_token = \"canary token\"", &[][..]),
        ("", &[("AUDITCAST_BOOTSTRAP_TOKEN", "canary\u{e9}")]),
        ("bootstrap_token = \"canary\nlisten = 1", &[]),
        ("bootstrap_token = [\"canary\"]", &[]),
    ] {
        let text = mistakes(file, overrides).iter().map(ToString::to_string).collect::<String>();
        assert!(!text.contains("canary"), "{text}");
    }
    let settings = with("", &[("AUDITCAST_BOOTSTRAP_TOKEN", "canary")]).expect("valid");
    assert!(!format!("{settings:?}").contains("canary"));
    assert_eq!(settings.bootstrap_token.expect("given").expose(), "canary");
}

#[test]
fn a_file_that_is_not_toml_is_reported_by_its_line() {
    let found = mistakes("listen = \"127.0.0.1:1\"\n\ndata_dir = = 3\n", &[]);
    assert_eq!((found[0].key.as_str(), found[0].layer), ("line 3", Layer::File), "{found:?}");
}

#[test]
fn ranges_of_destinations_are_networks_or_single_addresses() {
    let settings =
        with("allow_destinations = [\"10.0.0.0/8\", \"127.0.0.1\", \"::1\", \"fd00::/8\"]", &[]).expect("valid");
    let texts: Vec<String> = settings.delivery.allow_destinations.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["10.0.0.0/8", "127.0.0.1/32", "::1/128", "fd00::/8"]);
    for wrong in ["10.0.0.1/8", "localhost", "10.0.0.0/33", "10.0.0.0/8;::1"] {
        let found = mistakes("", &[("AUDITCAST_ALLOW_DESTINATIONS", wrong)]);
        assert_eq!(found[0].key, "AUDITCAST_ALLOW_DESTINATIONS", "{wrong}");
    }
}

#[test]
fn where_the_client_connects_is_kept_by_host_in_lower_case_and_port() {
    let text = "API.Example.com:443=127.0.0.1:9443, [::1]:8443=[::1]:9444";
    let settings = with("", &[("AUDITCAST_CONNECT_TO", text)]).expect("valid");
    let connect_to = settings.delivery.connect_to;
    assert_eq!(connect_to.get("api.example.COM", 443), "127.0.0.1:9443".parse().ok());
    assert_eq!(connect_to.get("[::1]", 8443), "[::1]:9444".parse().ok());
    assert_eq!(connect_to.get("api.example.com", 80), None);
    let wrong = [
        "a=b",
        "a:443=localhost:1",
        "a:443=1.2.3.4",
        "https://a:443=1.2.3.4:1",
        ":443=1.2.3.4:1",
        "a:99999=1.2.3.4:1",
        "a:1=1.2.3.4:1,A:1=1.2.3.4:2",
    ];
    for wrong in wrong {
        assert_eq!(mistakes("", &[("--connect-to", wrong)])[0].key, "--connect-to", "{wrong}");
    }
}

#[test]
fn links_begin_with_the_public_url_or_with_what_is_served() {
    let served = with("", &[("--tls-cert", "c"), ("--tls-key", "k"), ("--listen", "[::1]:0")]).expect("valid");
    assert_eq!(served.base_url("[::1]:8443".parse().expect("an address")), "https://[::1]:8443");
    let given = with("public_url = \"https://audit.example.com/base/\"", &[]).expect("valid");
    assert_eq!(given.base_url(given.listen), "https://audit.example.com/base");
    for wrong in ["audit.example.com", "ftp://a", "https://a?x=1", "https://a#x", "https://u:p@a"] {
        assert_eq!(mistakes("", &[("--public-url", wrong)])[0].key, "--public-url", "{wrong}");
    }
}

#[test]
fn every_key_can_be_set_in_every_layer() {
    for key in KEYS {
        let value = key.default.filter(|default| !default.is_empty()).unwrap_or(match key.name {
            "public_url" => "https://a.example",
            "connect_to" => "a:1=1.2.3.4:1",
            "allow_destinations" => "10.0.0.0/8",
            _ => "something",
        });
        let (environment, flag) = (key.environment(), key.flag());
        for name in [&environment, &flag] {
            let refused = with("", &[(name, value)]).err().unwrap_or_default();
            let alone_in_a_pair = key.name.starts_with("tls_");
            assert_eq!(!refused.is_empty(), alone_in_a_pair, "{name}: {refused:?}");
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the switch that rewrites the page is no setting of the server")]
fn the_reference_page_is_what_the_table_of_keys_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/settings.md");
    if std::env::var("UPDATE_DOCS").is_ok() {
        std::fs::write(path, reference_page()).expect("writes docs/settings.md");
    }
    let page = std::fs::read_to_string(path).expect("docs/settings.md is there");
    assert!(page == reference_page(), "docs/settings.md is out of date; run: UPDATE_DOCS=1 cargo test -p auditcast");
}
