//! Reads the inside of tags: names, paths, literals, calls, hash arguments, block parameters.

use serde_json::{Number, Value};

use super::{
    ast::{Base, BlockKind, Call, Expr, Path, ValueHelper},
    error::{Failure, TemplateErrorKind},
    lexer::Token,
    parser::Parser,
};

/// What a tag starts with: a path, or a literal, which stands for the key of its text.
pub(super) struct Name {
    /// As the closing tag has to repeat it.
    pub(super) original: String,
    path: Path,
    /// One plain segment, which may name a helper.
    is_simple: bool,
}

/// The arguments of a call.
struct Arguments {
    positional: Vec<Expr>,
    hash: Vec<(String, Expr)>,
}

/// The opening tag of a block.
pub(super) struct Head {
    pub(super) at: usize,
    pub(super) name: Name,
    arguments: Arguments,
    /// `as |a b|`
    pub(super) params: Vec<String>,
    pub(super) strips_after: bool,
}

impl Parser<'_> {
    /// The inside of a tag that prints, up to its closing braces.
    pub(super) fn printed(&mut self, at: usize) -> Result<Expr, Failure> {
        let name = self.name()?;
        let arguments = self.arguments()?;
        name.into_value(at, arguments, false)
    }

    /// The inside of a tag that opens a block, and its closing braces.
    pub(super) fn head(&mut self, at: usize) -> Result<Head, Failure> {
        let name = self.name()?;
        let arguments = self.arguments()?;
        let mut params = Vec::new();
        if self.lexer.peek()? == Token::OpenParams {
            self.lexer.next()?;
            loop {
                let token_at = self.lexer.skip_space();
                match self.lexer.next()? {
                    Token::Id { text, .. } => params.push(text),
                    Token::CloseParams if !params.is_empty() => break,
                    _ => return Err(self.lexer.failure(token_at, "expected a name or | here")),
                }
            }
        }
        let strips_after = self.close()?;
        Ok(Head { at, name, arguments, params, strips_after })
    }

    /// A path or a literal.
    pub(super) fn name(&mut self) -> Result<Name, Failure> {
        let at = self.lexer.skip_space();
        let key = match self.lexer.peek()? {
            Token::Text(text) => text,
            Token::Number(digits) => number(&digits).map(|number| super::value::number_text(&number)).unwrap_or(digits),
            Token::Bool(truth) => truth.to_string(),
            Token::Undefined => "undefined".to_owned(),
            Token::Null => "null".to_owned(),
            Token::Id { .. } | Token::Data => return self.path(),
            _ => return Err(self.lexer.failure(at, "expected a name here")),
        };
        self.lexer.next()?;
        let path = self.resolve(vec![key.clone()], 0, false, false);
        Ok(Name { original: key, path, is_simple: true })
    }

    fn path(&mut self) -> Result<Name, Failure> {
        let start = self.lexer.skip_space();
        let is_data = self.lexer.peek()? == Token::Data;
        let mut original = String::new();
        if is_data {
            self.lexer.next()?;
            original.push('@');
        }
        let (mut parts, mut up, mut is_scoped) = (Vec::new(), 0, false);
        loop {
            let at = self.lexer.skip_space();
            let Token::Id { text, is_literal } = self.lexer.next()? else {
                return Err(self.lexer.failure(at, "expected a segment of a path here"));
            };
            original.push_str(&text);
            if is_literal || !matches!(text.as_str(), "." | ".." | "this") {
                parts.push(text);
            } else if parts.is_empty() {
                is_scoped = true;
                up += usize::from(text == "..");
            } else {
                return Err(self.lexer.failure(start, &format!("\"{original}\" is no path: {text} comes first only")));
            }
            match self.lexer.peek()? {
                Token::Separator(separator) => original.push(separator),
                _ => break,
            }
            self.lexer.next()?;
        }
        let is_simple = parts.len() == 1 && !is_scoped && !is_data;
        let path = self.resolve(parts, up, is_data, is_scoped);
        Ok(Name { original, path, is_simple })
    }

    /// Finds out what the first segment of a path refers to.
    fn resolve(&self, mut parts: Vec<String>, up: usize, is_data: bool, is_scoped: bool) -> Path {
        let length: usize = parts.iter().map(String::len).sum();
        let steps = 1 + parts.len() as u64 + (length / 64) as u64;
        let param = match parts.first() {
            Some(first) if !is_data && !is_scoped => self.param(first),
            _ => None,
        };
        let base = match param {
            Some(base) => {
                parts.remove(0);
                base
            }
            // `{{@..}}` names no variable, so it is the context.
            None if is_data && !parts.is_empty() => Base::Data(up),
            None => Base::Context(up),
        };
        Path { base, parts, steps }
    }

    fn param(&self, name: &str) -> Option<Base> {
        let scopes = self.scopes.iter().enumerate().rev();
        scopes.into_iter().find_map(|(scope, names)| {
            let index = names.iter().position(|param| param == name)?;
            Some(Base::Param { scope, index })
        })
    }

    fn arguments(&mut self) -> Result<Arguments, Failure> {
        let mut arguments = Arguments { positional: Vec::new(), hash: Vec::new() };
        loop {
            let at = self.lexer.skip_space();
            match self.lexer.peek()? {
                Token::Close { .. } | Token::CloseTriple { .. } | Token::CloseParenthesis | Token::OpenParams => {
                    return Ok(arguments);
                }
                Token::Id { text, .. } if self.lexer.is_at_hash()? => {
                    self.lexer.next()?;
                    self.lexer.next()?;
                    let value = self.argument()?;
                    arguments.hash.push((text, value));
                }
                _ if !arguments.hash.is_empty() => {
                    return Err(self.lexer.failure(at, "expected another name=value here"));
                }
                _ => {
                    let argument = self.argument()?;
                    arguments.positional.push(argument);
                }
            }
        }
    }

    fn argument(&mut self) -> Result<Expr, Failure> {
        let at = self.lexer.skip_space();
        let literal = match self.lexer.peek()? {
            Token::OpenParenthesis => return self.subexpression(at),
            Token::Id { .. } | Token::Data => return Ok(Expr::Path(self.path()?.path)),
            Token::Text(text) => Expr::Literal(Value::String(text)),
            Token::Number(digits) => match number(&digits) {
                Some(number) => Expr::Literal(Value::Number(number)),
                None => return Err(self.lexer.failure(at, "the number is too large")),
            },
            Token::Bool(truth) => Expr::Literal(Value::Bool(truth)),
            Token::Null => Expr::Literal(Value::Null),
            Token::Undefined => Expr::Undefined,
            _ => return Err(self.lexer.failure(at, "expected a value here")),
        };
        self.lexer.next()?;
        Ok(literal)
    }

    fn subexpression(&mut self, at: usize) -> Result<Expr, Failure> {
        self.lexer.next()?;
        self.deeper(at)?;
        let name = self.name()?;
        let arguments = self.arguments()?;
        let close_at = self.lexer.skip_space();
        if self.lexer.next()? != Token::CloseParenthesis {
            return Err(self.lexer.failure(close_at, "expected ) here"));
        }
        self.depth -= 1;
        name.into_value(at, arguments, true)
    }
}

