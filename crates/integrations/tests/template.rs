//! What the template module promises whatever a template and a context hold: an answer within
//! bounds, never a panic; and errors that say where.

use std::iter;

use integrations::template::{Escape, HtmlEscape, JsonEscape, Limits, Template, TemplateError, TemplateErrorKind};
use proptest::prelude::*;
use serde_json::{Value, json};

fn render(template: &str, context: &Value) -> Result<String, TemplateError> {
    render_within(template, context, &Limits::default())
}

fn render_within(template: &str, context: &Value, limits: &Limits) -> Result<String, TemplateError> {
    Template::parse("t.hbs", template)?.render(context, &HtmlEscape, limits)
}

fn kind(result: Result<String, TemplateError>) -> TemplateErrorKind {
    result.expect_err("this has to fail").kind
}

fn is_depth(result: Result<String, TemplateError>) -> bool {
    matches!(kind(result), TemplateErrorKind::Depth { limit: 64 })
}

#[test]
fn a_template_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Template>();
}

#[test]
fn limits_are_those_that_the_documentation_names() {
    let expected = Limits { output_bytes: 1_048_576, steps: 100_000, depth: 64 };
    assert_eq!(Limits::default(), expected);
    let page = include_str!("../../../docs/templates.md");
    for number in ["1 MiB", "100,000 steps", "64 levels"] {
        assert!(page.contains(number), "docs/templates.md does not say {number}");
    }
}

#[test]
fn errors_name_template_line_and_column() {
    let check = |template: &str, expected: &str| {
        let error = Template::parse("flag.json.hbs", template).unwrap_err();
        assert_eq!(error.to_string(), format!("template flag.json.hbs, {expected}"));
    };
    check("{\n  \"é\": {{> p}}\n}", "line 2, column 8: partials ({{> …}}) are not supported");
    check("a\n\nb {{#if x}}", "line 3, column 3: the block {{#if}} is not closed");
    check("{{#*inline \"p\"}}", "line 1, column 1: decorators ({{* …}}) are not supported");
    check("{{{{raw}}}}", "line 1, column 1: raw blocks ({{{{…}}}}) are not supported");
    check("x {{shout name}}", "line 1, column 3: there is no helper named \"shout\"");
    check("{{lookup (shout a) b}}", "line 1, column 10: there is no helper named \"shout\"");
    check("{{#if a}}{{/each}}", "line 1, column 10: {{/each}} closes the block {{#if}}");
    check("{{#if a b}}{{/if}}", "line 1, column 1: if takes 1 argument, not 2");
    check(
        "{\"a\":{{#if a}}{{{a}}}}",
        "line 1, column 19: four closing braces in a row: put a space between the tag and the brace after it",
    );
    check("{{a", "line 1, column 4: the tag is not closed");
    check("{{a ", "line 1, column 5: the tag is not closed");
    check("{{a.this}}", "line 1, column 3: \"a.this\" is no path: this comes first only");
}

