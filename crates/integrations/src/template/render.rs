//! Walks a parsed template over a context and writes the output into one string.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{
    Escape, Limits,
    ast::{Base, Block, BlockKind, Call, Expr, Node, Path, Print, Program, ValueHelper},
    error::{Failure, TemplateErrorKind},
    helpers,
    value::{Val, join},
};

/// Renders `program`, whose texts are ranges of `source`.
pub(super) fn render(
    source: &str,
    program: &Program,
    root: &Value,
    escape: &dyn Escape,
    limits: &Limits,
) -> Result<String, Failure> {
    let nothing = Value::Object(Map::new());
    let mut renderer = Renderer {
        source,
        root,
        nothing: &nothing,
        escape,
        limits,
        out: String::with_capacity(source.len().min(limits.output_bytes)),
        steps_left: limits.steps,
        depth: 0,
        at: 0,
        here: Val::Json(root),
        contexts: vec![Val::Json(root)],
        loops: Vec::new(),
        params: Vec::new(),
    };
    renderer.program(program)?;
    Ok(renderer.out)
}

/// The variables of one turn of a loop.
struct Turn<'a> {
    index: usize,
    key: Val<'a>,
    is_last: bool,
}

struct Renderer<'a> {
    source: &'a str,
    root: &'a Value,
    /// What a block sees as its context where that is null: an empty object.
    nothing: &'a Value,
    escape: &'a dyn Escape,
    limits: &'a Limits,
    out: String,
    steps_left: u64,
    depth: usize,
    /// Byte offset of the tag at work, for errors.
    at: usize,
    here: Val<'a>,
    /// What `../` climbs, outermost first. Entering the same context again adds no level.
    contexts: Vec<Val<'a>>,
    loops: Vec<Turn<'a>>,
    /// The values of the block parameters of the open blocks that have some, outermost first.
    params: Vec<[Val<'a>; 2]>,
}

impl<'a> Renderer<'a> {
    fn program(&mut self, program: &'a Program) -> Result<(), Failure> {
        for node in &program.body {
            self.pay(1)?;
            match node {
                Node::Text(text) => {
                    let text = &self.source[text.kept_start..text.kept_end];
                    self.make_room(text.len())?;
                    self.out.push_str(text);
                }
                Node::Comment(_) => {}
                Node::Print(Print { at, value, triple, .. }) => {
                    self.at = *at;
                    let value = self.value(value)?;
                    self.print(&value, *triple)?;
                }
                Node::Block(block) => {
                    self.at = block.at;
                    if self.depth >= self.limits.depth {
                        return Err(self.failure(TemplateErrorKind::Depth { limit: self.limits.depth }));
                    }
                    self.depth += 1;
                    self.block(block)?;
                    self.depth -= 1;
                }
            }
        }
        Ok(())
    }

    fn block(&mut self, block: &'a Block) -> Result<(), Failure> {
        let is_met = match &block.kind {
            BlockKind::If { condition, include_zero, is_negated } => {
                let condition = self.value(condition)?;
                let counts_zero = match include_zero {
                    Some(include_zero) => self.value(include_zero)?.is_truthy(),
                    None => false,
                };
                ((condition.is_truthy() || counts_zero) && !condition.is_empty()) != *is_negated
            }
            BlockKind::Equal(one, two) => {
                let (one, two) = (self.value(one)?, self.value(two)?);
                self.pay(one.steps().min(two.steps()))?;
                one.is_identical(&two)
            }
            BlockKind::Each(items) => {
                let items = self.value(items)?;
                return self.each(block, &items);
            }
            BlockKind::With(context) => {
                let context = self.value(context)?;
                if context.is_empty() {
                    false
                } else {
                    return self.enter(block.program.as_ref(), context.clone(), [context, Val::Undefined]);
                }
            }
            BlockKind::Section(context) => {
                let context = self.value(context)?;
                return self.section(block, context);
            }
            BlockKind::Value(value) => {
                let value = self.value(value)?;
                return self.print(&value, true);
            }
        };
        self.branch(if is_met { block.program.as_ref() } else { block.inverse.as_ref() })
    }

    /// `{{#x}}`: a loop over an array, nothing for null and false, else the value as context.
    fn section(&mut self, block: &'a Block, context: Val<'a>) -> Result<(), Failure> {
        let here = self.here.clone();
        match context {
            Val::Bool(true) | Val::Json(Value::Bool(true)) => self.enter(block.program.as_ref(), here, NO_PARAMS),
            Val::Undefined | Val::Bool(false) | Val::Json(Value::Null | Value::Bool(false)) => {
                self.enter(block.inverse.as_ref(), here, NO_PARAMS)
            }
            Val::Json(Value::Array(items)) if items.is_empty() => self.enter(block.inverse.as_ref(), here, NO_PARAMS),
            Val::Json(Value::Array(_)) => self.each(block, &context),
            other => self.enter(block.program.as_ref(), other, NO_PARAMS),
        }
    }

