//! What a template can look at, so that no more of the context has to be derived.

use foldhash::{HashMap, HashSet};

use super::ast::{Base, Block, BlockKind, Call, Expr, Node, Path, Program, ValueHelper};

/// The names that a template mentions. It cannot tell which context a name is looked up in, so
/// the first name of a path counts for every object.
#[derive(Clone, Debug, Default)]
pub(super) struct Mentions {
    /// The first names of paths.
    first: HashSet<String>,
    /// The names after the first, by the name before them.
    after: HashMap<String, HashSet<String>>,
    /// Objects of which any member may be looked at, by the last name of their path.
    whole: HashSet<String>,
    everything: bool,
}

impl Mentions {
    pub(super) fn of(program: &Program) -> Self {
        let mut mentions = Self::default();
        mentions.add_program(program);
        mentions
    }

    /// Whether the template may look at the member `name` of an object named `of`; the context
    /// itself has the empty name.
    pub(super) fn has(&self, of: &str, name: &str) -> bool {
        let after = || self.after.get(of).is_some_and(|names| names.contains(name));
        self.everything || self.first.contains(name) || (!of.is_empty() && (after() || self.whole.contains(of)))
    }

    fn add_program(&mut self, program: &Program) {
        for node in &program.body {
            match node {
                Node::Text(_) | Node::Comment(_) => {}
                Node::Print(print) => self.add(&print.value),
                Node::Block(block) => self.add_block(block),
            }
        }
    }

    fn add_block(&mut self, block: &Block) {
        match &block.kind {
            BlockKind::If { condition, include_zero, .. } => {
                self.add(condition);
                include_zero.iter().for_each(|value| self.add(value));
            }
            BlockKind::Each(items) => self.add_all_of(items),
            // A list is gone through like `each` does it.
            BlockKind::Section(context) => self.add_all_of(context),
            BlockKind::With(value) | BlockKind::Value(value) => self.add(value),
            BlockKind::Equal(one, two) => {
                self.add(one);
                self.add(two);
            }
        }
        block.program.iter().chain(&block.inverse).for_each(|program| self.add_program(program));
    }

    fn add(&mut self, value: &Expr) {
        match value {
            Expr::Undefined | Expr::Literal(_) => {}
            Expr::Path(path) => self.add_path(path),
            Expr::Call(call) => self.add_call(call),
        }
    }

    fn add_call(&mut self, Call { helper, arguments, .. }: &Call) {
        arguments.iter().for_each(|argument| self.add(argument));
        if let (ValueHelper::Lookup, Some(of)) = (helper, arguments.first()) {
            self.add_all_of(of);
        }
    }

    fn add_path(&mut self, path: &Path) {
        let names = names(path);
        self.first.extend(names.first().cloned());
        for pair in names.windows(2) {
            if let [before, name] = pair {
                self.after.entry(before.clone()).or_default().insert(name.clone());
            }
        }
    }

    /// Adds a value whose members are looked at without their names being said.
    fn add_all_of(&mut self, value: &Expr) {
        self.add(value);
        match value {
            Expr::Undefined | Expr::Literal(_) => {}
            Expr::Path(path) => match names(path).last() {
                Some(last) => {
                    self.whole.insert(last.clone());
                }
                None => self.everything = true,
            },
            Expr::Call(_) => self.everything = true,
        }
    }
}

/// The names of a path without `@root`, which is the context.
fn names(path: &Path) -> &[String] {
    match (path.base, path.parts.split_first()) {
        (Base::Data(_), Some((first, rest))) if first == "root" => rest,
        _ => &path.parts,
    }
}
