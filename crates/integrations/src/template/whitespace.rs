//! Removes the whitespace that tildes ask for, and the lines on which a block tag or a comment
//! stands alone.
//!
//! This follows the reference step by step, its oddities included (an inverted block with an
//! `{{else}}` looks at the second part for its first tag), as the output has to be the same byte
//! for byte. The reference runs on a tree with an absent or present `program` and `inverse`, and
//! so does this.

use super::{
    ast::{Block, Node, Program, Strip, Text},
    lexer::is_space,
};

/// What a statement asks of the text around it.
#[derive(Default)]
struct Wish {
    strip: Strip,
    open_alone: bool,
    close_alone: bool,
    inline_alone: bool,
}

/// Applies the rules to a whole template, then drops what prints nothing.
pub(super) fn control(source: &str, root: &mut Program) {
    visit(source, root, true);
    tidy(root);
}

fn visit(source: &str, program: &mut Program, is_root: bool) {
    for at in 0..program.body.len() {
        let wish = match &mut program.body[at] {
            Node::Text(_) => continue,
            Node::Comment(strip) => Wish { strip: *strip, inline_alone: true, ..Wish::default() },
            Node::Print(print) => Wish { strip: print.strip, ..Wish::default() },
            Node::Block(block) => visit_block(source, block),
        };
        let before_blank = ends_blank(source, &program.body[..at], is_root);
        let after_blank = starts_blank(source, &program.body[at + 1..], is_root);
        if wish.strip.close {
            strip_start(source, program.body.get_mut(at + 1), true);
        }
        if wish.strip.open {
            strip_end(source, before(&mut program.body, at), true);
        }
        if wish.inline_alone && before_blank && after_blank {
            strip_start(source, program.body.get_mut(at + 1), false);
            strip_end(source, before(&mut program.body, at), false);
        }
        if wish.open_alone && before_blank {
            if let Node::Block(block) = &mut program.body[at] {
                let first = if block.program.is_some() { &mut block.program } else { &mut block.inverse };
                strip_start(source, first_node(first), false);
            }
            strip_end(source, before(&mut program.body, at), false);
        }
        if wish.close_alone && after_blank {
            strip_start(source, program.body.get_mut(at + 1), false);
            if let Node::Block(block) = &mut program.body[at] {
                let last = if block.inverse.is_some() { &mut block.inverse } else { &mut block.program };
                strip_end(source, last_node(last), false);
            }
        }
    }
}

fn visit_block(source: &str, block: &mut Block) -> Wish {
    for part in [&mut block.program, &mut block.inverse].into_iter().flatten() {
        visit(source, part, false);
    }
    let (open_strip, inverse_strip, close_strip) = (block.open_strip, block.inverse_strip, block.close_strip);
    let (first, second) = match (&mut block.program, &mut block.inverse) {
        (Some(program), inverse) => (program, inverse.as_mut()),
        (None, Some(inverse)) => (inverse, None),
        (None, None) => return Wish::default(),
    };
    let mut second = second.and_then(branch);
    let wish = Wish {
        strip: Strip { open: open_strip.open, close: close_strip.close },
        open_alone: starts_blank(source, &first.body, false),
        close_alone: ends_blank(source, second.as_ref().map_or(&first.body, |second| &second.body), false),
        inline_alone: false,
    };
    if open_strip.close {
        strip_start(source, first.body.first_mut(), true);
    }
    let Some(second) = &mut second else {
        if close_strip.open {
            strip_end(source, first.body.last_mut(), true);
        }
        return wish;
    };
    if inverse_strip.open {
        strip_end(source, first.body.last_mut(), true);
    }
    if inverse_strip.close {
        strip_start(source, second.body.first_mut(), true);
    }
    if close_strip.open {
        strip_end(source, second.body.last_mut(), true);
    }
    if ends_blank(source, &first.body, false) && starts_blank(source, &second.body, false) {
        strip_end(source, first.body.last_mut(), false);
        strip_start(source, second.body.first_mut(), false);
    }
    wish
}

/// The text of the branch itself: for `{{else if …}}` that of the block which it holds.
fn branch(inverse: &mut Program) -> Option<&mut Program> {
    if !inverse.is_chained {
        return Some(inverse);
    }
    match inverse.body.first_mut()? {
        Node::Block(block) => block.program.as_mut(),
        _ => None,
    }
}

fn before(body: &mut [Node], at: usize) -> Option<&mut Node> {
    body.get_mut(at.checked_sub(1)?)
}

fn first_node(program: &mut Option<Program>) -> Option<&mut Node> {
    program.as_mut()?.body.first_mut()
}

fn last_node(program: &mut Option<Program>) -> Option<&mut Node> {
    program.as_mut()?.body.last_mut()
}

/// Whether only blanks stand between the last line break and the end of these nodes. The start of
/// the template counts as a line break.
fn ends_blank(source: &str, nodes: &[Node], is_root: bool) -> bool {
    match nodes {
        [] => is_root,
        [others @ .., Node::Text(text)] => {
            let original = &source[text.start..text.end];
            let run = &original[original.trim_end_matches(is_space).len()..];
            run.contains('\n') || (is_root && others.is_empty() && run.len() == original.len())
        }
        _ => false,
    }
}

/// The same for the start of these nodes and the first line break.
fn starts_blank(source: &str, nodes: &[Node], is_root: bool) -> bool {
    match nodes {
        [] => is_root,
        [Node::Text(text), others @ ..] => {
            let original = &source[text.start..text.end];
            let run = &original[..original.len() - original.trim_start_matches(is_space).len()];
            run.contains('\n') || (is_root && others.is_empty() && run.len() == original.len())
        }
        _ => false,
    }
}

/// Removes whitespace at the start of a text: `all` of it, or blanks up to and with one line break.
fn strip_start(source: &str, node: Option<&mut Node>, all: bool) {
    let Some(text) = node.and_then(as_text) else { return };
    if !all && text.is_right_stripped {
        return;
    }
    let kept = &source[text.kept_start..text.kept_end];
    let left = if all {
        kept.trim_start_matches(is_space)
    } else {
        let line = kept.trim_start_matches([' ', '\t']);
        let line = line.strip_prefix('\r').unwrap_or(line);
        line.strip_prefix('\n').unwrap_or(line)
    };
    text.is_right_stripped = left.len() < kept.len();
    text.kept_start = text.kept_end - left.len();
}

/// Removes whitespace at the end of a text: `all` of it, or the blanks of its last line.
fn strip_end(source: &str, node: Option<&mut Node>, all: bool) {
    let Some(text) = node.and_then(as_text) else { return };
    if !all && text.is_left_stripped {
        return;
    }
    let kept = &source[text.kept_start..text.kept_end];
    let left = if all { kept.trim_end_matches(is_space) } else { kept.trim_end_matches([' ', '\t']) };
    text.is_left_stripped = left.len() < kept.len();
    text.kept_end = text.kept_start + left.len();
}

fn as_text(node: &mut Node) -> Option<&mut Text> {
    match node {
        Node::Text(text) => Some(text),
        _ => None,
    }
}

fn tidy(program: &mut Program) {
    program.body.retain_mut(|node| match node {
        Node::Text(text) => text.kept_start < text.kept_end,
        Node::Comment(_) => false,
        Node::Print(_) => true,
        Node::Block(block) => {
            for part in [&mut block.program, &mut block.inverse].into_iter().flatten() {
                tidy(part);
            }
            true
        }
    });
}
