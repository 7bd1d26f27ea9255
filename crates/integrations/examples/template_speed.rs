//! Prints how long one rendering takes: a template of about 1.3 kB with 20 variables and 10
//! blocks. Run it with `cargo run --release -p integrations --example template_speed`.

use std::{hint::black_box, time::Instant};

use integrations::template::{JsonEscape, Limits, Template};
use serde_json::json;

const TEMPLATE: &str = r#"{
  "title": "{{{title.plainText}}}",
  "text": "{{{details.markdown}}}{{#if comment}} Comment: {{{comment}}}{{/if}}",
  "at": {{timestamp.seconds}},
  "source": "{{{formVariables.source}}}",
  "level": "{{#equal formVariables.level "INFO"}}info{{else}}{{{formVariables.level}}}{{/equal}}",
  "tags": [{{#each tags}}"{{{this}}}"{{#unless @last}}, {{/unless}}{{/each}}],
  "who": {
    {{#if formVariables.hideMember}}
    "name": "hidden"
    {{else}}
    "name": "{{{member.displayName}}}",
    "email": "{{{member.email}}}"
    {{/if}}
  },
  "what": {"kind": "{{{kind}}}", "key": "{{{key}}}", "name": "{{{name}}}", "verb": "{{{titleVerb}}}"},
  {{#with project}}
  "project": {"key": "{{{key}}}", "name": "{{{name}}}"
    {{~#with environment}}, "environment": {"key": "{{{key}}}", "name": "{{{name}}}"}{{/with~}}
  },
  {{/with}}
  {{#if _links.site}}
  "link": "{{{_links.site.href}}}",
  {{/if}}
  {{#each customProperties}}
  "property:{{{@key}}}": "{{{name}}}: {{{values.[0]}}}",
  {{/each}}
  "note": "This event was written by the audit log of {{{project.name}}} and delivered as it happened. Older events can be delivered again from the log, so a receiver that stores them should use the id below to recognise an event that it has already seen.",
  "rfc3339": "{{{timestamp.rfc3339}}}",
  "id": "{{{_id}}}"
}
"#;

#[expect(clippy::disallowed_methods, reason = "this measures real time, which no rule of the product depends on")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let context = json!({
        "_id": "66f0c0ffee0000000000a001", "kind": "flag", "key": "checkout", "name": "Checkout",
        "titleVerb": "turned on the flag", "comment": "ticket OPS-12", "tags": ["payments", "eu"],
        "timestamp": {"seconds": 1_790_000_000, "rfc3339": "2026-09-21T14:13:20Z"},
        "title": {"plainText": "Ada Okoye turned on the flag Checkout in 'Production'"},
        "details": {"markdown": "* Turned on\n* Changed the default rule"},
        "member": {"displayName": "Ada Okoye", "email": "ada@corp.test"},
        "project": {"key": "shop", "name": "Shop", "environment": {"key": "production", "name": "Production"}},
        "_links": {"site": {"href": "https://audit.corp.test/shop/production/features/checkout"}},
        "customProperties": {"pager": {"name": "Pager", "values": ["service-7"]}},
        "formVariables": {"source": "audit", "level": "INFO", "hideMember": false},
    });
    let template = Template::parse("speed.json.hbs", TEMPLATE)?;
    let limits = Limits::default();
    let body = template.render(&context, &JsonEscape, &limits)?;
    serde_json::from_str::<serde_json::Value>(&body)?;

    const ROUNDS: u32 = 200_000;
    let start = Instant::now();
    for _ in 0..ROUNDS {
        black_box(template.render(black_box(&context), &JsonEscape, &limits)?);
    }
    let nanoseconds = start.elapsed().as_nanos() / u128::from(ROUNDS);
    println!("{nanoseconds} ns for each rendering of {} bytes into {}", TEMPLATE.len(), body.len());
    Ok(())
}
