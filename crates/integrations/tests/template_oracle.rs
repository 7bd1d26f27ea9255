//! Compares the template module with handlebars.js, byte for byte.
//!
//! Needs `node` and, once, `npm ci` in `tests/template_oracle`; without them these tests fail.

#[path = "template_oracle/generator.rs"]
mod generator;

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use integrations::{
    Catalogue, Item, samples,
    template::{Escape, HtmlEscape, JsonEscape, Limits, Template},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

#[derive(Serialize)]
struct Case {
    template: String,
    context: Value,
}

/// One rendering of the reference: its text or its error.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Text(String),
    Error(String),
}

#[derive(Deserialize)]
struct Reference {
    html: Outcome,
    json: Outcome,
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/template_oracle"))
}

fn reference(cases: &[Case]) -> Vec<Reference> {
    assert!(
        folder().join("node_modules/handlebars").is_dir(),
        "handlebars.js is not installed: run `npm ci` in {}",
        folder().display()
    );
    let mut node = Command::new("node")
        .arg("render.js")
        .current_dir(folder())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("these tests compare with handlebars.js and need `node` on the path");
    // The script reads all of its input before it writes, so the pipes cannot block each other.
    let input = serde_json::to_vec(cases).expect("cases are plain data");
    node.stdin.take().expect("the pipe was asked for").write_all(&input).expect("render.js reads its input");
    let output = node.wait_with_output().expect("render.js ends");
    assert!(output.status.success(), "render.js failed with {}", output.status);
    serde_json::from_slice(&output.stdout).expect("render.js prints one result per case")
}

/// What a template mentions of a context. Objects in lists are left as they are.
fn mentioned(template: &Template, of: &str, context: &Value) -> Value {
    let Value::Object(members) = context else { return context.clone() };
    let kept = members.iter().filter(|(name, _)| template.mentions(of, name));
    kept.map(|(name, member)| (name.clone(), mentioned(template, name, member))).collect()
}

/// Rendered over what it mentions, which must be all that it looks at.
fn ours(case: &Case, escape: &dyn Escape) -> Outcome {
    let rendered = Template::parse("case.hbs", &case.template)
        .and_then(|template| template.render(&mentioned(&template, "", &case.context), escape, &Limits::default()));
    match rendered {
        Ok(text) => Outcome::Text(text),
        Err(error) => Outcome::Error(error.to_string()),
    }
}

/// Whether both print the same text, or both refuse.
fn agree(one: &Outcome, two: &Outcome) -> bool {
    one == two || matches!((one, two), (Outcome::Error(_), Outcome::Error(_)))
}

/// Compares all cases and gives how many of them print a text.
fn check(cases: &[Case]) -> usize {
    let reference = reference(cases);
    assert_eq!(reference.len(), cases.len());
    let mut differences = Vec::new();
    for (case, reference) in cases.iter().zip(&reference) {
        let both: [(&str, &Outcome, &dyn Escape); 2] =
            [("html", &reference.html, &HtmlEscape), ("json", &reference.json, &JsonEscape)];
        for (mode, theirs, escape) in both {
            let ours = ours(case, escape);
            if !agree(&ours, theirs) {
                let Case { template, context } = case;
                differences
                    .push(format!("{mode} {template:?}\n  over   {context}\n  ours   {ours:?}\n  theirs {theirs:?}"));
            }
        }
    }
    let count = differences.len();
    differences.sort_by_key(String::len);
    differences.truncate(10);
    assert!(count == 0, "{count} differences, the shortest:\n{}", differences.join("\n"));
    reference.iter().filter(|reference| matches!(&reference.html, Outcome::Text(text) if !text.is_empty())).count()
}

