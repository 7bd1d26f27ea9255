//! Reads statements: text, tags, and blocks with their branches.

use super::{
    ast::{Block, Node, Print, Program, Strip, Text},
    error::{Failure, TemplateErrorKind},
    expression::Head,
    lexer::{Lexer, Token, is_space},
    whitespace,
};

/// Most levels of blocks, `{{else if}}` branches and subexpressions. It bounds the stack that
/// parsing and rendering need, whatever `Limits` a caller brings.
pub(super) const NESTING_MAX: usize = 64;

/// Reads a whole template.
pub(super) fn parse(source: &str) -> Result<Program, Failure> {
    let mut parser = Parser { lexer: Lexer { source, at: 0 }, depth: 0, scopes: Vec::new() };
    let (mut root, end) = parser.program()?;
    match end {
        End::Source => {
            whitespace::control(source, &mut root);
            Ok(root)
        }
        End::Close(close) => Err(parser.lexer.failure(close.at, "this closes a block that was never opened")),
        End::Else { at, .. } | End::ElseIf { at, .. } => {
            Err(parser.lexer.failure(at, "{{else}} stands outside of a block"))
        }
    }
}

pub(super) struct Parser<'s> {
    pub(super) lexer: Lexer<'s>,
    pub(super) depth: usize,
    /// The block parameters of the open blocks that have some, outermost first.
    pub(super) scopes: Vec<Vec<String>>,
}

/// What ended a program.
enum End {
    Source,
    Close(Close),
    /// `{{else}}` or `{{^}}`
    Else {
        at: usize,
        strip: Strip,
    },
    /// `{{else`, before the helper that follows it
    ElseIf {
        at: usize,
        strips_before: bool,
    },
}

struct Close {
    at: usize,
    name: String,
    strip: Strip,
}

/// The second part of a block, and the tildes of the tag before it.
struct Alternative {
    program: Program,
    strip: Strip,
}