    fn each(&mut self, block: &'a Block, items: &Val<'a>) -> Result<(), Failure> {
        match items {
            Val::Json(Value::Array(items)) if !items.is_empty() => {
                let last = items.len() - 1;
                for (index, item) in items.iter().enumerate() {
                    self.turn(block, Turn { index, key: Val::Index(index), is_last: index == last }, item)?;
                }
                Ok(())
            }
            Val::Json(Value::Object(members)) if !members.is_empty() => {
                let last = members.len() - 1;
                for (index, (key, member)) in members.iter().enumerate() {
                    self.turn(block, Turn { index, key: Val::Key(key), is_last: index == last }, member)?;
                }
                Ok(())
            }
            _ => self.branch(block.inverse.as_ref()),
        }
    }

    fn turn(&mut self, block: &'a Block, turn: Turn<'a>, item: &'a Value) -> Result<(), Failure> {
        self.pay(1)?;
        let params = [Val::Json(item), turn.key.clone()];
        self.loops.push(turn);
        self.enter(block.program.as_ref(), Val::Json(item), params)?;
        self.loops.pop();
        Ok(())
    }

    /// Renders a part of a block in the context of the block itself.
    fn branch(&mut self, program: Option<&'a Program>) -> Result<(), Failure> {
        let here = if self.here.is_nullish() { Val::Json(self.nothing) } else { self.here.clone() };
        self.enter(program, here, NO_PARAMS)
    }

