//! `auditcast integrations`: what operators and the authors of integrations need.

mod example;
mod list;
mod new;
mod subject;
mod trial;

use std::{path::PathBuf, process::ExitCode};

use clap::{Arg, ArgMatches, Command, builder::PathBufValueParser};
use integrations::MANIFEST_SCHEMA;

use super::{EXIT_MISTAKES, print, setting_flags, with_setting_flags, with_settings, with_settings_in};
use crate::settings::Settings;
use example::Example;

const NEW_EXAMPLES: &str = "\
Makes a folder with a manifest and a template that pass the check, to be changed until they fit the destination. The
folder's name is the key of the integration: lower-case letters, digits and dashes.

Examples:
  auditcast integrations new acme-siem
  auditcast integrations new ./my-integrations/acme-siem";

const CHECK_EXAMPLES: &str = "\
Checks folders as a server does that loads them: manifest, default policy, templates, and what they render for
samples of every kind of entry. Prints every mistake with file, place and line. Exits with 0 if there is none, else 2.

Examples:
  auditcast integrations check ./my-integrations/acme-siem
  auditcast integrations check ./my-integrations/*";

const LIST_EXAMPLES: &str = "\
Prints key, name and form variables of each integration, the built-in ones and those of integrations_dir.

Examples:
  auditcast integrations list
  auditcast integrations list --integrations-dir ./my-integrations";

const SCHEMA_EXAMPLES: &str = "\
Prints the JSON Schema of manifests, by which editors check and complete them.

Examples:
  auditcast integrations schema > manifest.schema.json";

const PREVIEW_EXAMPLES: &str = "\
Prints the request that would be sent for an entry, with secrets masked, and sends nothing. Without --entry it is an
update of a flag that nobody sent, without --config a config of sample values. Warnings go to standard error. Exits with
0 unless the config, the entry or the folder has a mistake: then with 2, and all of them are printed.

Examples:
  auditcast integrations preview ./my-integrations/acme-siem
  auditcast integrations preview splunk --config splunk.json --entry entry.json";

const TEST_EXAMPLES: &str = "\
Sends one request now, the test message of the integration or an entry of yours, and prints what came back. No server
and no database is needed, and no ledger knows of it. All addresses are open, private ones too, since nobody but who
may start this program chooses them. Exits with 0 if the destination accepted it, with 1 if not, and with 2 if nothing
was sent.

Examples:
  auditcast integrations test ./my-integrations/acme-siem --config acme.json
  auditcast integrations test datadog --config datadog.json --entry entry.json
  auditcast integrations test splunk --config splunk.json --extra-ca lab-ca.pem";

/// Does what the command line asks for.
pub(super) fn run(given: &ArgMatches) -> ExitCode {
    match given.subcommand() {
        Some(("new", given)) => report(new::make(&path(given, "folder"))),
        Some(("check", given)) => check(given),
        Some(("schema", _)) => {
            print(MANIFEST_SCHEMA);
            ExitCode::SUCCESS
        }
        Some(("preview", given)) => with_settings_in(given, SETTINGS_FILE, |settings| {
            report(Example::read(settings, &asked(given)).and_then(|example| example.preview(settings)))
        }),
        Some(("test", given)) => with_settings_in(given, SETTINGS_FILE, |settings| test(settings, &asked(given))),
        Some((_, given)) => with_settings(given, list),
        None => ExitCode::FAILURE,
    }
}

/// What is to be rendered.
struct Asked {
    /// A folder, or a key.
    integration: PathBuf,
    config: Option<PathBuf>,
    entry: Option<PathBuf>,
}

fn asked(given: &ArgMatches) -> Asked {
    let optional = |name: &str| given.get_one::<PathBuf>(name).cloned();
    Asked { integration: path(given, "integration"), config: optional("config"), entry: optional("entry") }
}

fn path(given: &ArgMatches, name: &str) -> PathBuf {
    given.get_one::<PathBuf>(name).cloned().unwrap_or_default()
}

/// Prints what was made, or every mistake.
fn report(made: Result<String, Vec<String>>) -> ExitCode {
    match made {
        Ok(text) => {
            print(&text);
            ExitCode::SUCCESS
        }
        Err(mistakes) => {
            mistakes.iter().for_each(|mistake| eprintln!("{mistake}"));
            ExitCode::from(EXIT_MISTAKES)
        }
    }
}

fn check(given: &ArgMatches) -> ExitCode {
    let folders = given.get_many::<PathBuf>("folder").into_iter().flatten();
    let mut mistakes = Vec::new();
    for folder in folders {
        match subject::folder(folder) {
            Ok(integration) => print(&list::describe(&integration)),
            Err(found) => mistakes.extend(found),
        }
    }
    report(if mistakes.is_empty() { Ok(String::new()) } else { Err(mistakes) })
}

fn list(settings: &Settings) -> ExitCode {
    match list::integrations(settings) {
        Ok((text, problems)) => {
            print(&text);
            problems.iter().for_each(|problem| eprintln!("left out: {problem}"));
            if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn test(settings: &Settings, asked: &Asked) -> ExitCode {
    match Example::read(settings, asked).and_then(|example| trial::send(settings, &example)) {
        Ok((text, is_accepted)) => {
            print(&text);
            if is_accepted { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(mistakes) => report(Err(mistakes)),
    }
}

/// The settings file, where `--config` is the config of a subscription.
const SETTINGS_FILE: &str = "settings";

pub(super) fn command() -> Command {
    let folder = |help: &'static str| {
        Arg::new("folder").value_name("DIR").value_parser(PathBufValueParser::new()).required(true).help(help)
    };
    let new = Command::new("new").about("Make the folder of a new integration").after_help(NEW_EXAMPLES);
    let check = Command::new("check").about("Check folders of integrations").after_help(CHECK_EXAMPLES);
    let list = Command::new("list").about("List the integrations").after_help(LIST_EXAMPLES);
    let preview = Command::new("preview").about("Show what would be sent for an entry").after_help(PREVIEW_EXAMPLES);
    let test = Command::new("test").about("Send one request and show what comes back").after_help(TEST_EXAMPLES);
    Command::new("integrations")
        .about("List integrations, and make, check and try out one's own")
        .subcommand_required(true)
        .subcommand(with_setting_flags(list))
        .subcommand(new.arg(folder("The folder to make; its name is the key")))
        .subcommand(check.arg(folder("A folder with a manifest.json; its name is the key").num_args(1..)))
        .subcommand(Command::new("schema").about("Print the JSON Schema of manifests").after_help(SCHEMA_EXAMPLES))
        .subcommand(with_example(preview, false))
        .subcommand(with_example(test, true))
}

fn with_example(command: Command, needs_config: bool) -> Command {
    let file = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("FILE").value_parser(PathBufValueParser::new()).help(help)
    };
    let integration = Arg::new("integration")
        .value_name("NAME")
        .value_parser(PathBufValueParser::new())
        .required(true)
        .help("A folder with a manifest.json, or the key of an integration that the server knows");
    setting_flags(command)
        .arg(integration)
        .arg(file("config", "The config of a subscription, a JSON object").required(needs_config))
        .arg(file("entry", "An entry, a JSON object"))
        .arg(file(SETTINGS_FILE, "The settings file [default: auditcast.toml in the working directory]"))
}

#[cfg(test)]
mod tests;