#[test]
fn errors_of_rendering_name_the_tag_at_work() {
    let template = "{{#each a}}\n {{formatWithOffset 1 2 this}}\n{{/each}}";
    let error = render(template, &json!({"a": ["simple", "weekly"]})).unwrap_err();
    let expected = "template t.hbs, line 2, column 2: formatWithOffset knows milliseconds, seconds, rfc3339 or simple";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn an_escaper_sees_the_output_so_far_and_may_refuse() {
    struct Picky;
    impl Escape for Picky {
        fn push(&self, out: &mut String, value: &str, triple: bool) -> Result<(), String> {
            if value.contains('\n') {
                return Err("a header holds no line break".to_owned());
            }
            out.push_str(if out.ends_with('?') { "first:" } else { "later:" });
            out.push_str(value);
            out.push(if triple { '!' } else { '.' });
            Ok(())
        }
    }
    let template = Template::parse("url.hbs", "/?{{a}}&{{{a}}}{{missing}}{{b}}").unwrap();
    let limits = Limits::default();
    let render = |b: &str| template.render(&json!({"a": "1", "b": b}), &Picky, &limits);
    assert_eq!(render("2").unwrap(), "/?first:1.&later:1!later:2.");
    let error = render("2\n3").unwrap_err();
    assert_eq!(error.to_string(), "template url.hbs, line 1, column 27: a header holds no line break");
}

#[test]
fn json_escape_keeps_hostile_values_inside_their_string() {
    let template = Template::parse("t.json.hbs", r#"{"a":"{{{a}}}","b":"{{a}}"}"#).unwrap();
    let hostile = "\"}, \\ \u{0} \n </script> 'é😀 {{a}}";
    let body = template.render(&json!({ "a": hostile }), &JsonEscape, &Limits::default()).unwrap();
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["a"], hostile);
}

#[test]
fn values_of_the_context_are_never_read_as_templates() {
    assert_eq!(render("{{{a}}}", &json!({"a": "{{b}}", "b": "x"})).unwrap(), "{{b}}");
}

#[test]
fn whole_numbers_print_every_digit() {
    let context = json!({"max": u64::MAX, "min": i64::MIN, "large": 1.5e300, "small": 5e-324, "minus": -0.0});
    let printed = render("{{max}} {{min}} {{minus}} {{large.length}}{{small}}", &context).unwrap();
    assert!(printed.starts_with("18446744073709551615 -9223372036854775808 0 0.000"), "{printed}");
    assert!(printed.ends_with('5') && !printed.contains('e'), "{printed}");
}

#[test]
fn a_thousand_nested_blocks_are_refused() {
    for (open, close) in
        [("{{#if a}}", "{{/if}}"), ("{{#each a}}", "{{/each}}"), ("{{^a}}", "{{/a}}"), ("{{#a}}", "{{/a}}")]
    {
        assert!(is_depth(render(&format!("{}{}", open.repeat(1_000), close.repeat(1_000)), &json!({}))));
        assert!(is_depth(render(&open.repeat(1_000_000), &json!({}))));
    }
}

#[test]
fn sixty_four_nested_blocks_render() {
    let template = format!("{}x{}", "{{#if a}}".repeat(64), "{{/if}}".repeat(64));
    assert_eq!(render(&template, &json!({"a": 1})).unwrap(), "x");
    let limits = Limits { depth: 63, ..Limits::default() };
    assert_eq!(kind(render_within(&template, &json!({"a": 1}), &limits)), TemplateErrorKind::Depth { limit: 63 });
}

#[test]
fn a_long_chain_of_else_if_is_refused() {
    let chain = |length: usize| format!("{{{{#if a}}}}{}{{{{/if}}}}", "{{else if b}}x".repeat(length));
    assert_eq!(render(&chain(63), &json!({"b": 1})).unwrap(), "x");
    assert!(is_depth(render(&chain(64), &json!({"b": 1}))));
    assert!(is_depth(render(&chain(500_000), &json!({"b": 1}))));
}

#[test]
fn deep_subexpressions_are_refused() {
    let nest = |depth: usize| format!("{{{{log {}a{}}}}}", "(lookup a ".repeat(depth), ")".repeat(depth));
    assert_eq!(render(&nest(64), &json!({})).unwrap(), "");
    assert!(is_depth(render(&nest(65), &json!({}))));
    assert!(is_depth(render(&format!("{{{{log {}", "(lookup ".repeat(500_000)), &json!({}))));
}

#[test]
fn nested_loops_run_out_of_steps_or_room() {
    let context = json!({"a": vec![0; 10]});
    let loops = |body: &str| format!("{}{body}{}", "{{#each @root.a}}".repeat(30), "{{/each}}".repeat(30));
    assert_eq!(kind(render(&loops(""), &context)), TemplateErrorKind::Steps { limit: 100_000 });
    let limits = Limits { steps: u64::MAX, ..Limits::default() };
    let full = kind(render_within(&loops("xxxxxxxx"), &context, &limits));
    assert_eq!(full, TemplateErrorKind::Output { limit: 1 << 20 });
}

#[test]
fn output_may_be_as_long_as_the_limit_and_no_longer() {
    let limits = Limits { output_bytes: 10, ..Limits::default() };
    let within = |template: &str, value: &str| render_within(template, &json!({ "a": value }), &limits);
    assert_eq!(within("12345{{a}}", "67890").unwrap(), "1234567890");
    let full = TemplateErrorKind::Output { limit: 10 };
    assert_eq!(kind(within("12345{{a}}", "678901")), full);
    assert_eq!(kind(within("12345678901", "")), full);
    // Escaping makes the value longer than it was.
    assert_eq!(kind(within("12345{{a}}", "&&")), full);
}

#[test]
fn work_that_prints_nothing_costs_steps_by_its_size() {
    let long = "x".repeat(1 << 20);
    let context =
        json!({"s": long, "t": format!("{}y", &long[1..]), "a": vec![0; 1_000], "l": vec![0; 10_000], "one": [long]});
    for body in [
        "{{#if (pathEncode @root.s)}}{{/if}}",
        "{{#equal @root.s @root.t}}{{/equal}}",
        "{{#if @root.s.length}}{{/if}}",
        "{{#if @root.s.[1000000]}}{{/if}}",
        "{{#if (queryEncode @root.l)}}{{/if}}",
        "{{#if (lookup @root.a @root.l)}}{{/if}}",
        "{{#if (lookup @root.a @root.one)}}{{/if}}",
        "{{#if (formatWithOffset @root.s 0 \"simple\")}}{{/if}}",
        "{{#with @root.s}}{{#with @root.t}}{{/with}}{{/with}}",
    ] {
        let template = format!("{{{{#each a}}}}{body}{{{{/each}}}}");
        assert_eq!(kind(render(&template, &context)), TemplateErrorKind::Steps { limit: 100_000 }, "{body}");
    }
}

#[test]
fn huge_paths_are_read_and_paid_for() {
    let path = "a.".repeat(200_000) + "a";
    assert_eq!(kind(render(&format!("{{{{{path}}}}}"), &json!({}))), TemplateErrorKind::Steps { limit: 100_000 });
    let limits = Limits { steps: 1_000_000, ..Limits::default() };
    assert_eq!(render_within(&format!("{{{{{path}}}}}"), &json!({}), &limits).unwrap(), "");
    let up = "../".repeat(200_000) + "a";
    assert_eq!(render(&format!("{{{{#a}}}}{{{{{up}}}}}{{{{@{up}}}}}{{{{/a}}}}"), &json!({"a": {"b": 1}})).unwrap(), "");
}

#[test]
fn deeply_nested_arrays_print() {
    let deep = iter::successors(Some(json!("x")), |inner| Some(json!([inner.clone()]))).nth(120).unwrap();
    assert_eq!(render("{{this}}", &deep).unwrap(), "x");
}

#[test]
fn large_arrays_stop_at_the_limits() {
    let context = json!({"a": vec!["x"; 200_000], "b": vec!["x".repeat(1_000); 2_000]});
    assert_eq!(kind(render("{{a}}", &context)), TemplateErrorKind::Steps { limit: 100_000 });
    assert_eq!(kind(render("{{b}}", &context)), TemplateErrorKind::Output { limit: 1 << 20 });
}

#[test]
fn long_openings_are_refused_in_good_time() {
    let inputs =
        ["{{", "{{{", "{{\"", "{{[", "{{!", "{{!--", "{{a ", "{{as  ", "{{1.", "{{(", "{{a=", "\\{{", "{{#a as |"];
    for input in inputs {
        let _ = render(&input.repeat(100_000), &json!({}));
        let _ = render(&format!("{input}{}", " ".repeat(100_000)), &json!({}));
        let _ = render(&format!("{input}{}", "a.".repeat(100_000)), &json!({}));
        let _ = render(&format!("{input}{}", "1.1 ".repeat(50_000)), &json!({}));
    }
}

/// Pieces that make up templates, whole and broken.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{{",
        "}}",
        "{{{",
        "}}}",
        "{{#",
        "{{/",
        "{{^",
        "{{~",
        "~}}",
        "{{else}}",
        "{{else if ",
        "{{!",
        "{{!--",
        "--}}",
        "if",
        "each",
        "with",
        "lookup",
        "equal",
        "log",
        "pathEncode",
        "a",
        "b.c",
        "this",
        ".",
        "..",
        "../",
        "/",
        "@",
        "@index",
        "@root",
        "[",
        "]",
        "[0]",
        "(",
        ")",
        "\"",
        "'",
        "=",
        "|",
        "as |x y|",
        "x",
        " ",
        "\n",
        "\\",
        "\\{{",
        "1",
        "-2.5",
        "true",
        "null",
        "{{#if a}}",
        "{{/if}}",
        "{{#each a}}",
        "{{/each}}",
        "{{#a}}",
        "{{/a}}",
        "é",
        "\u{feff}",
        "\u{0}",
        "{{a}}",
        "{{> p}}",
        "{{{{",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let key = prop::sample::select(vec!["a", "b", "c", "x", "0", "length", "__proto__"]).prop_map(str::to_owned);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..5).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn check_bounds(template: &str, context: &Value) {
    let Ok(template) = Template::parse("random.hbs", template) else { return };
    let limits = Limits { output_bytes: 200, steps: 500, depth: 8 };
    for escape in [&HtmlEscape as &dyn Escape, &JsonEscape] {
        if let Ok(text) = template.render(context, escape, &limits) {
            assert!(text.len() <= limits.output_bytes);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pieces_of_templates_never_panic_and_stay_within_limits(template in pieces(), context in values()) {
        check_bounds(&template, &context);
    }

    #[test]
    fn random_text_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), context in values()) {
        check_bounds(&String::from_utf8_lossy(&bytes), &context);
    }

    #[test]
    fn text_without_braces_prints_as_it_is(text in "[^{\u{0}]{0,60}") {
        prop_assert_eq!(render(&text, &Value::Null).unwrap(), text);
    }
}
