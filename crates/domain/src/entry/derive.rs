//! What follows from an entry: its place, its names, its links and its title.

use serde_json::{Value, json};

use super::markdown::{code, escape_html, escape_markdown, html, inline_html, is_safe_link, plain};
use super::read::{Object, fill, is_given, object_in, text};
use super::{context::Wants, links, verb};
use crate::{Access, Segment};

/// Whether what is wanted may be derived from this member of the entry, or of an object in it,
/// beside those that [`super::EntryFacts`] has read.
pub(super) fn is_input(of: &str, name: &str, wants: Wants<'_>) -> bool {
    let has_links = || wants("", "title") && (wants("title", "markdown") || wants("title", "html"));
    match (of, name) {
        ("", "_links") | ("_links", "site") | ("target", "_links") => has_links(),
        ("", "description") => wants("", "details"),
        ("", _) => INPUTS.contains(&name),
        ("member", _) => MEMBER.contains(&name),
        ("project", _) => ["key", "name", "environment"].contains(&name),
        ("target", _) => ["_id", "name"].contains(&name),
        ("app" | "subject" | "token", _) => name == "name",
        ("title" | "details", _) => ["markdown", "plainText"].contains(&name),
        _ => false,
    }
}

const INPUTS: [&str; 11] =
    ["_origin", "app", "key", "member", "name", "project", "subject", "target", "titleVerb", "token", "verbKind"];

/// Whoever made the change has these.
const MEMBER: [&str; 5] = ["_id", "email", "firstName", "lastName", "displayName"];

/// A text in the three forms that templates may ask for; those that nobody wants are empty.
pub(super) struct Forms {
    pub(super) plain: String,
    pub(super) markdown: String,
    pub(super) html: String,
}

impl Forms {
    /// The object for templates; what was given in it stays.
    pub(super) fn complete(self, given: Option<&Object>) -> Value {
        let mut forms = given.cloned().unwrap_or_default();
        fill(&mut forms, "plainText", || self.plain.into());
        fill(&mut forms, "markdown", || self.markdown.into());
        fill(&mut forms, "html", || self.html.into());
        forms.into()
    }
}

/// The environment that an entry is about.
#[derive(Clone, Copy)]
enum Environment<'a> {
    Not,
    One { key: &'a str, segment: Option<&'a Segment> },
    All,
}

/// What is derived from one entry. Paths are relative when `base` is empty.
pub(super) struct Derived<'a> {
    root: &'a Object,
    id: &'a str,
    kind: &'a str,
    base: &'a str,
    wants: Wants<'a>,
    last: Option<&'a Segment>,
    action: &'a str,
    project: Option<&'a Segment>,
    project_key: &'a str,
    environment: Environment<'a>,
}

impl<'a> Derived<'a> {
    pub(super) fn new(
        root: &'a Object,
        id: &'a str,
        kind: &'a str,
        accesses: &'a [Access],
        base: &'a str,
        wants: Wants<'a>,
    ) -> Self {
        let first = accesses.first();
        let project = first.and_then(|access| access.resource.segment("proj"));
        let given = object_in(root, "project").and_then(|project| text(project, "key"));
        Self {
            root,
            id,
            kind,
            base: base.trim_end_matches('/'),
            wants,
            last: first.map(|access| access.resource.last()),
            action: text(root, "verbKind").or_else(|| first.map(|access| access.action.as_str())).unwrap_or_default(),
            project: project.filter(|project| given.is_none_or(|given| given == project.name)),
            project_key: given.or_else(|| project.map(|project| project.name.as_str())).unwrap_or_default(),
            environment: environment(root, accesses),
        }
    }

