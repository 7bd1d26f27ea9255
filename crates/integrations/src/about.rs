//! What a manifest says to people and to other programs, kept as it is written there.

use serde_json::{Value, json};

/// The presentation of an integration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// One line; may be empty.
    pub overview: String,
    /// More lines, in Markdown; may be empty.
    pub description: String,
    /// Such as `monitoring`; may be empty.
    pub categories: Vec<String>,
    /// Whether the vendor wants OAuth.
    pub requires_oauth: bool,
    /// The names of all capabilities, those too that mean nothing here.
    pub capabilities: Vec<String>,
    /// The form variables as the manifest writes them; an array.
    pub form_variables: Value,
}

impl About {
    /// Reads it from a manifest that was read whole before; what is missing or odd is left empty.
    pub(crate) fn read(manifest: &str, requires_oauth: bool) -> Self {
        let manifest: Value = serde_json::from_str(manifest).unwrap_or_default();
        let text = |name: &str| manifest[name].as_str().unwrap_or_default().to_owned();
        let texts = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
        };
        let capabilities = manifest["capabilities"].as_object();
        let form_variables = match &manifest["formVariables"] {
            list @ Value::Array(_) => list.clone(),
            _ => json!([]),
        };
        Self {
            overview: text("overview"),
            description: text("description"),
            categories: texts(&manifest["categories"]),
            requires_oauth,
            capabilities: capabilities.map(|all| all.keys().cloned().collect()).unwrap_or_default(),
            form_variables,
        }
    }
}