impl Name {
    /// A value: a path on its own, or a call of a helper. A subexpression is always a call.
    fn into_value(self, at: usize, arguments: Arguments, is_call: bool) -> Result<Expr, Failure> {
        // Arguments after a block parameter are without effect, as in the reference.
        if matches!(self.path.base, Base::Param { .. }) && self.path.parts.is_empty() {
            return Ok(Expr::Path(self.path));
        }
        let has_arguments = is_call || !arguments.positional.is_empty() || !arguments.hash.is_empty();
        let (helper, count) = match self.original.as_str() {
            _ if !self.is_simple => (None, 0..=0),
            "if" | "unless" | "each" | "with" | "equal" | "equalWithElse" => {
                let message = format!("{} is a block: write {{{{#{}", self.original, self.original);
                return Err(Failure { at, kind: TemplateErrorKind::Arguments(message) });
            }
            "lookup" => (Some(ValueHelper::Lookup), 2..=2),
            "log" => (Some(ValueHelper::Log), 0..=usize::MAX),
            "pathEncode" => (Some(ValueHelper::PathEncode), 1..=1),
            "queryEncode" => (Some(ValueHelper::QueryEncode), 1..=1),
            "basicAuthHeaderValue" => (Some(ValueHelper::BasicAuthHeaderValue), 2..=2),
            "formatWithOffset" => (Some(ValueHelper::FormatWithOffset), 3..=3),
            _ => (None, 0..=0),
        };
        match helper {
            None if has_arguments => Err(Failure { at, kind: TemplateErrorKind::UnknownHelper(self.original) }),
            None => Ok(Expr::Path(self.path)),
            Some(_) if !count.contains(&arguments.positional.len()) => {
                Err(wrong_count(at, &self.original, *count.end(), arguments.positional.len()))
            }
            Some(helper) => Ok(Expr::Call(Box::new(Call { at, helper, arguments: arguments.positional }))),
        }
    }
}

impl Head {
    /// What kind of block this opens.
    pub(super) fn into_block(self) -> Result<BlockKind, Failure> {
        let Self { at, name, mut arguments, .. } = self;
        let count = match name.original.as_str() {
            _ if !name.is_simple || matches!(name.path.base, Base::Param { .. }) => None,
            "if" | "unless" | "each" | "with" => Some(1),
            "equal" | "equalWithElse" => Some(2),
            _ => None,
        };
        let Some(count) = count else {
            return Ok(match name.into_value(at, arguments, false)? {
                call @ Expr::Call(_) => BlockKind::Value(call),
                path => BlockKind::Section(path),
            });
        };
        if arguments.positional.len() != count {
            return Err(wrong_count(at, &name.original, count, arguments.positional.len()));
        }
        // The count was just checked, so neither of these is ever made up.
        let second = if count == 2 { arguments.positional.pop().unwrap_or(Expr::Undefined) } else { Expr::Undefined };
        let first = arguments.positional.pop().unwrap_or(Expr::Undefined);
        Ok(match name.original.as_str() {
            "each" => BlockKind::Each(first),
            "with" => BlockKind::With(first),
            "if" | "unless" => {
                let mut hash = arguments.hash.into_iter();
                let include_zero = hash.find(|(key, _)| key == "includeZero").map(|(_, value)| value);
                BlockKind::If { condition: first, include_zero, is_negated: name.original == "unless" }
            }
            _ => BlockKind::Equal(first, second),
        })
    }
}

fn wrong_count(at: usize, helper: &str, expected: usize, given: usize) -> Failure {
    let plural = if expected == 1 { "" } else { "s" };
    let message = format!("{helper} takes {expected} argument{plural}, not {given}");
    Failure { at, kind: TemplateErrorKind::Arguments(message) }
}

/// A number literal; whole numbers stay exact where they fit. `None` past the range of a double.
fn number(digits: &str) -> Option<Number> {
    match digits.parse::<i64>() {
        Ok(whole) => Some(Number::from(whole)),
        Err(_) => Number::from_f64(digits.parse().ok()?),
    }
}
