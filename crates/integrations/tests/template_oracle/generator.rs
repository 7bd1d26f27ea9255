//! Templates at random, from a seed, over one context that holds a value of every kind.
//!
//! What the reference renders in a way that we refuse to follow (see `differences.json`) is left
//! out: raw values stand after a letter, and no block enters a primitive that JavaScript takes for
//! equal to one of another type.

use serde_json::{Value, json};

/// The context of all generated templates.
pub fn context() -> Value {
    json!({
        "name": "Checkout <b> & 'co' = `x`",
        "empty": "",
        "word": "añb€c",
        "count": 7,
        "zero": 0,
        "half": 1.5,
        "yes": true,
        "no": false,
        "none": null,
        "tags": ["red", "green", "blue"],
        "one": [{"id": "x1"}],
        "bare": [],
        "mixed": ["a", null, 42, {"k": "v", "tags": ["p", "q"]}, [8, 9]],
        "rows": [{"id": "r1", "cells": [3, 4]}, {"id": "r2", "cells": []}, {"id": "", "name": "own"}],
        "member": {"name": "Ada", "email": "ada@corp.test", "deep": {"er": {"est": "bottom", "list": [5, 6]}}},
        "blank": {},
        "dash-ed": {"in-ner": "dashes"},
        "with space": "spaced",
        "formVariables": {"url": "https://h.test/a b?c=d&e=f", "flag": true}
    })
}

const PRINTED: &[&str] = &[
    "name",
    "empty",
    "word",
    "count",
    "zero",
    "half",
    "yes",
    "no",
    "none",
    "tags",
    "bare",
    "mixed",
    "rows",
    "member",
    "member.name",
    "member/email",
    "member.deep.er.est",
    "missing",
    "missing.more",
    "tags.length",
    "tags.[0]",
    "mixed.[3].k",
    "rows.[0].cells.[1]",
    "word.length",
    "dash-ed.in-ner",
    "[with space]",
    "this",
    ".",
    "this.name",
    "./count",
    "../name",
    "../this",
    "..",
    "../../id",
    "../../../../name",
    "@root.name",
    "@root.tags.length",
    "@index",
    "@key",
    "@first",
    "@last",
    "@../index",
    "@../../key",
    "id",
    "k",
    "length",
    "cells",
    "formVariables.url",
    "none.more",
    "yes.more",
    "p",
    "q",
    "p.name",
    "q.length",
    "r",
    "true",
    "12",
    "\"name\"",
];

const ENTERED: &[&str] = &[
    "tags",
    "one",
    "bare",
    "mixed",
    "rows",
    "member",
    "member.deep",
    "member.deep.er",
    "blank",
    "missing",
    "none",
    "dash-ed",
    "this",
    ".",
    "..",
    "../rows",
    "cells",
    "@root",
    "@root.member",
    "rows.[0].cells",
    "member.deep.er.list",
];

const TEXTS: &[&str] = &[
    "x", " y ", "\n", "  ", "\n\n", " \n\t", "z\n", "\nw", "\r\n", "{ ", " }", "\\ ", "\\{{x}} ", "é ", "", "a\n  ",
    "\"q\": ",
];

