//! What a template can look at, so that no more of the context has to be derived.

use foldhash::{HashMap, HashSet};

use super::ast::{Base, Block, BlockKind, Call, Expr, Node, Path, Program, ValueHelper};

/// The names that a template mentions. It cannot tell which context a name is looked up in inside
/// a block that changes it, so the first name of a path counts for every object there.
#[derive(Clone, Debug, Default)]
pub(super) struct Mentions {
    /// The first names of paths.
    first: HashSet<String>,
    /// Those of paths inside blocks with a context of their own.
    first_inside: HashSet<String>,
    /// The names after the first, by the name before them.
    after: HashMap<String, HashSet<String>>,
    /// Objects of which any member may be looked at, by the last name of their path.
    whole: HashSet<String>,
    everything: bool,
}

impl Mentions {
    pub(super) fn of(program: &Program) -> Self {
        let mut mentions = Self::default();
        mentions.add_program(program, false);
        mentions
    }

    /// Whether the template may look at the member `name` of an object named `of`; the context
    /// itself has the empty name.
    pub(super) fn has(&self, of: &str, name: &str) -> bool {
        let after = || self.after.get(of).is_some_and(|names| names.contains(name));
        let in_object = || self.first_inside.contains(name) || after() || self.whole.contains(of);
        self.everything || if of.is_empty() { self.first.contains(name) } else { in_object() }
    }

    fn add_program(&mut self, program: &Program, is_inside: bool) {
        for node in &program.body {
            match node {
                Node::Text(_) | Node::Comment(_) => {}
                Node::Print(print) => self.add(&print.value, is_inside),
                Node::Block(block) => self.add_block(block, is_inside),
            }
        }
    }

    fn add_block(&mut self, block: &Block, is_inside: bool) {
        match &block.kind {
            BlockKind::If { condition, include_zero, .. } => {
                self.add(condition, is_inside);
                include_zero.iter().for_each(|value| self.add(value, is_inside));
            }
            // A section goes through a list like `each` does it.
            BlockKind::Each(context) | BlockKind::Section(context) => self.add_all_of(context, is_inside),
            BlockKind::With(value) | BlockKind::Value(value) => self.add(value, is_inside),
            BlockKind::Equal(one, two) => {
                self.add(one, is_inside);
                self.add(two, is_inside);
            }
        }
        let changes_context = matches!(block.kind, BlockKind::Each(_) | BlockKind::Section(_) | BlockKind::With(_));
        let within = is_inside || changes_context;
        block.program.iter().chain(&block.inverse).for_each(|program| self.add_program(program, within));
    }

    fn add(&mut self, value: &Expr, is_inside: bool) {
        match value {
            Expr::Undefined | Expr::Literal(_) => {}
            Expr::Path(path) => self.add_path(path, is_inside),
            Expr::Call(call) => self.add_call(call, is_inside),
        }
    }

    fn add_call(&mut self, Call { helper, arguments, .. }: &Call, is_inside: bool) {
        arguments.iter().for_each(|argument| self.add(argument, is_inside));
        if let (ValueHelper::Lookup, Some(of)) = (helper, arguments.first()) {
            self.add_all_of(of, is_inside);
        }
    }

    fn add_path(&mut self, path: &Path, is_inside: bool) {
        let names = names(path);
        self.first.extend(names.first().cloned());
        if is_inside {
            self.first_inside.extend(names.first().cloned());
        }
        for pair in names.windows(2) {
            if let [before, name] = pair {
                self.after.entry(before.clone()).or_default().insert(name.clone());
            }
        }
    }

    /// Adds a value whose members are looked at without their names being said.
    fn add_all_of(&mut self, value: &Expr, is_inside: bool) {
        self.add(value, is_inside);
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