    /// The action that tells most.
    pub(super) fn verb_kind(&self) -> &'a str {
        self.action
    }

    pub(super) fn title_verb(&self) -> String {
        text(self.root, "titleVerb").map_or_else(|| verb::title_verb(self.action, self.kind), str::to_owned)
    }

    /// The key of the resource; webhooks and members have an id instead.
    pub(super) fn key(&self) -> Option<&'a str> {
        let derived = || self.last_name().filter(|_| !matches!(self.kind, "webhook" | "member"));
        text(self.root, "key").or_else(derived)
    }

    /// The tags of the resource; members have none.
    pub(super) fn tags(&self) -> Value {
        match self.last {
            _ if self.kind == "member" => Value::Null,
            Some(last) => json!(last.tags),
            None => json!([]),
        }
    }

    pub(super) fn name(&self) -> &'a str {
        self.own_name().unwrap_or(if self.kind == "account" { "account" } else { self.id })
    }

    /// Whether nothing but the entry's id could give it a name.
    pub(super) fn is_named_by_id(&self) -> bool {
        self.kind != "account" && self.own_name().is_none()
    }

    /// `project` with every part that templates ask for.
    pub(super) fn project(&self) -> Value {
        let mut project = object_in(self.root, "project").cloned().unwrap_or_default();
        let own_name = |kind| text(self.root, "name").filter(|_| self.kind == kind);
        let wanted = |name: &str| (self.wants)("project", name);
        if wanted("name") {
            fill(&mut project, "name", || own_name("project").unwrap_or(self.project_key).into());
        }
        if wanted("key") {
            fill(&mut project, "key", || self.project_key.into());
        }
        if wanted("tags") {
            fill(&mut project, "tags", || tags_of(self.project, self.project_key));
        }
        if wanted("environment") {
            let mut environment = object_in(&project, "environment").cloned().unwrap_or_default();
            let (name, key, tags) = match self.environment {
                Environment::Not => ("", "", Value::Null),
                Environment::All => ("All environments", "~", Value::Null),
                Environment::One { key, segment } => {
                    (own_name("environment").unwrap_or(key), key, tags_of(segment, key))
                }
            };
            fill(&mut environment, "name", || name.into());
            fill(&mut environment, "key", || key.into());
            fill(&mut environment, "tags", || tags);
            project.insert("environment".to_owned(), environment.into());
        }
        project.into()
    }

    /// `member` with every part that templates ask for, whoever made the change.
    pub(super) fn member(&self) -> Value {
        let mut member = object_in(self.root, "member").cloned().unwrap_or_default();
        let id = text(&member, "_id").map(str::to_owned);
        if (self.wants)("member", "_links") {
            let mut given_links = object_in(&member, "_links").cloned().unwrap_or_default();
            if let Some(path) = id.as_deref().and_then(|id| links::canonical("member", "", id)) {
                fill(&mut given_links, "parent", || links::api("/api/v2/members"));
                fill(&mut given_links, "self", || links::api(&path));
            }
            links::make_absolute(&mut given_links, self.base);
            member.insert("_links".to_owned(), given_links.into());
        }
        let email = self.actor_email();
        let mut complete = |name: &str, value: &dyn Fn() -> Value| {
            if (self.wants)("member", name) {
                fill(&mut member, name, value);
            }
        };
        for name in ["_id", "email", "firstName", "lastName"] {
            complete(name, &|| "".into());
        }
        complete("emailLocalPart", &|| email.rsplit_once('@').map_or(email, |(local, _)| local).into());
        complete("displayName", &|| self.actor().into());
        member.into()
    }

    /// `target` with name, id and links.
    pub(super) fn target(&self) -> Value {
        let mut target = object_in(self.root, "target").cloned().unwrap_or_default();
        if (self.wants)("target", "_links") {
            let mut target_links = object_in(&target, "_links").cloned().unwrap_or_default();
            self.fill_resource_links(&mut target_links);
            links::make_absolute(&mut target_links, self.base);
            target.insert("_links".to_owned(), target_links.into());
        }
        fill(&mut target, "name", || self.name().into());
        fill(&mut target, "_id", || self.last_name().unwrap_or_default().into());
        target.into()
    }

    /// The links of the entry, without `details`.
    pub(super) fn links(&self) -> Object {
        let mut entry_links = object_in(self.root, "_links").cloned().unwrap_or_default();
        self.fill_resource_links(&mut entry_links);
        if (self.wants)("_links", "parent") {
            fill(&mut entry_links, "parent", || links::api("/api/v2/auditlog"));
        }
        if (self.wants)("_links", "self") {
            fill(&mut entry_links, "self", || links::api(&links::entry(self.id)));
        }
        links::make_absolute(&mut entry_links, self.base);
        entry_links
    }

    /// The link to the page of the entry.
    pub(super) fn details_link(&self) -> Value {
        let environment = match self.environment {
            Environment::One { key, .. } => Some(key),
            Environment::Not | Environment::All => None,
        };
        links::page(&format!("{}{}", self.base, links::details(self.project_key, environment, self.id)))
    }

    /// The environment as `parent` of what was changed inside it.
    pub(super) fn parent(&self) -> Option<Value> {
        let Environment::One { key, .. } = self.environment else { return None };
        if self.kind == "environment" {
            return None;
        }
        let canonical = links::canonical("environment", self.project_key, key)?;
        Some(json!({
            "_links": {"canonical": links::api(&canonical)},
            "name": self.environment_name().unwrap_or(key),
            "resource": format!("proj/{}:env/{key}", self.project_key),
        }))
    }

    /// The title: given as Markdown, or composed of member, verb, target and environment.
    pub(super) fn title(&self) -> Forms {
        let markdown = match self.root.get("title") {
            Some(Value::String(title)) => Some(title.as_str()),
            Some(Value::Object(forms)) => text(forms, "markdown"),
            _ => None,
        };
        match markdown.filter(|markdown| !markdown.is_empty()) {
            Some(given) => Forms {
                plain: self.form("title", "plainText", || plain(given)),
                html: self.form("title", "html", || inline_html(given)),
                markdown: given.to_owned(),
            },
            None => self.composed_title(),
        }
    }

    /// What changed: given as `details` or `description`, in Markdown.
    pub(super) fn details(&self) -> Forms {
        let given = match self.root.get("details") {
            Some(Value::String(details)) => Some(details.clone()),
            Some(Value::Object(forms)) => {
                text(forms, "markdown").map(str::to_owned).or_else(|| text(forms, "plainText").map(escape_markdown))
            }
            _ => None,
        };
        let markdown = given
            .filter(|details| !details.is_empty())
            .or_else(|| text(self.root, "description").map(str::to_owned))
            .unwrap_or_default();
        Forms {
            plain: self.form("details", "plainText", || plain(&markdown)),
            html: self.form("details", "html", || html(&markdown)),
            markdown,
        }
    }

    fn form(&self, of: &str, name: &str, make: impl FnOnce() -> String) -> String {
        if (self.wants)(of, name) { make() } else { String::new() }
    }

    fn composed_title(&self) -> Forms {
        let (actor, email) = (flat(&self.actor()), self.actor_email());
        let verb = flat(&self.title_verb());
        let mail = (!email.is_empty()).then(|| format!("mailto:{email}"));
        let target = self.own_name().map(flat);
        let says_environment =
            !matches!(self.kind, "environment" | "project" | "segment") && !self.action.starts_with("copy");
        let environment = match self.environment {
            Environment::One { key, .. } if says_environment => Some(flat(self.environment_name().unwrap_or(key))),
            _ => None,
        };
        let plain = || {
            let target = target.iter().map(|target| format!(" {target}"));
            let place = environment.iter().map(|environment| format!(" in '{environment}'"));
            [format!("{actor} {verb}")].into_iter().chain(target).chain(place).collect()
        };
        // The forms with links.
        let linked = |link: Link, escape: fn(&str) -> String, code: fn(&str) -> String| {
            let site = target.as_ref().and_then(|_| self.site_of_target());
            let target = target.iter().map(|target| format!(" {}", link(target, site.as_deref())));
            let place = environment.iter().map(|environment| format!(" in {}", code(environment)));
            [format!("{} {}", link(&actor, mail.as_deref()), escape(&verb))]
                .into_iter()
                .chain(target)
                .chain(place)
                .collect()
        };
        Forms {
            plain: self.form("title", "plainText", plain),
            markdown: self.form("title", "markdown", || linked(linked_markdown, escape_markdown, code)),
            html: self.form("title", "html", || linked(linked_html, escape_html, code_html)),
        }
    }

    // What is deleted has no page any more.
    fn site_of_target(&self) -> Option<String> {
        if self.action.starts_with("delete") {
            return None;
        }
        let given = |object: Option<&'a Object>| {
            let site = object_in(object_in(object?, "_links")?, "site")?;
            text(site, "href").map(str::to_owned)
        };
        let site = given(object_in(self.root, "target")).or_else(|| given(Some(self.root))).or_else(|| self.site())?;
        is_safe_link(&site).then(|| if site.starts_with('/') { format!("{}{site}", self.base) } else { site })
    }

    fn fill_resource_links(&self, given: &mut Object) {
        let wanted = |name: &str| (self.wants)("_links", name);
        if let Some(path) = self.canonical().filter(|_| wanted("canonical")) {
            fill(given, "canonical", || links::api(&path));
        }
        if let Some(path) = self.site().filter(|_| wanted("site")) {
            fill(given, "site", || links::page(&path));
        }
    }

    fn canonical(&self) -> Option<String> {
        links::canonical(self.kind, self.project_key, self.address_name()?)
    }

    fn site(&self) -> Option<String> {
        let environment = match self.environment {
            Environment::One { key, .. } if !self.action.starts_with("copy") => key,
            _ => "~",
        };
        links::site(self.kind, self.project_key, environment, self.address_name()?)
    }

    // A member is named by the e-mail address in a resource and by the id in an address.
    fn address_name(&self) -> Option<&'a str> {
        let id = object_in(self.root, "target").and_then(|target| text(target, "_id"));
        id.filter(|_| matches!(self.kind, "member" | "webhook"))
            .or_else(|| text(self.root, "key"))
            .or_else(|| self.last_name())
    }

    fn own_name(&self) -> Option<&'a str> {
        let project = || object_in(self.root, "project").and_then(|project| text(project, "name"));
        text(self.root, "name")
            .or_else(|| object_in(self.root, "target").and_then(|target| text(target, "name")))
            .or_else(|| match self.kind {
                "project" => project(),
                "environment" => self.environment_name(),
                _ => None,
            })
            .or_else(|| self.key())
            .or_else(|| self.last_name())
    }

    fn last_name(&self) -> Option<&'a str> {
        self.last.map(|last| last.name.as_str()).filter(|name| !name.is_empty())
    }

    fn environment_name(&self) -> Option<&'a str> {
        text(object_in(object_in(self.root, "project")?, "environment")?, "name")
    }

    fn actor(&self) -> String {
        let member = object_in(self.root, "member");
        let named = |name| member.and_then(|member| text(member, name));
        if let Some(name) = named("displayName") {
            return name.to_owned();
        }
        if let (Some(first), Some(last)) = (named("firstName"), named("lastName")) {
            return format!("{first} {last}");
        }
        let other = |object| object_in(self.root, object).and_then(|object| text(object, "name"));
        named("firstName")
            .or_else(|| named("lastName"))
            .or_else(|| named("email"))
            .or_else(|| other("token"))
            .or_else(|| other("app"))
            .or_else(|| other("subject"))
            .or_else(|| named("_id"))
            .unwrap_or(if is_given(self.root, "_origin") { "System" } else { "Unknown" })
            .to_owned()
    }

    fn actor_email(&self) -> &'a str {
        object_in(self.root, "member").and_then(|member| text(member, "email")).unwrap_or_default()
    }
}

