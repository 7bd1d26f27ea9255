//! `auditcast integrations list`.

use std::fmt::Write;

use app::load_catalogue;
use integrations::{FormVariable, Integration, VariableType};

use crate::settings::Settings;

/// The most allowed values that are named one by one.
const SHOWN_MAX: usize = 6;

/// The integrations as text, and what kept folders of the operator from being among them.
///
/// # Errors
/// When the folder of the operator cannot be read.
pub(super) fn integrations(settings: &Settings) -> anyhow::Result<(String, Vec<String>)> {
    let (catalogue, problems) = load_catalogue(settings.integrations_dir.as_deref(), &settings.integrations_replace)?;
    let text = catalogue.listed().map(|integration| describe(integration)).collect::<Vec<_>>().join("\n");
    Ok((text, problems.iter().map(ToString::to_string).collect()))
}

/// One integration with its form variables.
pub(super) fn describe(integration: &Integration) -> String {
    let mut text = format!("{} ({})\n", integration.key(), integration.name());
    if let Some(reason) = integration.undeliverable() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  cannot be delivered to: {reason}");
    }
    for variable in integration.form_variables() {
        let _ = writeln!(text, "  {:<22} {}", variable.key, facts(variable));
    }
    text
}

fn facts(variable: &FormVariable) -> String {
    let mut facts = vec![form(variable)];
    facts.push(if variable.optional { "optional" } else { "required" }.to_owned());
    if variable.secret {
        facts.push("secret".to_owned());
    } else if variable.credential {
        facts.push("carries a credential".to_owned());
    }
    if !variable.default.is_null() {
        facts.push(format!("default {}", variable.default));
    }
    facts.join(", ")
}

fn form(variable: &FormVariable) -> String {
    match variable.kind {
        VariableType::Boolean => "true or false".to_owned(),
        VariableType::Uri => "URL".to_owned(),
        VariableType::Enum if variable.allowed.len() <= SHOWN_MAX => format!("one of {}", variable.allowed.join(" ")),
        VariableType::Enum => format!("one of {} values", variable.allowed.len()),
        kind if kind.takes_list() => "text or list of texts".to_owned(),
        _ => "text".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::integrations;
    use crate::settings::parse;

    #[test]
    fn every_integration_is_listed_with_its_fields() {
        let settings = parse("", &std::collections::BTreeMap::new()).expect("valid");
        let (text, problems) = integrations(&settings).expect("the built-in ones load");
        assert!(problems.is_empty(), "{problems:?}");
        for line in ["datadog (", "splunk (", "  skip-ca-verification", "required, secret", "default \"APPLICATION\""] {
            assert!(text.contains(line), "{line} is missing:\n{text}");
        }
    }

    #[test]
    fn a_bad_folder_of_the_operator_is_reported_beside_the_others() {
        let folder = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(folder.path().join("broken")).expect("makes a folder");
        std::fs::write(folder.path().join("broken/manifest.json"), "{").expect("writes");
        let file = format!("integrations_dir = {:?}", folder.path());
        let settings = parse(&file, &std::collections::BTreeMap::new()).expect("valid");
        let (text, problems) = integrations(&settings).expect("the built-in ones load");
        assert!(text.contains("splunk (") && !text.contains("broken"), "{text}");
        assert!(problems.len() == 1 && problems[0].contains("manifest.json"), "{problems:?}");
    }
}
