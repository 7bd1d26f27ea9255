//! The reference page of the settings, made from the table of keys.

use super::keys::{Form, Group, KEYS, Key};

const HEAD: &str = "\
# Settings

This page is made from the table of keys in the source; `UPDATE_DOCS=1 cargo test -p auditcast` rewrites it.

A setting comes from one of three layers, the later winning:

1. the file `auditcast.toml` in the working directory, or the one given with `--config`: `listen = \"0.0.0.0:8080\"`
2. the environment: `AUDITCAST_LISTEN=0.0.0.0:8080`
3. the command line: `--listen 0.0.0.0:8080`

In the file, numbers stand without quotes and lists in brackets: `allow_destinations = [\"10.0.0.0/8\", \"::1\"]`.
In the other two layers, lists are separated by commas.

Unknown keys are mistakes, in the file and in the environment: no variable whose name begins with `AUDITCAST_` is
passed over. `auditcast config check` prints every mistake at once.

Units stand in the names. Where a value may be left out, its default is given as a dash.
";

/// The text of docs/settings.md.
pub fn page() -> String {
    let groups = [
        (Group::Server, "Server"),
        (Group::Http, "Connections of clients"),
        (Group::Ingest, "Ingest"),
        (Group::Delivery, "Delivery"),
    ];
    let mut page = HEAD.to_owned();
    for (group, title) in groups {
        page += &format!(
            "\n## {title}\n\n| key | environment | form | default | meaning |\n| --- | --- | --- | --- | --- |\n"
        );
        for key in KEYS.iter().filter(|key| key.group == group) {
            page += &row(key);
        }
    }
    page
}

fn row(key: &Key) -> String {
    let form = match key.form {
        Form::Text => "text".to_owned(),
        Form::Path => "path".to_owned(),
        Form::Secret => "text, not a flag".to_owned(),
        Form::List => "list".to_owned(),
        Form::Number { min, max } if max >= u64::MAX >> 1 => format!("number from {min}"),
        Form::Number { min, max } => format!("number {min} to {max}"),
    };
    let default = key.default.filter(|default| !default.is_empty());
    let default = default.map_or_else(|| "–".to_owned(), |default| format!("`{default}`"));
    format!("| `{}` | `{}` | {form} | {default} | {} |\n", key.name, key.environment(), key.about)
}
