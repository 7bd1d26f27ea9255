//! Reads a manifest, checks it whole, and makes an [`Integration`] of it.

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde_json::Value;

use crate::{
    about::About,
    address::{self, HeaderTemplate, UrlTemplate},
    batch::BatchFormat,
    catalogue::Mistake,
    extension::BodyName,
    format::{Endpoint, HEADER_NAME_MAX, HmacSignature, KEY_CHARS_MAX, METHODS, Manifest, Variable},
    integration::{Body, Integration, Signature},
    kind::Kind,
    render::BodyTemplate,
    source::Source,
    template::Template,
    variables::{FormVariable, Pattern, VariableType, Variables},
};

const HOOK: &str = "capabilities.auditLogEventsHook";

/// Makes an integration of a manifest's text; `read` gives the folder's other files.
pub(crate) fn load(
    key: &str,
    text: &str,
    read: &dyn Fn(&str) -> Result<String, Mistake>,
) -> Result<Integration, Mistake> {
    let manifest: Manifest = serde_json::from_str(text).map_err(|error| {
        Mistake::in_manifest(format!("line {} column {}", error.line(), error.column()), plain(&error))
    })?;
    let about = About::read(text, manifest.requires_o_auth);
    let Some(hook) = manifest.capabilities.audit_log_events_hook else {
        return Err(Mistake::in_manifest("capabilities", "has no auditLogEventsHook: it takes no audit-log entries"));
    };
    let variables = load_variables(manifest.form_variables)?;
    let undeliverable = match (&hook.delivery_method, manifest.requires_o_auth) {
        (Some(method), _) => Some(format!("needs the delivery method {method:?}, which this server does not have")),
        (None, true) => Some("needs OAuth, which this server does not have".to_owned()),
        (None, false) => None,
    };
    hook.auditcast
        .check(&variables)
        .map_err(|(place, reason)| Mistake::in_manifest(format!("{HOOK}.auditcast.{place}"), reason))?;
    let host_is_fixed = hook.endpoint.as_ref().is_some_and(|endpoint| {
        address::host_is_fixed(&endpoint.url, &|name| variables.get(name).map(|variable| variable.kind))
    });
    let kind = hook.kind();
    let (url, headers, method, signature) = match hook.endpoint {
        Some(_) if kind != Kind::Http => {
            let reason = format!("is for HTTP requests, and the destination is {kind}");
            return Err(Mistake::in_manifest(format!("{HOOK}.endpoint"), reason));
        }
        Some(endpoint) => load_endpoint(endpoint, &variables)?,
        None if undeliverable.is_some() || kind != Kind::Http => (None, Vec::new(), "POST", None),
        None => return Err(Mistake::in_manifest(format!("{HOOK}.endpoint"), "is required")),
    };
    let body = match hook.auditcast.body {
        Some(BodyName::StoredEntry) if !hook.templates.is_empty() || hook.use_standard_webhook_payload => {
            let reason = "stands in place of templates and useStandardWebhookPayload, not beside them";
            return Err(Mistake::in_manifest(format!("{HOOK}.auditcast.body"), reason));
        }
        Some(BodyName::StoredEntry) => Body::StoredEntry,
        None if hook.use_standard_webhook_payload || hook.templates.is_empty() => Body::StandardPayload,
        None => Body::Templates(load_templates(&hook.templates, read)?),
    };
    let batch = hook
        .auditcast
        .batch
        .as_ref()
        .map(BatchFormat::new)
        .transpose()
        .map_err(|(place, reason)| Mistake::in_manifest(format!("{HOOK}.auditcast.batch.{place}"), reason))?;
    Ok(Integration {
        key: key.to_owned(),
        name: manifest.name,
        variables,
        undeliverable,
        url,
        method,
        headers,
        signature,
        body,
        batch,
        default_policy: Value::Array(hook.default_policy),
        shows_response_body: hook.include_error_response_body,
        host_is_fixed,
        extension: hook.auditcast,
        about,
        source: Source::default(),
        version: String::new(),
        is_unknown: false,
    })
}

// The position is the place already; the text need not repeat it.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

type LoadedEndpoint = (Option<UrlTemplate>, Vec<HeaderTemplate>, &'static str, Option<Signature>);

fn load_endpoint(endpoint: Endpoint, variables: &Variables) -> Result<LoadedEndpoint, Mistake> {
    let at = |place: &str| format!("{HOOK}.endpoint.{place}");
    let parse = |place: String, source: &str| {
        Template::parse(&place, source).map_err(|error| Mistake::in_manifest(place.clone(), error.to_string()))
    };
    let method = METHODS
        .into_iter()
        .find(|method| *method == endpoint.method)
        .ok_or_else(|| Mistake::in_manifest(at("method"), "must be POST, PUT, PATCH, GET or DELETE"))?;
    let url = UrlTemplate::new(parse(at("url"), &endpoint.url)?, &endpoint.url);
    let mut headers = Vec::new();
    for (index, header) in endpoint.headers.iter().enumerate() {
        check_header_name(&header.name)
            .map_err(|reason| Mistake::in_manifest(at(&format!("headers[{index}].name")), reason))?;
        let value = parse(at(&format!("headers[{index}].value")), &header.value)?;
        headers.push(HeaderTemplate::new(&header.name, value, &header.value));
    }
    if !endpoint.headers.iter().any(|header| header.name.eq_ignore_ascii_case("content-type")) {
        let json = parse(at("headers"), "application/json")?;
        headers.push(HeaderTemplate::new("Content-Type", json, ""));
    }
    let signature = endpoint.hmac_signature.map(|signature| load_signature(signature, variables)).transpose()?;
    Ok((Some(url), headers, method, signature))
}

fn load_signature(signature: HmacSignature, variables: &Variables) -> Result<Signature, Mistake> {
    let at = |member: &str| format!("{HOOK}.endpoint.hmacSignature.{member}");
    check_header_name(&signature.header_name).map_err(|reason| Mistake::in_manifest(at("headerName"), reason))?;
    let variable = variables.get(&signature.hmac_secret_form_variable_key);
    if !variable.is_some_and(|variable| variable.secret && variable.kind == VariableType::Text) {
        let reason = "must name a form variable of type string with isSecret";
        return Err(Mistake::in_manifest(at("hmacSecretFormVariableKey"), reason));
    }
    Ok(Signature { header: signature.header_name, secret_key: signature.hmac_secret_form_variable_key })
}

fn check_header_name(name: &str) -> Result<(), &'static str> {
    // The characters of a token, RFC 9110, 5.6.2.
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    const OURS: [&str; 5] = ["host", "content-length", "content-encoding", "transfer-encoding", "connection"];
    if name.is_empty() || name.len() > HEADER_NAME_MAX || !name.bytes().all(is_token) {
        return Err("must be a header name of 1 to 50 characters");
    }
    if OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
        return Err("is a header that the server sets itself");
    }
    Ok(())
}

