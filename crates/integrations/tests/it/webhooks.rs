//! The headers of the Standard Webhooks specification.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{Entry, Timestamp};
use integrations::{Catalogue, HttpRequest, Integration, Item};
use serde_json::{Map, Value, json};

use crate::support::{
    BASE_URL, DATE, NOW, built_in, config, entry, folder, header, least_config, manifest, request, with_own_keys,
    write_folder,
};

const OLD: &str = "whsec_cHJldmlvdXMgd2ViaG9vayBzZWNyZXQgOTg3NjU0MzIx";
const NEW: &str = "whsec_YXVkaXRjYXN0IHdlYmhvb2sgc2VjcmV0IDEyMzQ1Njc4";

fn sample() -> Entry {
    entry(&json!({ "_id": "e.1", "date": DATE, "action": "updateOn", "resource": "org/acme" }))
}

fn signed_with(secret: &str, request: &HttpRequest) -> String {
    let part = |name: &str| header(request, name).unwrap().to_owned();
    let text = [format!("{}.{}.", part("webhook-id"), part("webhook-timestamp")).as_bytes(), &request.body].concat();
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    format!("v1,{}", STANDARD.encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &text)))
}

fn at(integration: &Integration, config: &Map<String, Value>, entry: &Entry, now: i64) -> HttpRequest {
    let now = Timestamp::from_millis(now);
    let Item::Body(item) = integration.render_item(config, entry, BASE_URL, now).unwrap() else { panic!("nothing") };
    integration.request(config, &[item]).unwrap()
}

#[test]
fn a_request_is_signed_with_its_id_and_its_own_time() {
    let integration = built_in("webhook-signed");
    let request = request(&integration, &least_config("webhook-signed"), &sample());
    assert_eq!(header(&request, "webhook-timestamp"), Some((NOW.as_millis() / 1_000).to_string().as_str()));
    assert_eq!(header(&request, "webhook-signature"), Some(signed_with(NEW, &request).as_str()));
    assert_eq!(header(&request, "x-ld-signature"), None);
}

#[test]
fn every_attempt_has_the_id_of_the_first_and_a_time_of_its_own() {
    let integration = built_in("webhook-signed");
    let config = least_config("webhook-signed");
    let first = at(&integration, &config, &sample(), DATE);
    let second = at(&integration, &config, &sample(), DATE + 3_600_000);
    let id = header(&first, "webhook-id").unwrap();
    assert_eq!(header(&second, "webhook-id"), Some(id));
    assert!(id.starts_with("msg_") && id.len() == 36 && !id.contains('.'), "{id}");
    assert_ne!(header(&first, "webhook-timestamp"), header(&second, "webhook-timestamp"));
    assert_ne!(header(&first, "webhook-signature"), header(&second, "webhook-signature"));
    let other = entry(&json!({ "_id": "e.1", "date": DATE, "action": "updateOff", "resource": "org/acme" }));
    assert_ne!(header(&at(&integration, &config, &other, DATE), "webhook-id"), Some(id));
}

#[test]
fn while_a_secret_is_changed_both_sign() {
    let integration = built_in("webhook-signed");
    let mut config = least_config("webhook-signed");
    config.insert("previousSecret".into(), OLD.into());
    let request = request(&integration, &config, &sample());
    let both = format!("{} {}", signed_with(NEW, &request), signed_with(OLD, &request));
    assert_eq!(header(&request, "webhook-signature"), Some(both.as_str()));
}

#[test]
fn secrets_have_a_form_that_errors_explain_and_do_not_repeat() {
    let integration = built_in("webhook-signed");
    for wrong in ["secret", "whsec_", "whsec_c2hvcnQ=", "whsec_@@@@", &format!("whsec_{}", STANDARD.encode([7; 65]))] {
        let mut config = least_config("webhook-signed");
        config.insert("secret".into(), wrong.into());
        let errors = integration.validate_config(&config).unwrap_err();
        assert_eq!(errors.len(), 1, "{wrong}");
        assert_eq!(errors[0].attribute, "config.secret");
        assert!(errors[0].reason.contains("openssl rand -base64 32") && !errors[0].reason.contains("c2hvcnQ"));
    }
    for bytes in [24, 64] {
        let mut config = least_config("webhook-signed");
        config.insert("secret".into(), format!("whsec_{}", STANDARD.encode(vec![7; bytes])).into());
        assert_eq!(integration.validate_config(&config), Ok(()), "{bytes}");
    }
}

fn problem(variables: &Value, keys: Value) -> String {
    let dir = tempfile::tempdir().unwrap();
    let manifest = with_own_keys(manifest(variables, "https://host.test/hook"), keys);
    write_folder(dir.path(), "sample", &manifest, "{}");
    Catalogue::default().load_dir(dir.path(), &[]).unwrap().first().map(ToString::to_string).unwrap_or_default()
}

#[test]
fn a_manifest_that_cannot_be_signed_with_is_refused() {
    let secret = json!([{ "key": "secret", "type": "string", "isSecret": true }]);
    let open = json!([{ "key": "secret", "type": "string" }]);
    let webhook = |secrets: Value| json!({ "standardWebhook": { "secrets": secrets } });
    assert_eq!(problem(&secret, webhook(json!(["secret"]))), "");
    for (variables, keys, words) in [
        (&secret, webhook(json!([])), "standardWebhook.secrets (line 1): must name at least one form variable"),
        (
            &secret,
            webhook(json!(["other"])),
            "standardWebhook.secrets[0] (line 1): must name a form variable of type string",
        ),
        (
            &open,
            webhook(json!(["secret"])),
            "standardWebhook.secrets[0] (line 1): must name a form variable of type string",
        ),
        (
            &secret,
            json!({ "standardWebhook": { "secrets": ["secret"] }, "batch": { "itemsMax": 2, "bytesMax": 9 } }),
            "standardWebhook (line 1): is for requests of one entry",
        ),
    ] {
        let found = problem(variables, keys);
        assert!(found.contains(words), "{found}");
    }
}

#[test]
fn templates_can_be_signed_too() {
    let variables = json!([{ "key": "secret", "type": "string", "isSecret": true }]);
    let keys = json!({ "standardWebhook": { "secrets": ["secret"] } });
    let integration =
        folder(&with_own_keys(manifest(&variables, "https://host.test/hook"), keys), "{\"id\": \"{{{_id}}}\"}");
    let request = request(&integration, &config(json!({ "secret": NEW })), &sample());
    assert_eq!(request.body, b"{\"id\": \"e.1\"}");
    assert_eq!(header(&request, "webhook-signature"), Some(signed_with(NEW, &request).as_str()));
}