/// A stream of numbers from a seed (xorshift64).
pub struct Dice(pub u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % sides
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.roll(from.len())]
    }

    fn tilde(&mut self) -> &'static str {
        self.pick(&["", "", "", "~"])
    }

    /// A template of up to `depth` nested blocks.
    pub fn template(&mut self, depth: usize) -> String {
        (0..1 + self.roll(6)).map(|_| self.node(depth)).collect()
    }

    fn node(&mut self, depth: usize) -> String {
        match self.roll(if depth == 0 { 6 } else { 12 }) {
            0 | 1 => self.pick(TEXTS).to_owned(),
            2 | 3 => self.tag(&["", " "]),
            4 => {
                let value = self.value(2);
                let (open, close) = [("{{{", "}}}"), ("{{~{", "}~}}"), ("{{&", "}}"), ("{{~&", "~}}")][self.roll(4)];
                format!("r{open}{value}{close}")
            }
            5 => self.comment(),
            _ => self.block(depth - 1),
        }
    }

    fn tag(&mut self, spaces: &[&str]) -> String {
        let (before, after, space) = (self.tilde(), self.tilde(), self.pick(spaces));
        let value = self.value(2);
        format!("{{{{{before}{space}{value}{space}{after}}}}}")
    }

    fn comment(&mut self) -> String {
        let (before, after) = (self.tilde(), self.tilde());
        match self.roll(2) {
            0 => format!("{{{{{before}! note {after}}}}}"),
            _ => format!("{{{{{before}!-- }}}} {{{{x}}}} --{after}}}}}"),
        }
    }

    /// What may stand in a tag that prints.
    fn value(&mut self, depth: usize) -> String {
        match self.roll(8) {
            0 => format!("lookup {} {}", self.argument(depth), self.argument(depth)),
            1 => format!("{} {}", self.pick(&["pathEncode", "queryEncode"]), self.argument(depth)),
            2 => format!("basicAuthHeaderValue {} {}", self.argument(depth), self.argument(depth)),
            3 => format!("log {}", self.argument(depth)),
            4 => {
                let format = self.pick(&["milliseconds", "seconds", "rfc3339", "simple"]);
                format!("formatWithOffset 1580777319{:03} {} \"{format}\"", self.roll(1000), self.roll(200_000))
            }
            _ => self.pick(PRINTED).to_owned(),
        }
    }

    fn argument(&mut self, depth: usize) -> String {
        let literals =
            ["\"name\"", "'a b'", "0", "1", "12.5", "true", "false", "null", "undefined", "\"length\"", "-3"];
        match self.roll(if depth == 0 { 5 } else { 6 }) {
            0 | 1 => self.pick(&literals).to_owned(),
            5 => format!("(lookup {} {})", self.argument(depth - 1), self.argument(depth - 1)),
            _ => loop {
                // Literals in the place of a path would be values here.
                let path = self.pick(PRINTED);
                if !path.starts_with(['"', '1']) {
                    return path.to_owned();
                }
            },
        }
    }

    fn block(&mut self, depth: usize) -> String {
        let (name, head) = self.head();
        // The reference fails where an inverted block asks for a parameter.
        let sign = if self.roll(8) == 0 && !head.contains('|') { '^' } else { '#' };
        let mut block = format!("{{{{{}{sign}{head}{}}}}}", self.tilde(), self.tilde());
        block.push_str(&self.template(depth));
        let mut branches = if sign == '#' { self.roll(3) } else { 0 };
        while branches > 0 && self.roll(3) == 0 {
            let (_, head) = self.head();
            block.push_str(&format!("{{{{{}else {head}{}}}}}{}", self.tilde(), self.tilde(), self.template(depth)));
            branches -= 1;
        }
        if self.roll(2) == 0 {
            let word = self.pick(&["else", "^", " else "]);
            block.push_str(&format!("{{{{{}{word}{}}}}}{}", self.tilde(), self.tilde(), self.template(depth)));
        }
        block.push_str(&format!("{{{{{}/{name}{}}}}}", self.tilde(), self.tilde()));
        block
    }

    /// The name of a block and all that stands in its opening tag.
    fn head(&mut self) -> (String, String) {
        let name = self.pick(&["if", "if", "unless", "each", "each", "with", "equal", "equalWithElse", ""]);
        let head = match name {
            "if" | "unless" => {
                let zero = self.pick(&["", "", " includeZero=true", " includeZero = false other=(lookup this 0)"]);
                format!("{name} {}{zero}", self.argument(1))
            }
            "each" | "with" => {
                let params = self.pick(&["", "", " as |p|", " as |p q|", " as |r  p q |"]);
                let mut path = self.pick(ENTERED);
                // A loop over the whole context would enter 0, false and the empty string.
                while name == "each" && ["this", ".", "..", "@root"].contains(&path) {
                    path = self.pick(ENTERED);
                }
                format!("{name} {path}{params}")
            }
            "" => loop {
                let path = self.pick(ENTERED);
                // A section named by a lone dot cannot be closed with a space before the braces.
                if path != "." {
                    return (path.to_owned(), path.to_owned());
                }
            },
            _ => format!("{name} {} {}", self.argument(1), self.argument(1)),
        };
        (name.to_owned(), head)
    }
}