fn file<T: for<'de> Deserialize<'de>>(name: &str) -> T {
    let text = std::fs::read_to_string(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[derive(Deserialize)]
struct Group {
    contexts: Vec<String>,
    templates: Vec<String>,
}

#[derive(Deserialize)]
struct Cases {
    contexts: BTreeMap<String, Value>,
    groups: Vec<Group>,
}

#[test]
fn every_item_of_the_language_renders_as_in_handlebars_js() {
    let Cases { contexts, groups } = file("cases.json");
    let mut cases = Vec::new();
    let mut templates = 0;
    for group in groups {
        templates += group.templates.len();
        for template in group.templates {
            cases.extend(group.contexts.iter().map(|name| {
                let context = contexts.get(name).unwrap_or_else(|| panic!("no context {name}")).clone();
                Case { template: template.clone(), context }
            }));
        }
    }
    assert!(templates >= 150, "only {templates} templates");
    check(&cases);
}

#[test]
fn payload_templates_render_as_in_handlebars_js() {
    let Cases { contexts, .. } = file("cases.json");
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(folder().join("payloads")).unwrap() {
        let template = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let events = contexts.iter().filter(|(name, _)| name.starts_with("event"));
        cases.extend(events.map(|(_, context)| Case { template: template.clone(), context: context.clone() }));
    }
    assert!(cases.len() >= 12, "only {} cases", cases.len());
    check(&cases);
}

#[test]
fn generated_templates_render_as_in_handlebars_js() {
    let mut dice = generator::Dice(0x5eed_0000_a0d1_7ca5);
    let context = generator::context();
    let cases: Vec<Case> =
        (0..4_000).map(|at| Case { template: dice.template(at % 3), context: context.clone() }).collect();
    let printed = check(&cases);
    assert!(printed > 2_500, "only {printed} of the generated templates print anything");
}

/// The whole way: what the folders beside this test send for ordinary entries of every kind.
#[test]
fn bodies_of_folders_are_those_of_handlebars_js() {
    let folders = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/folders"));
    let mut catalogue = Catalogue::default();
    assert_eq!(catalogue.load_dir(folders, &[]).unwrap(), []);
    let account = domain::AccountId::from_bytes([0xac; 12]);
    let now = domain::Timestamp::from_millis(1_790_000_000_123);
    let base_url = "https://audit.corp.test";
    let text = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    let (mut cases, mut bodies) = (Vec::new(), Vec::new());
    for integration in catalogue.iter().filter(|integration| integration.undeliverable().is_none()) {
        let folder = folders.join(integration.key());
        let manifest: Value = serde_json::from_str(&text(folder.join("manifest.json"))).unwrap();
        let templates = &manifest["capabilities"]["auditLogEventsHook"]["templates"];
        for case in std::fs::read_dir(folder.join("cases")).unwrap() {
            let case = case.unwrap().path();
            if case.ends_with("hostile") {
                continue;
            }
            let config: Map<String, Value> = serde_json::from_str(&text(case.join("config.json"))).unwrap();
            let ordinary = samples(account, now).into_iter().filter(|sample| !sample.name.contains("hostile"));
            for sample in ordinary {
                let facts = sample.entry.facts();
                let file = templates[facts.kind()].as_str().or(templates["default"].as_str());
                let Some(file) = file.filter(|_| facts.kind() != "validation") else { continue };
                let Item::Body(item) = integration.render_item(&config, &sample.entry, base_url, now).unwrap() else {
                    panic!("{} sends nothing for {}", integration.key(), sample.name);
                };
                let mut context = facts.context(base_url);
                context["formVariables"] = integration.values(&config).into();
                cases.push(Case { template: text(folder.join(file)), context });
                bodies.push((file.contains(".json"), String::from_utf8(item.body).unwrap()));
            }
        }
    }
    assert!(bodies.len() >= 60, "only {} bodies", bodies.len());
    for ((case, (is_json, body)), reference) in cases.iter().zip(&bodies).zip(reference(&cases)) {
        let Outcome::Text(theirs) = (if *is_json { reference.json } else { reference.html }) else {
            panic!("handlebars.js refuses {:?}", case.template);
        };
        // White space around JSON is left out.
        let theirs = if *is_json { theirs.trim() } else { &theirs };
        assert_eq!(body, theirs, "{:?} over {}", case.template, case.context);
    }
}

#[derive(Deserialize)]
struct Difference {
    reason: String,
    template: String,
    context: Value,
    theirs: Outcome,
    ours: Outcome,
}

/// What is different on purpose, with the reason beside it. Each is checked on both sides, so that
/// one which no longer holds is noticed.
#[test]
fn every_difference_is_known_and_still_there() {
    let differences: Vec<Difference> = file("differences.json");
    let cases: Vec<Case> = differences
        .iter()
        .map(|difference| Case { template: difference.template.clone(), context: difference.context.clone() })
        .collect();
    for ((difference, case), reference) in differences.iter().zip(&cases).zip(reference(&cases)) {
        let Difference { reason, template, theirs, ours: expected, .. } = difference;
        assert!(agree(&reference.html, theirs), "{reason}: {template:?} gives {:?} in handlebars.js", reference.html);
        let ours = ours(case, &HtmlEscape);
        match (&ours, expected) {
            (Outcome::Error(message), Outcome::Error(part)) => {
                assert!(message.contains(part), "{reason}: {template:?} fails with {message:?}");
            }
            _ => assert_eq!(&ours, expected, "{reason}: {template:?}"),
        }
        assert!(!agree(&ours, &reference.html), "{reason}: {template:?} no longer differs");
    }
}
