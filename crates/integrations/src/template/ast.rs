//! A template after parsing. Text is kept as ranges of the source, so rendering copies nothing.

use serde_json::Value;

/// The statements between two tags, or of the whole template.
#[derive(Clone, Debug, Default)]
pub(super) struct Program {
    pub(super) body: Vec<Node>,
    /// The block that opened this program names block parameters (`as |a b|`).
    pub(super) has_params: bool,
    /// This program is the branch of an `{{else if …}}` and holds that one block.
    pub(super) is_chained: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    Text(Text),
    Comment(Strip),
    Print(Print),
    Block(Box<Block>),
}

/// A stretch of the source, from `start` to `end` in bytes, and what whitespace control left of it.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) kept_start: usize,
    pub(super) kept_end: usize,
    pub(super) is_left_stripped: bool,
    pub(super) is_right_stripped: bool,
}

/// The tildes of one tag, or of the first and last tag of a block.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Strip {
    /// Removes the whitespace before the tag.
    pub(super) open: bool,
    /// Removes the whitespace after the tag.
    pub(super) close: bool,
}

/// `{{x}}`, `{{{x}}}` or `{{&x}}`.
#[derive(Clone, Debug)]
pub(super) struct Print {
    /// Byte offset of the tag in the source.
    pub(super) at: usize,
    pub(super) value: Expr,
    pub(super) triple: bool,
    pub(super) strip: Strip,
}

/// `{{#x}}…{{else}}…{{/x}}`; in `{{^x}}…{{/x}}` the first part is `inverse`.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// Byte offset of the opening tag in the source.
    pub(super) at: usize,
    pub(super) kind: BlockKind,
    pub(super) program: Option<Program>,
    pub(super) inverse: Option<Program>,
    pub(super) open_strip: Strip,
    pub(super) inverse_strip: Strip,
    pub(super) close_strip: Strip,
}

#[derive(Clone, Debug)]
pub(super) enum BlockKind {
    If {
        condition: Expr,
        include_zero: Option<Expr>,
        is_negated: bool,
    },
    Each(Expr),
    With(Expr),
    Equal(Expr, Expr),
    /// A block named by a path: `{{#tags}}…{{/tags}}`.
    Section(Expr),
    /// A block named by a helper that yields a value: prints the value, never its body.
    Value(Expr),
}

#[derive(Clone, Debug)]
pub(super) enum Expr {
    Undefined,
    Literal(Value),
    Path(Path),
    Call(Box<Call>),
}

#[derive(Clone, Debug)]
pub(super) struct Path {
    pub(super) base: Base,
    pub(super) parts: Vec<String>,
    /// Steps that one look-up takes.
    pub(super) steps: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Base {
    /// The context this many levels up.
    Context(usize),
    /// The `@` variables this many loops up; the first part names one.
    Data(usize),
    /// A block parameter: the open block that declares it, from the outermost, and which of its
    /// parameters.
    Param { scope: usize, index: usize },
}

/// A call of a helper that yields a value.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// Byte offset of the tag or of the opening parenthesis in the source.
    pub(super) at: usize,
    pub(super) helper: ValueHelper,
    pub(super) arguments: Vec<Expr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueHelper {
    Lookup,
    Log,
    PathEncode,
    QueryEncode,
    BasicAuthHeaderValue,
    FormatWithOffset,
}
