//! Prints how long it takes to render the item of one entry of about 1.5 kB for each destination
//! that takes batches, what of it goes for the context, and what reading the entry takes. Run it
//! with `cargo run --release -p integrations --example item_speed [KEY]`.

use std::{hint::black_box, sync::Arc, time::Instant};

use domain::{AccountId, Entry, EntryId, Sequence, Timestamp};
use integrations::{Catalogue, Item};
use serde_json::{Map, Value, json};

const ENTRY: &str = include_str!("../../../bench/templates/entry.json");
const ROUNDS: u32 = 20_000;

#[expect(clippy::disallowed_methods, reason = "this measures real time, which no rule of the product depends on")]
fn measured(what: &str, mut work: impl FnMut()) {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        work();
    }
    println!("{:>8} ns {what}", start.elapsed().as_nanos() / u128::from(ROUNDS));
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let date = Timestamp::from_millis(1_790_000_000_000);
    let filled =
        ENTRY.replace("{id}", "66f0c0ffee0000000000a001").replace("{ms}", "1790000000000").replace("{seq}", "7");
    let (account, id) = (AccountId::parse("66f0c0ffee000000000000aa")?, EntryId::parse("66f0c0ffee0000000000a001")?);
    let bytes: Arc<[u8]> = filled.trim().as_bytes().into();
    let entry = Entry::new(account, Sequence(7), id, date, bytes);
    measured("facts", || {
        let entry =
            Entry::new(entry.account, entry.sequence, entry.id.clone(), entry.received_at, Arc::clone(&entry.bytes));
        black_box(entry.facts());
    });
    measured("whole context", || drop(black_box(entry.facts().context("https://audit.corp.test"))));

    let catalogue = Catalogue::builtin()?;
    let configs = [
        ("splunk", json!({"base-url": "https://splunk.corp.test:8088", "token": "t", "skip-ca-verification": false})),
        ("elastic", json!({"url": "https://elastic.corp.test", "token": "t", "index": "audit"})),
        ("datadog", json!({"apiKey": "t", "hostURL": "https://api.datadoghq.com"})),
        ("honeycomb", json!({"apiKey": "t", "datasetName": "audit"})),
    ];
    let asked = std::env::args().nth(1);
    for (key, config) in configs.into_iter().filter(|(key, _)| asked.as_deref().is_none_or(|asked| asked == *key)) {
        let Value::Object(config): Value = config else { continue };
        let integration = catalogue.get(key).ok_or("is not built in")?;
        let render =
            |config: &Map<String, Value>| integration.render_item(config, &entry, "https://audit.corp.test", date);
        match render(&config)? {
            Item::Body(item) => println!("{key}: {} bytes", item.body.len()),
            Item::Nothing(_) => return Err("nothing is sent".into()),
        }
        measured(key, || drop(black_box(render(&config))));
    }
    Ok(())
}