fn load_templates(
    files: &BTreeMap<String, String>,
    read: &dyn Fn(&str) -> Result<String, Mistake>,
) -> Result<BTreeMap<String, BodyTemplate>, Mistake> {
    let mut templates = BTreeMap::new();
    for (kind, file) in files {
        let source = read(file)?;
        let template = Template::parse(file, &source).map_err(|error| {
            Mistake::new(file, format!("line {} column {}", error.line, error.column), error.kind.to_string())
        })?;
        let json = file.ends_with(".json") || file.ends_with(".json.hbs");
        templates.insert(kind.clone(), BodyTemplate { file: file.clone(), template, json });
    }
    Ok(templates)
}

fn load_variables(variables: Vec<Variable>) -> Result<Variables, Mistake> {
    let mut loaded: Vec<FormVariable> = Vec::new();
    for (index, variable) in variables.into_iter().enumerate() {
        let at = |member: &str| format!("formVariables[{index}].{member}");
        let long = variable.key.chars().count() > KEY_CHARS_MAX;
        if variable.key.is_empty() || long || variable.key.contains(char::is_whitespace) {
            return Err(Mistake::in_manifest(at("key"), "must have 1 to 20 characters and no blanks"));
        }
        if loaded.iter().any(|other| other.key == variable.key) {
            return Err(Mistake::in_manifest(at("key"), "is the key of an earlier form variable"));
        }
        loaded.push(load_variable(variable).map_err(|(member, reason)| Mistake::in_manifest(at(member), reason))?);
    }
    Ok(Variables(loaded))
}

fn load_variable(variable: Variable) -> Result<FormVariable, (&'static str, String)> {
    let Some(kind) = VariableType::of_name(&variable.kind) else {
        return Err(("type", format!("{:?} is no type of the format", variable.kind)));
    };
    if variable.is_secret && kind != VariableType::Text {
        return Err(("isSecret", "is for the type string only".into()));
    }
    if variable.is_secret && variable.is_credential {
        return Err(("isCredential", "is for values that are not marked isSecret".into()));
    }
    let allowed: Vec<String> = variable.allowed_values.iter().filter_map(Value::as_str).map(Into::into).collect();
    if kind == VariableType::Enum && (allowed.is_empty() || allowed.len() != variable.allowed_values.len()) {
        return Err(("allowedValues", "an enum needs a list of strings".into()));
    }
    let default_is_allowed = match (kind, &variable.default_value) {
        (_, Value::Null) | (VariableType::Boolean, Value::Bool(_)) => true,
        (VariableType::Enum, Value::String(text)) => text.is_empty() || allowed.contains(text),
        (VariableType::Boolean, _) => false,
        (kind, Value::Array(items)) if kind.takes_list() => items.iter().all(Value::is_string),
        (_, value) => value.is_string(),
    };
    if !default_is_allowed {
        return Err(("defaultValue", "is not a value of the variable's type".into()));
    }
    if !variable.usual_hosts.iter().all(|host| is_host_pattern(host)) {
        return Err(("usualHosts", "must be hosts in lower case, such as hooks.example.com or *.example.com".into()));
    }
    let pattern = variable.pattern.map(|source| load_pattern(&source, variable.pattern_hint)).transpose()?;
    Ok(FormVariable {
        key: variable.key,
        name: variable.name,
        description: variable.description,
        placeholder: variable.placeholder,
        kind,
        secret: variable.is_secret,
        credential: variable.is_credential,
        optional: variable.is_optional || !variable.default_value.is_null(),
        default: variable.default_value,
        allowed,
        usual_hosts: variable.usual_hosts,
        pattern,
    })
}

fn is_host_pattern(pattern: &str) -> bool {
    let host = pattern.strip_prefix("*.").unwrap_or(pattern);
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    host.contains('.') && !host.starts_with('.') && host.bytes().all(is_plain)
}

fn load_pattern(source: &str, hint: Option<String>) -> Result<Pattern, (&'static str, String)> {
    let regex = Regex::new(&format!("^(?:{source})$")).map_err(|error| ("pattern", error.to_string()))?;
    Ok(Pattern { regex, hint: hint.unwrap_or_else(|| format!("must match {source}")) })
}