fn environment<'a>(root: &'a Object, accesses: &'a [Access]) -> Environment<'a> {
    let segments = || accesses.iter().filter_map(|access| access.resource.segment("env"));
    let given = object_in(root, "project")
        .and_then(|project| object_in(project, "environment"))
        .and_then(|environment| text(environment, "key"));
    let Some(key) = given.or_else(|| segments().next().map(|segment| segment.name.as_str())) else {
        return Environment::Not;
    };
    let spans = given.is_none() && segments().any(|segment| segment.name != key);
    if spans || matches!(key, "~" | "*") {
        return Environment::All;
    }
    Environment::One { key, segment: segments().find(|segment| segment.name == key) }
}

fn tags_of(segment: Option<&Segment>, key: &str) -> Value {
    match segment {
        Some(segment) => json!(segment.tags),
        None if key.is_empty() => Value::Null,
        None => json!([]),
    }
}

// A title is one line.
fn flat(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// A label that leads to an address, if there is one.
type Link = fn(&str, Option<&str>) -> String;

fn code_html(text: &str) -> String {
    format!("<code>{}</code>", escape_html(text))
}

fn linked_markdown(label: &str, href: Option<&str>) -> String {
    let label = escape_markdown(label);
    href.map_or_else(|| label.clone(), |href| format!("[{label}]({})", links::in_markdown(href)))
}

fn linked_html(label: &str, href: Option<&str>) -> String {
    let label = escape_html(label);
    href.map_or_else(
        || label.clone(),
        |href| format!("<a href=\"{}\">{label}</a>", escape_html(&links::in_markdown(href))),
    )
}
