//! A small engine for Handlebars templates that nobody has to trust.
//!
//! Output is that of handlebars.js 4.7 in its non-strict mode; `docs/templates.md` lists the
//! language and the differences. Parsing and rendering stop with an error, never with a panic,
//! whatever the template and the context hold. Deliberately absent: partials, decorators, raw
//! blocks and helpers from outside.

mod ast;
mod chat;
mod error;
mod escape;
mod expression;
mod helpers;
mod lexer;
mod mentions;
mod parser;
mod render;
mod value;
mod whitespace;

pub use chat::{ChatEscape, ChatMarkup};
pub use error::{TemplateError, TemplateErrorKind};
pub use escape::{Escape, HtmlEscape, JsonEscape};

use serde_json::Value;

/// Bounds of one rendering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest output, in bytes; 1 MiB by default.
    pub output_bytes: usize,
    /// Most steps; every piece of text, value, helper call and loop turn is one. 100,000 by default.
    pub steps: u64,
    /// Deepest nesting of blocks; 64 by default.
    pub depth: usize,
}

impl Limits {
    /// Those of bodies.
    pub const DEFAULT: Self = Self { output_bytes: 1 << 20, steps: 100_000, depth: 64 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A parsed template. Parse once, render often, from any thread.
#[derive(Clone, Debug)]
pub struct Template {
    name: String,
    source: String,
    root: ast::Program,
    mentions: mentions::Mentions,
}

impl Template {
    /// Reads a template. `name` appears in errors only.
    ///
    /// # Errors
    /// The first mistake, with its line and column.
    pub fn parse(name: &str, source: &str) -> Result<Self, TemplateError> {
        match parser::parse(source) {
            Ok(root) => {
                let mentions = mentions::Mentions::of(&root);
                Ok(Self { name: name.to_owned(), source: source.to_owned(), root, mentions })
            }
            Err(failure) => Err(failure.into_error(name, source)),
        }
    }

    /// Whether the path stands in the template, wherever that is.
    pub(crate) fn names(&self, path: &str) -> bool {
        self.source.contains(path)
    }

    /// Whether a rendering may look at the member `name` of an object that is called `of`; the
    /// root itself has the empty name. Without all others the output is the same.
    pub fn mentions(&self, of: &str, name: &str) -> bool {
        self.mentions.has(of, name)
    }

    /// Renders the template over `root`. A missing value prints as nothing.
    ///
    /// # Errors
    /// A limit was reached, a helper got arguments it cannot take, or `escape` refused a value.
    pub fn render(&self, root: &Value, escape: &dyn Escape, limits: &Limits) -> Result<String, TemplateError> {
        render::render(&self.source, &self.root, root, escape, limits)
            .map_err(|failure| failure.into_error(&self.name, &self.source))
    }
}
