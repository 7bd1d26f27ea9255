//! The JSON Schema of manifests.

#[cfg(test)]
mod tests;

/// The JSON Schema, draft 2020-12, of a `manifest.json`: docs/manifest.schema.json. It is made of the
/// types that read a manifest, and knows its shape; what names something elsewhere, such as a form
/// variable or a file, is left to the reader.
pub const MANIFEST_SCHEMA: &str = include_str!("../../../docs/manifest.schema.json");