impl Parser<'_> {
    fn program(&mut self) -> Result<(Program, End), Failure> {
        let mut program = Program::default();
        loop {
            self.text(&mut program.body);
            let at = self.lexer.at;
            let rest = self.lexer.rest();
            if rest.is_empty() {
                return Ok((program, End::Source));
            }
            // Text ends before two braces only, so both are there.
            let strips_before = rest[2..].starts_with('~');
            let opener = 2 + usize::from(strips_before);
            let tag = &rest[opener..];
            if let Some(feature) = refused(tag) {
                return Err(Failure { at, kind: TemplateErrorKind::Refused(feature) });
            }
            if let Some(end) = self.end_tag(at, opener, strips_before)? {
                return Ok((program, end));
            }
            let node = match tag.chars().next() {
                Some('#') => self.block(at, opener + 1, strips_before, false)?,
                Some('^') => self.block(at, opener + 1, strips_before, true)?,
                Some('!') => self.comment(at, tag, strips_before)?,
                Some('{' | '&') => self.print(at, opener + 1, strips_before)?,
                _ => self.print(at, opener, strips_before)?,
            };
            program.body.push(node);
        }
    }

    /// Reads text up to the next tag. `\{{` is text, and `\\{{` a backslash before a tag.
    fn text(&mut self, body: &mut Vec<Node>) {
        let source = self.lexer.source;
        loop {
            let start = self.lexer.at;
            let end = source[start..].find("{{").map_or(source.len(), |braces| start + braces);
            self.lexer.at = end;
            let before = &source[start..end];
            let is_tag = end < source.len();
            let backslashes = if is_tag { before.len() - before.trim_end_matches('\\').len() } else { 0 };
            push_text(body, start, end - backslashes.min(1));
            if backslashes != 1 {
                return;
            }
            // The reference ends this text before the next tag, with or without backslashes.
            let braces = end + 2;
            let next = source[braces..].find("{{").map_or(source.len(), |next| braces + next);
            let slashes = source[braces..next].len() - source[braces..next].trim_end_matches('\\').len();
            self.lexer.at = if next < source.len() { next - slashes.min(2) } else { next };
            push_text(body, end, self.lexer.at);
        }
    }

    /// `{{/x}}`, `{{else}}`, `{{^}}` and the start of `{{else if x}}`.
    fn end_tag(&mut self, at: usize, opener: usize, strips_before: bool) -> Result<Option<End>, Failure> {
        let tag = &self.lexer.rest()[opener..];
        if tag.starts_with('/') {
            self.lexer.at += opener + 1;
            let name = self.name()?;
            let strips_after = self.close()?;
            let strip = Strip { open: strips_before, close: strips_after };
            return Ok(Some(End::Close(Close { at, name: name.original, strip })));
        }
        let inner = tag.trim_start_matches(is_space);
        let Some(after) = tag.strip_prefix('^').or_else(|| inner.strip_prefix("else")) else {
            return Ok(None);
        };
        let closing = after.trim_start_matches(is_space);
        let strips_after = closing.starts_with("~}}");
        if strips_after || closing.starts_with("}}") {
            self.lexer.at = self.lexer.source.len() - closing.len() + 2 + usize::from(strips_after);
            let strip = Strip { open: strips_before, close: strips_after };
            return Ok(Some(End::Else { at, strip }));
        }
        let is_word = after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        if tag.starts_with('^') || is_word {
            return Ok(None);
        }
        self.lexer.at = self.lexer.source.len() - after.len();
        Ok(Some(End::ElseIf { at, strips_before }))
    }

    fn comment(&mut self, at: usize, tag: &str, strips_before: bool) -> Result<Node, Failure> {
        // The long form ends with dashes only, so that it may hold tags.
        let end = if tag.starts_with("!--") {
            // One search for both ends: that for one which never comes would read to the end of the
            // template for every comment.
            let is_end = |braces: &usize| ["--", "--~"].iter().any(|dashes| tag[1..*braces].ends_with(dashes));
            tag.match_indices("}}").map(|(braces, _)| braces).find(is_end).map(|braces| braces + 2)
        } else {
            tag.find("}}").map(|braces| braces + 2)
        };
        let Some(end) = end else {
            return Err(self.lexer.failure(at, "the comment is not closed"));
        };
        self.lexer.at = self.lexer.source.len() - tag.len() + end;
        Ok(Node::Comment(Strip { open: strips_before, close: tag[..end].ends_with("~}}") }))
    }

    fn print(&mut self, at: usize, opener: usize, strips_before: bool) -> Result<Node, Failure> {
        let rest = self.lexer.rest();
        let is_braced = rest[..opener].ends_with("{{{") || rest[..opener].ends_with("~{");
        let triple = is_braced || rest[..opener].ends_with('&');
        self.lexer.at += opener;
        let (value, token_at) = (self.printed(at)?, self.lexer.skip_space());
        let strips_after = match (self.lexer.next()?, is_braced) {
            (Token::CloseTriple { strip }, true) | (Token::Close { strip }, false) => strip,
            (_, true) => return Err(self.lexer.failure(token_at, "expected }}} here")),
            (_, false) => return Err(self.lexer.failure(token_at, "expected }} here")),
        };
        Ok(Node::Print(Print { at, value, triple, strip: Strip { open: strips_before, close: strips_after } }))
    }

    fn block(&mut self, at: usize, opener: usize, strips_before: bool, is_inverted: bool) -> Result<Node, Failure> {
        self.lexer.at += opener;
        self.deeper(at)?;
        let head = self.head(at)?;
        let name = head.name.original.clone();
        let (program, end) = self.branch(&head)?;
        let (alternative, close) = self.rest_of_block(at, &name, end, is_inverted)?;
        if close.name != name {
            let message = format!("{{{{/{}}}}} closes the block {{{{#{name}}}}}", close.name);
            return Err(self.lexer.failure(close.at, &message));
        }
        self.depth -= 1;
        let mut block = assemble(head, strips_before, program, alternative, close.strip)?;
        if is_inverted {
            std::mem::swap(&mut block.program, &mut block.inverse);
        }
        Ok(Node::Block(Box::new(block)))
    }

    /// The part right after the opening tag, in which the block's parameters are known.
    fn branch(&mut self, head: &Head) -> Result<(Program, End), Failure> {
        let has_params = !head.params.is_empty();
        if has_params {
            self.scopes.push(head.params.clone());
        }
        let (mut program, end) = self.program()?;
        if has_params {
            self.scopes.pop();
        }
        program.has_params = has_params;
        Ok((program, end))
    }

    fn rest_of_block(
        &mut self,
        opened_at: usize,
        name: &str,
        end: End,
        is_inverted: bool,
    ) -> Result<(Option<Alternative>, Close), Failure> {
        match end {
            End::Close(close) => Ok((None, close)),
            End::Source => Err(self.lexer.failure(opened_at, &format!("the block {{{{#{name}}}}} is not closed"))),
            End::Else { strip, .. } => match self.program()? {
                (program, End::Close(close)) => Ok((Some(Alternative { program, strip }), close)),
                (_, End::Source) => self.rest_of_block(opened_at, name, End::Source, is_inverted),
                (_, End::Else { at, .. } | End::ElseIf { at, .. }) => {
                    Err(self.lexer.failure(at, "the block has its {{else}} already"))
                }
            },
            End::ElseIf { at, .. } if is_inverted => {
                Err(self.lexer.failure(at, "a {{^…}} block takes a plain {{else}} only"))
            }
            End::ElseIf { at, strips_before } => {
                self.deeper(at)?;
                let head = self.head(at)?;
                let strip = Strip { open: strips_before, close: head.strips_after };
                let (program, end) = self.branch(&head)?;
                let (alternative, close) = self.rest_of_block(opened_at, name, end, false)?;
                self.depth -= 1;
                // In the reference such a branch is closed by the tag that follows it.
                let close_strip = alternative.as_ref().map_or(Strip::default(), |next| next.strip);
                let block = assemble(head, strips_before, program, alternative, close_strip)?;
                let body = vec![Node::Block(Box::new(block))];
                let program = Program { body, is_chained: true, has_params: false };
                Ok((Some(Alternative { program, strip }), close))
            }
        }
    }

    pub(super) fn deeper(&mut self, at: usize) -> Result<(), Failure> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err(Failure { at, kind: TemplateErrorKind::Depth { limit: NESTING_MAX } });
        }
        Ok(())
    }

    /// The `}}` of a tag, and whether it strips the whitespace after it.
    pub(super) fn close(&mut self) -> Result<bool, Failure> {
        let at = self.lexer.skip_space();
        match self.lexer.next()? {
            Token::Close { strip } => Ok(strip),
            _ => Err(self.lexer.failure(at, "expected }} here")),
        }
    }
}

