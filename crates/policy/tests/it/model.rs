//! The language once more, in its simplest form: plain data, rendered to JSON for the crate
//! and judged here by definition. Shares no code with the crate.

use domain::{Access, Resource, Segment};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub struct Statement {
    pub allow: bool,
    pub not_resources: bool,
    pub resources: Vec<Vec<Pattern>>,
    pub not_actions: bool,
    pub actions: Vec<&'static str>,
}

#[derive(Clone, Debug)]
pub struct Pattern {
    kind: &'static str,
    name: &'static str,
    tags: Vec<&'static str>,
    critical: Option<&'static str>,
    view: Option<&'static str>,
}

pub fn to_json(policy: &[Statement]) -> Value {
    policy.iter().map(Statement::to_json).collect()
}

/// At least one access has an allow and no deny.
pub fn allows(policy: &[Statement], accesses: &[Access]) -> bool {
    accesses.iter().any(|access| {
        let matching =
            |allow: bool| policy.iter().any(|statement| statement.allow == allow && statement.matches(access));
        !matching(false) && matching(true)
    })
}

impl Statement {
    fn to_json(&self) -> Value {
        let resources: Vec<String> = self
            .resources
            .iter()
            .map(|patterns| patterns.iter().map(Pattern::text).collect::<Vec<_>>().join(":"))
            .collect();
        json!({
            "effect": if self.allow { "allow" } else { "deny" },
            (if self.not_resources { "notResources" } else { "resources" }): resources,
            (if self.not_actions { "notActions" } else { "actions" }): self.actions,
        })
    }

    fn matches(&self, access: &Access) -> bool {
        let resource = self.resources.iter().any(|patterns| covers(patterns, &access.resource.segments));
        let action = self.actions.iter().any(|pattern| glob(pattern, &access.action));
        resource != self.not_resources && action != self.not_actions
    }
}

impl Pattern {
    fn text(&self) -> String {
        let mut selectors: Vec<String> = self.tags.iter().map(ToString::to_string).collect();
        selectors.extend(self.critical.map(|value| format!("{{critical:{value}}}")));
        selectors.extend(self.view.map(|view| format!("view:{view}")));
        let mut text = if self.kind == "acct" { "acct".to_owned() } else { format!("{}/{}", self.kind, self.name) };
        if !selectors.is_empty() {
            text = format!("{text};{}", selectors.join(","));
        }
        text
    }

    fn covers(&self, segment: &Segment) -> bool {
        self.kind == segment.kind
            && (self.kind == "acct" || glob(self.name, &segment.name))
            && self.tags.iter().all(|pattern| segment.tags.iter().any(|tag| glob(pattern, tag)))
            && self.critical.is_none_or(|pattern| {
                segment.properties.iter().any(|(name, value)| name == "critical" && glob(pattern, value))
            })
            && self.view.is_none_or(|pattern| segment.views.iter().any(|view| glob(pattern, view)))
    }
}

fn covers(patterns: &[Pattern], segments: &[Segment]) -> bool {
    match (patterns, segments) {
        ([], []) => true,
        ([pattern, patterns @ ..], [segment, segments @ ..]) => pattern.covers(segment) && covers(patterns, segments),
        _ => false,
    }
}

fn glob(pattern: &str, text: &str) -> bool {
    if pattern.contains("${") {
        return false;
    }
    match pattern.chars().next() {
        None => text.is_empty(),
        Some('*') => glob(&pattern[1..], text) || (!text.is_empty() && glob(pattern, &text[1..])),
        Some(letter) => text.starts_with(letter) && glob(&pattern[1..], &text[1..]),
    }
}

pub fn policy() -> impl Strategy<Value = Vec<Statement>> {
    vec(statement(), 0..4)
}

pub fn accesses() -> impl Strategy<Value = Vec<Access>> {
    vec((select(vec!["updateOn", "updateTags", "createFlag"]), resource()), 0..4).prop_map(|accesses| {
        accesses.into_iter().map(|(action, resource)| Access { action: action.to_owned(), resource }).collect()
    })
}

fn statement() -> impl Strategy<Value = Statement> {
    let actions = vec(select(vec!["*", "update*", "updateOn", "*Flag", "createFlag", "up*T*"]), 1..3);
    (prop::bool::weighted(0.7), prop::bool::weighted(0.15), vec(specifier(), 1..4), prop::bool::weighted(0.2), actions)
        .prop_map(|(allow, not_resources, resources, not_actions, actions)| Statement {
            allow,
            not_resources,
            resources,
            not_actions,
            actions,
        })
}

// Few shapes and few names, so that patterns and resources meet often.
fn shape() -> impl Strategy<Value = Vec<&'static str>> {
    select(vec![vec!["acct"], vec!["proj"], vec!["proj", "env"], vec!["proj", "env", "flag"], vec!["proj", "flag"]])
}

fn specifier() -> impl Strategy<Value = Vec<Pattern>> {
    shape().prop_flat_map(|kinds| kinds.into_iter().map(pattern).collect::<Vec<_>>())
}

fn pattern(kind: &'static str) -> impl Strategy<Value = Pattern> {
    let name = select(vec!["*", "*", "*", "a", "ab", "a*", "*b", "*a*b", "${roleAttribute/x}"]);
    let tags = prop_oneof![3 => Just(Vec::new()), 1 => vec(select(vec!["x", "y", "x*", "*"]), 1..3)];
    let critical = prop::option::weighted(0.15, select(vec!["true", "false", "*", "t*"]));
    let view = prop::option::weighted(0.1, select(vec!["v", "v*", "*", "${roleAttribute/x}"]));
    (name, tags, critical, view).prop_map(move |(name, tags, critical, view)| Pattern {
        kind,
        name,
        tags,
        critical,
        view,
    })
}

fn resource() -> impl Strategy<Value = Resource> {
    shape()
        .prop_flat_map(|kinds| kinds.into_iter().map(segment).collect::<Vec<_>>())
        .prop_map(|segments| Resource { segments })
}

fn segment(kind: &'static str) -> impl Strategy<Value = Segment> {
    let name = select(vec!["a", "b", "ab", "aab"]);
    let tags = vec(select(vec!["x", "y", "xy"]), 0..3);
    let critical = prop::option::of(select(vec!["true", "false"]));
    let views = vec(select(vec!["v", "vw"]), 0..2);
    (name, tags, critical, views).prop_map(move |(name, tags, critical, views)| Segment {
        kind: kind.to_owned(),
        name: if kind == "acct" { String::new() } else { name.to_owned() },
        tags: tags.into_iter().map(str::to_owned).collect(),
        properties: critical.map(|value| ("critical".to_owned(), value.to_owned())).into_iter().collect(),
        views: views.into_iter().map(str::to_owned).collect(),
    })
}
