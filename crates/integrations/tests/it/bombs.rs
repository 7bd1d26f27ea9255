//! Templates and entries that are made to take for ever are stopped by the limits.

use integrations::template::{HtmlEscape, JsonEscape, Limits, Template, TemplateErrorKind};
use serde_json::{Value, json};

use crate::support::{config, entry, folder, item, manifest};

/// As large as an entry may be.
fn large() -> Value {
    json!({
        "text": "x".repeat(250_000),
        "quotes": "\"".repeat(250_000),
        "list": vec!["a"; 60_000],
        "nested": vec![vec!["a"; 100]; 500],
        "numbers": (0..30_000).collect::<Vec<i64>>(),
        "object": (0..15_000).map(|at| (format!("k{at}"), json!(at))).collect::<serde_json::Map<_, _>>(),
    })
}

/// Loops within loops, as deep as `depth`, around `body`.
fn loops(list: &str, depth: usize, body: &str) -> String {
    format!("{}{body}{}", format!("{{{{#each @root.{list}}}}}").repeat(depth), "{{/each}}".repeat(depth))
}

/// What each of these costs most of is another thing: output, text that is read and not printed,
/// joined lists, characters by number, dates, members, comparisons.
fn bombs() -> Vec<String> {
    let work = [
        "{{text}}",
        "{{{quotes}}}",
        "{{list}}",
        "{{{nested}}}",
        "{{#if (queryEncode @root.text)}}{{/if}}",
        "{{#if (pathEncode (queryEncode @root.quotes))}}{{/if}}",
        "{{#if (basicAuthHeaderValue @root.text @root.text)}}{{/if}}",
        "{{#if (queryEncode @root.list)}}{{/if}}",
        "{{#equal @root.text @root.text}}{{/equal}}",
        "{{#equal (queryEncode @root.text) (queryEncode @root.text)}}{{/equal}}",
        "{{#if (lookup @root.text 249999)}}{{/if}}",
        "{{#if @root.text.length}}{{/if}}",
        "{{#if (lookup @root.object @root.text)}}{{/if}}",
        "{{#if (formatWithOffset 1580777319501 @index \"simple\")}}{{/if}}",
        "{{#with @root.object}}{{#with ../this}}{{/with}}{{/with}}",
        "{{@root.object.k14999}}",
        "x",
        "",
    ];
    let mut bombs = Vec::new();
    for work in work {
        bombs.push(work.repeat(10_000));
        for list in ["list", "object"] {
            bombs.extend([1, 60].map(|depth| loops(list, depth, work)));
        }
    }
    bombs
}

#[test]
fn every_bomb_is_stopped_or_ends_within_its_limits() {
    let (context, limits) = (large(), Limits::default());
    let (mut stopped, mut ended) = (0, 0);
    for source in bombs() {
        let shown: String = source.chars().take(120).collect();
        let template = Template::parse("bomb.hbs", &source).unwrap_or_else(|error| panic!("{shown}: {error}"));
        match template.render(&context, &JsonEscape, &limits) {
            Ok(text) => {
                assert!(text.len() <= limits.output_bytes, "{shown}");
                ended += 1;
            }
            Err(error) => {
                let is_limit = matches!(error.kind, TemplateErrorKind::Steps { .. } | TemplateErrorKind::Output { .. });
                assert!(is_limit, "{shown}: {error}");
                stopped += 1;
            }
        }
    }
    assert!(stopped > 50 && ended > 0, "{stopped} {ended}");
}

#[test]
fn sources_that_are_made_to_take_for_ever_are_refused_or_read() {
    let many = 100_000;
    for (source, is_read) in [
        ("{{a}}".repeat(many), true),
        ("{{!-- a --}}".repeat(many), true),
        ("{{".repeat(many), false),
        ("}}".repeat(many), true),
        ("\\{{a}}".repeat(many), true),
        ("{{#if a}}".repeat(many), false),
        (format!("{{{{#if a}}}}{}{{{{/if}}}}", "{{else if a}}".repeat(many)), false),
        (format!("{{{{a{}}}}}", ".b".repeat(many)), true),
        (format!("{{{{{}a}}}}", "../".repeat(many)), true),
        (format!("{{{{lookup {}a{}}}}}", "(lookup a ".repeat(many), ")".repeat(many)), false),
        (format!("{}{{{{~a~}}}}{}", " ".repeat(many), "\n".repeat(many)), true),
        ("\n{{#if a}}\n{{/if}}\n".repeat(many / 10), true),
    ] {
        let shown: String = source.chars().take(40).collect();
        let read = Template::parse("bomb.hbs", &source);
        assert_eq!(read.is_ok(), is_read, "{shown}: {:?}", read.err());
        let rendered = read.ok().map(|template| template.render(&large(), &HtmlEscape, &Limits::default()));
        let is_limit = |kind: &TemplateErrorKind| {
            matches!(kind, TemplateErrorKind::Steps { .. } | TemplateErrorKind::Output { .. })
        };
        assert!(rendered.is_none_or(|made| made.map_or_else(|error| is_limit(&error.kind), |_| true)), "{shown}");
    }
}

#[test]
fn addresses_and_headers_of_an_entry_are_short() {
    let tags: Vec<String> = (0..30_000).map(|at| format!("t{at}")).collect();
    let entry = entry(&json!({ "action": "updateOn", "resource": "org/acme", "tags": tags }));
    let fails = |manifest: &Value| {
        let integration = folder(manifest, "{}");
        let error = item(&integration, &config(json!({})), &entry).expect_err("is too long");
        assert!(error.is_of_entry() && error.to_string().contains("longer than 32768 bytes"), "{error}");
    };
    fails(&manifest(&json!([]), "https://host.test/{{#each context.tags}}{{this}}{{/each}}"));
    let mut with_header = manifest(&json!([]), "https://host.test/");
    with_header["capabilities"]["auditLogEventsHook"]["endpoint"]["headers"] =
        json!([{ "name": "X-Tags", "value": "{{context.tags}}" }]);
    fails(&with_header);
}