/// Puts a block together. The last tag of a chain also closes the first `{{else if}}` in it.
fn assemble(
    head: Head,
    strips_before: bool,
    program: Program,
    mut alternative: Option<Alternative>,
    close_strip: Strip,
) -> Result<Block, Failure> {
    if let Some(Alternative { program, .. }) = &mut alternative
        && program.is_chained
        && let Some(Node::Block(chained)) = program.body.first_mut()
    {
        chained.close_strip = close_strip;
    }
    let open_strip = Strip { open: strips_before, close: head.strips_after };
    let inverse_strip = alternative.as_ref().map_or(Strip::default(), |next| next.strip);
    Ok(Block {
        at: head.at,
        kind: head.into_block()?,
        program: Some(program),
        inverse: alternative.map(|next| next.program),
        open_strip,
        inverse_strip,
        close_strip,
    })
}

/// The name of the feature that a tag asks for, if it is one that this engine leaves out.
fn refused(tag: &str) -> Option<&'static str> {
    let block = tag.strip_prefix('#');
    if tag.starts_with("{{") {
        Some("raw blocks ({{{{…}}}})")
    } else if tag.starts_with('>') || block.is_some_and(|name| name.starts_with('>')) {
        Some("partials ({{> …}})")
    } else if tag.starts_with('*') || block.is_some_and(|name| name.starts_with('*')) {
        Some("decorators ({{* …}})")
    } else {
        None
    }
}

fn push_text(body: &mut Vec<Node>, start: usize, end: usize) {
    if start < end {
        let (kept_start, kept_end) = (start, end);
        let text = Text { start, end, kept_start, kept_end, is_left_stripped: false, is_right_stripped: false };
        body.push(Node::Text(text));
    }
}
