//! Splits the inside of a tag into tokens.

use super::error::{Failure, TemplateErrorKind};

/// One token inside `{{…}}`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A segment of a path; `is_literal` when it was written in brackets, so that `[this]` and
    /// `[..]` are plain keys.
    Id {
        text: String,
        is_literal: bool,
    },
    /// `.` or `/` between two segments.
    Separator(char),
    /// `@`
    Data,
    Text(String),
    Number(String),
    Bool(bool),
    Undefined,
    Null,
    OpenParenthesis,
    CloseParenthesis,
    Equals,
    /// `as |`
    OpenParams,
    /// `|`
    CloseParams,
    /// `}}`, or with a tilde `~}}`.
    Close {
        strip: bool,
    },
    /// `}}}`, or with a tilde `}~}}`.
    CloseTriple {
        strip: bool,
    },
}

/// Reads tokens from `at` on.
pub(super) struct Lexer<'s> {
    pub(super) source: &'s str,
    /// Byte offset of what comes next.
    pub(super) at: usize,
}

impl<'s> Lexer<'s> {
    pub(super) fn rest(&self) -> &'s str {
        &self.source[self.at..]
    }

    /// Skips whitespace and gives the offset of the token that follows.
    pub(super) fn skip_space(&mut self) -> usize {
        self.at = self.source.len() - self.rest().trim_start_matches(is_space).len();
        self.at
    }

    /// The next token, left in place.
    pub(super) fn peek(&mut self) -> Result<Token, Failure> {
        let start = self.skip_space();
        let token = self.next()?;
        self.at = start;
        Ok(token)
    }

    /// Whether a segment and an equals sign come next, as in `includeZero=true`.
    pub(super) fn is_at_hash(&mut self) -> Result<bool, Failure> {
        let start = self.skip_space();
        let is_segment = matches!(self.next()?, Token::Id { .. });
        self.skip_space();
        let is_hash = is_segment && self.rest().starts_with('=');
        self.at = start;
        Ok(is_hash)
    }

    /// The next token.
    pub(super) fn next(&mut self) -> Result<Token, Failure> {
        let start = self.skip_space();
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Err(self.failure(start, "the tag is not closed"));
        };
        let (token, length) = match first {
            '(' => (Token::OpenParenthesis, 1),
            ')' => (Token::CloseParenthesis, 1),
            '=' => (Token::Equals, 1),
            '|' => (Token::CloseParams, 1),
            '@' => (Token::Data, 1),
            '/' => (Token::Separator('/'), 1),
            '.' => dots(rest),
            '}' | '~' => return self.close(rest),
            '{' => return Err(self.failure(start, "a tag opens inside of a tag")),
            '"' | '\'' => return self.quoted(first),
            '[' => return self.bracketed(),
            _ => return self.word(rest),
        };
        self.at += length;
        Ok(token)
    }

    fn close(&mut self, rest: &str) -> Result<Token, Failure> {
        let (token, length) = if rest.starts_with("}}}}") {
            let message = "four closing braces in a row: put a space between the tag and the brace after it";
            return Err(self.failure(self.at, message));
        } else if rest.starts_with("}}}") {
            (Token::CloseTriple { strip: false }, 3)
        } else if rest.starts_with("}~}}") {
            (Token::CloseTriple { strip: true }, 4)
        } else if rest.starts_with("}}") {
            (Token::Close { strip: false }, 2)
        } else if rest.starts_with("~}}") {
            (Token::Close { strip: true }, 3)
        } else {
            return Err(self.unexpected(rest));
        };
        self.at += length;
        Ok(token)
    }

    /// A string literal. Only the quote itself can be escaped, any other backslash stands for itself.
    fn quoted(&mut self, quote: char) -> Result<Token, Failure> {
        let start = self.at;
        let Some(end) = self.end_of_run(quote) else {
            return Err(self.failure(start, "the string is not closed"));
        };
        let inside = &self.source[start + 1..end];
        self.at = end + 1;
        Ok(Token::Text(inside.replace(&format!("\\{quote}"), &quote.to_string())))
    }

    /// A segment in brackets, which may hold any characters; `\]` and `\\` escape.
    fn bracketed(&mut self) -> Result<Token, Failure> {
        let start = self.at;
        let Some(end) = self.end_of_run(']') else {
            return Err(self.failure(start, "the segment in brackets is not closed"));
        };
        self.at = end + 1;
        let mut text = String::with_capacity(end - start);
        let mut characters = self.source[start + 1..=end].chars().peekable();
        while let Some(character) = characters.next() {
            match characters.peek() {
                Some(&next) if character == '\\' && (next == '\\' || next == ']') => {
                    text.push(next);
                    characters.next();
                }
                _ => text.push(character),
            }
        }
        // The closing bracket is part of the scan, as an escape may reach it where nothing else closes.
        text.pop();
        Ok(Token::Id { text, is_literal: true })
    }

    /// The offset of the character that closes what opened at the current place: the first one
    /// without a backslash before it, or else the last one of all.
    fn end_of_run(&self, close: char) -> Option<usize> {
        let bytes = self.source.as_bytes();
        let close = u8::try_from(close).ok()?;
        let mut escaped = None;
        let mut at = self.at + 1;
        while let Some(&byte) = bytes.get(at) {
            if byte == b'\\' && bytes.get(at + 1) == Some(&close) {
                escaped = Some(at + 1);
                at += 2;
            } else if byte == close {
                return Some(at);
            } else {
                at += 1;
            }
        }
        escaped
    }

    /// Literals, numbers, `as |` and segments, which all run up to a delimiter.
    fn word(&mut self, rest: &str) -> Result<Token, Failure> {
        if let Some(length) = open_params(rest) {
            self.at += length;
            return Ok(Token::OpenParams);
        }
        if let Some((token, length)) = literal(rest) {
            self.at += length;
            return Ok(token);
        }
        let length = rest.find(|c| !is_id(c)).unwrap_or(rest.len());
        let is_delimited = rest[length..].starts_with(|c| is_space(c) || "=~}/.)|".contains(c));
        if length == 0 || !is_delimited {
            let stray = &rest[length..];
            self.at += length;
            return Err(self.unexpected(stray));
        }
        self.at += length;
        Ok(Token::Id { text: rest[..length].to_owned(), is_literal: false })
    }

    fn unexpected(&self, rest: &str) -> Failure {
        match rest.chars().next() {
            None => self.failure(self.at, "the tag is not closed"),
            Some(character) => self.failure(self.at, &format!("{character:?} cannot stand here")),
        }
    }

    pub(super) fn failure(&self, at: usize, message: &str) -> Failure {
        Failure { at, kind: TemplateErrorKind::Syntax(message.to_owned()) }
    }
}