    fn enter(&mut self, program: Option<&'a Program>, context: Val<'a>, params: [Val<'a>; 2]) -> Result<(), Failure> {
        let Some(program) = program else { return Ok(()) };
        let is_level = !self.is_same_level(&context)?;
        if is_level {
            self.contexts.push(context.clone());
        }
        if program.has_params {
            self.params.push(params);
        }
        let outside = std::mem::replace(&mut self.here, context);
        self.program(program)?;
        self.here = outside;
        if program.has_params {
            self.params.pop();
        }
        if is_level {
            self.contexts.pop();
        }
        Ok(())
    }

    /// Whether a context is the one that is open already, so that `../` has nothing more to climb.
    fn is_same_level(&mut self, context: &Val<'a>) -> Result<bool, Failure> {
        let Some(open) = self.contexts.last() else { return Ok(false) };
        let is_same_nothing = context.is_nullish() && open.is_nullish();
        let stands_for_null = matches!(context, Val::Json(value) if std::ptr::eq(*value, self.nothing))
            && matches!(open, Val::Json(Value::Null));
        let steps = context.steps().min(open.steps());
        let is_same = is_same_nothing || stands_for_null || context.is_identical(open);
        self.pay(steps)?;
        Ok(is_same)
    }

    fn value(&mut self, expr: &'a Expr) -> Result<Val<'a>, Failure> {
        match expr {
            Expr::Undefined => Ok(Val::Undefined),
            Expr::Literal(value) => Ok(Val::Json(value)),
            Expr::Path(path) => self.path(path),
            Expr::Call(call) => self.call(call),
        }
    }

    fn path(&mut self, path: &'a Path) -> Result<Val<'a>, Failure> {
        self.pay(path.steps)?;
        let (mut value, parts) = match path.base {
            Base::Context(0) => (self.here.clone(), path.parts.as_slice()),
            Base::Context(up) => {
                let level = self.contexts.len().checked_sub(up + 1);
                let context = level.and_then(|level| self.contexts.get(level));
                (context.cloned().unwrap_or(Val::Undefined), path.parts.as_slice())
            }
            Base::Param { scope, index } => {
                let value = self.params.get(scope).and_then(|values| values.get(index));
                (value.cloned().unwrap_or(Val::Undefined), path.parts.as_slice())
            }
            Base::Data(up) => match path.parts.split_first() {
                Some((name, parts)) => (self.data(up, name), parts),
                None => (Val::Undefined, path.parts.as_slice()),
            },
        };
        let is_data = matches!(path.base, Base::Data(_));
        for part in parts {
            // Null and undefined end a path as themselves, and so does anything falsy after `@`.
            if value.is_nullish() || (is_data && !value.is_truthy()) {
                break;
            }
            self.pay(value.steps())?;
            value = value.property(part);
        }
        Ok(value)
    }

    /// An `@` variable of the loop that is `up` loops further out.
    fn data(&self, up: usize, name: &str) -> Val<'a> {
        let Some(level) = self.loops.len().checked_sub(up) else { return Val::Undefined };
        let turn = level.checked_sub(1).and_then(|level| self.loops.get(level));
        match (name, turn) {
            ("root", _) => Val::Json(self.root),
            ("index", Some(turn)) => Val::Index(turn.index),
            ("key", Some(turn)) => turn.key.clone(),
            ("first", Some(turn)) => Val::Bool(turn.index == 0),
            ("last", Some(turn)) => Val::Bool(turn.is_last),
            _ => Val::Undefined,
        }
    }

    fn call(&mut self, call: &'a Call) -> Result<Val<'a>, Failure> {
        self.pay(1)?;
        let mut arguments = [Val::Undefined, Val::Undefined, Val::Undefined];
        for (at, argument) in call.arguments.iter().enumerate() {
            let value = self.value(argument)?;
            if let Some(slot) = arguments.get_mut(at) {
                *slot = value;
            }
        }
        self.at = call.at;
        let [first, second, third] = &arguments;
        match call.helper {
            ValueHelper::Log => Ok(Val::Undefined),
            ValueHelper::Lookup => self.lookup(first, second),
            ValueHelper::PathEncode => self.encoded(first, helpers::path_encode),
            ValueHelper::QueryEncode => self.encoded(first, helpers::query_encode),
            ValueHelper::BasicAuthHeaderValue => {
                let header = helpers::basic_auth(&self.text(first)?, &self.text(second)?);
                Ok(Val::Text(header.into()))
            }
            ValueHelper::FormatWithOffset => {
                let format = self.text(third)?;
                let (millis, offset) = (self.number(first)?, self.number(second)?);
                let Some(millis) = millis else { return Ok(Val::Undefined) };
                match helpers::format_with_offset(millis, offset.unwrap_or(0.0), &format) {
                    Some(text) => Ok(Val::Text(text.into())),
                    None => {
                        let forms = "milliseconds, seconds, rfc3339 or simple";
                        Err(self.failure(TemplateErrorKind::Arguments(format!("formatWithOffset knows {forms}"))))
                    }
                }
            }
        }
    }

    fn lookup(&mut self, value: &Val<'a>, key: &Val<'a>) -> Result<Val<'a>, Failure> {
        if !value.is_truthy() {
            return Ok(value.clone());
        }
        self.pay(value.steps())?;
        match key {
            Val::Undefined => Ok(value.property("undefined")),
            Val::Json(Value::Null) => Ok(value.property("null")),
            key => {
                let key = self.text(key)?;
                Ok(value.property(&key))
            }
        }
    }

    fn encoded(&mut self, value: &Val<'a>, encode: fn(&str) -> String) -> Result<Val<'a>, Failure> {
        Ok(Val::Text(encode(&self.text(value)?).into()))
    }

    /// A number, or the number that a text holds.
    fn number(&mut self, value: &Val<'a>) -> Result<Option<f64>, Failure> {
        self.pay(value.steps())?;
        Ok(value.as_f64().or_else(|| value.as_str()?.trim().parse().ok().filter(|number: &f64| number.is_finite())))
    }

    /// The text of a value. It costs steps by its length, so that long texts read over and over
    /// are bounded even where none of them is printed.
    fn text<'v>(&mut self, value: &'v Val<'a>) -> Result<Cow<'v, str>, Failure> {
        let Some(items) = value.as_array() else {
            self.pay(value.steps())?;
            return Ok(value.text());
        };
        let text = join(items, |length| {
            self.make_room(length)?;
            self.pay(1)
        })?;
        self.pay((text.len() / 64) as u64)?;
        Ok(Cow::Owned(text))
    }

    fn print(&mut self, value: &Val<'a>, triple: bool) -> Result<(), Failure> {
        let text = self.text(value)?;
        if text.is_empty() {
            return Ok(());
        }
        self.make_room(text.len())?;
        let pushed = self.escape.push(&mut self.out, &text, triple);
        pushed.map_err(|reason| self.failure(TemplateErrorKind::Value(reason)))?;
        self.make_room(0)
    }

    fn make_room(&self, bytes: usize) -> Result<(), Failure> {
        let limit = self.limits.output_bytes;
        if self.out.len().saturating_add(bytes) > limit {
            return Err(self.failure(TemplateErrorKind::Output { limit }));
        }
        Ok(())
    }

    fn pay(&mut self, steps: u64) -> Result<(), Failure> {
        match self.steps_left.checked_sub(steps) {
            Some(left) => {
                self.steps_left = left;
                Ok(())
            }
            None => Err(self.failure(TemplateErrorKind::Steps { limit: self.limits.steps })),
        }
    }

    fn failure(&self, kind: TemplateErrorKind) -> Failure {
        Failure { at: self.at, kind }
    }
}

const NO_PARAMS: [Val<'static>; 2] = [Val::Undefined, Val::Undefined];
