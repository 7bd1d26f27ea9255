//! What is wrong with a template, and where.

use std::fmt;

/// A template that cannot be read, or a rendering that had to stop.
///
/// Prints as `template flag.json.hbs, line 3, column 14: …`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("template {template}, line {line}, column {column}: {kind}")]
pub struct TemplateError {
    /// The name that was given to `Template::parse`.
    pub template: String,
    /// Line of the offending tag, from 1.
    pub line: u32,
    /// Column of the offending tag in characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub kind: TemplateErrorKind,
}

/// The classes of mistakes in templates.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TemplateErrorKind {
    /// The text is no template: an unclosed tag or block, a stray character.
    Syntax(String),
    /// A feature of Handlebars that is refused on purpose: partials, decorators, raw blocks.
    Refused(&'static str),
    /// No helper of this name exists.
    UnknownHelper(String),
    /// A helper was called with arguments that it cannot take.
    Arguments(String),
    /// Blocks, subexpressions or `else if` chains are nested too deep.
    Depth {
        /// The greatest depth allowed.
        limit: usize,
    },
    /// The output grew past the limit.
    Output {
        /// The greatest size allowed, in bytes.
        limit: usize,
    },
    /// Rendering took more steps than allowed.
    Steps {
        /// The greatest number allowed.
        limit: u64,
    },
    /// The escaper refused a value.
    Value(String),
}

impl fmt::Display for TemplateErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(message) | Self::Arguments(message) | Self::Value(message) => f.write_str(message),
            Self::Refused(feature) => write!(f, "{feature} are not supported"),
            Self::UnknownHelper(name) => write!(f, "there is no helper named \"{name}\""),
            Self::Depth { limit } => write!(f, "nested deeper than {limit} levels"),
            Self::Output { limit } => write!(f, "the output is longer than {limit} bytes"),
            Self::Steps { limit } => write!(f, "rendering takes more than {limit} steps"),
        }
    }
}

/// A mistake at a byte offset of the source, before line and column are worked out.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) at: usize,
    pub(super) kind: TemplateErrorKind,
}

impl Failure {
    pub(super) fn into_error(self, template: &str, source: &str) -> TemplateError {
        let before = source.get(..self.at).unwrap_or(source);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        TemplateError {
            template: template.to_owned(),
            line: count(before.matches('\n').count() + 1),
            column: count(before[line_start..].chars().count() + 1),
            kind: self.kind,
        }
    }
}