/// `..`, the `.` that is a context of its own, or the `.` between two segments.
fn dots(rest: &str) -> (Token, usize) {
    let own = |text: &str| Token::Id { text: text.to_owned(), is_literal: false };
    if rest.starts_with("..") {
        (own(".."), 2)
    } else if rest[1..].starts_with(|c| is_space(c) || "=~}/.)|".contains(c)) {
        (own("."), 1)
    } else {
        (Token::Separator('.'), 1)
    }
}

/// The length of `as |`, if that comes next.
fn open_params(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix("as")?;
    let bar = after.trim_start_matches(is_space);
    let is_params = bar.len() < after.len() && bar.starts_with('|');
    is_params.then(|| rest.len() - bar.len() + 1)
}

/// A keyword or number, if one comes next, and its length. Before `.`, `/` or `=` these are segments.
fn literal(rest: &str) -> Option<(Token, usize)> {
    let length = if rest.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        number_length(rest)
    } else {
        rest.bytes().take("undefined".len()).take_while(u8::is_ascii_lowercase).count()
    };
    if !rest[length..].starts_with(|c| is_space(c) || "~})".contains(c)) {
        return None;
    }
    let token = match &rest[..length] {
        "true" => Token::Bool(true),
        "false" => Token::Bool(false),
        "undefined" => Token::Undefined,
        "null" => Token::Null,
        text if text.ends_with(|c: char| c.is_ascii_digit()) => Token::Number(text.to_owned()),
        _ => return None,
    };
    Some((token, length))
}

/// The length of an optional sign, digits, and an optional point with digits.
fn number_length(rest: &str) -> usize {
    let digits = |from: usize| rest[from..].bytes().take_while(u8::is_ascii_digit).count();
    let sign = usize::from(rest.starts_with('-'));
    let whole = sign + digits(sign);
    match rest[whole..].strip_prefix('.').map(|_| digits(whole + 1)) {
        None | Some(0) => whole,
        Some(fraction) => whole + 1 + fraction,
    }
}

fn is_id(character: char) -> bool {
    !is_space(character) && !"!\"#%&'()*+,./;<=>@[\\]^`{|}~".contains(character)
}

/// What JavaScript's `\s` matches; Rust's own notion differs in U+0085 and U+FEFF.
pub(super) fn is_space(character: char) -> bool {
    (character.is_whitespace() && character != '\u{85}') || character == '\u{feff}'
}
