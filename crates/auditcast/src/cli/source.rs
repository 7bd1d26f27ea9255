//! `auditcast source`: sources that send entries without a token.

use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command};

use super::{print, text_arg, with_setting_flags};
use crate::{
    control::{SourceAsked, SourceRequest, Sources},
    logging, serve,
    settings::{LogLevel, Settings},
};

const CREATE_EXAMPLES: &str = "\
Prints path and secret for a signed webhook of LaunchDarkly; the secret is shown this once. Works beside a running
server and without one. docs/ingest.md says how to set the webhook up.

Examples:
  auditcast source create --name 'Hosted account'
  auditcast source create --name 'Hosted account' --account acme";

const LIST_EXAMPLES: &str = "\
Prints id, time of creation and name of each source, the oldest first.

Examples:
  auditcast source list
  auditcast source list --account acme";

const DELETE_EXAMPLES: &str = "\
From then on nothing of the source is taken.

Examples:
  auditcast source delete 9d3cf8a1b2c4d5e6f7a8b9c0
  auditcast source delete 9d3cf8a1b2c4d5e6f7a8b9c0 --account acme";

pub(super) fn command() -> Command {
    let account = || text_arg("account", "KEY", "Whose sources they are").default_value("default");
    let create = Command::new("create")
        .about("Make a source and print its secret")
        .after_help(CREATE_EXAMPLES)
        .arg(text_arg("name", "NAME", "What the source is called").required(true));
    let list = Command::new("list").about("List the sources").after_help(LIST_EXAMPLES);
    let delete = Command::new("delete")
        .about("Delete a source")
        .after_help(DELETE_EXAMPLES)
        .arg(Arg::new("id").value_name("ID").required(true).help("The id of the source"));
    Command::new("source")
        .about("Manage sources of entries that sign instead of sending a token")
        .subcommand_required(true)
        .subcommands([create, list, delete].map(|command| with_setting_flags(command.arg(account()))))
}

/// What the command line asks for.
pub(super) fn request(command: &str, given: &ArgMatches) -> SourceRequest {
    let text = |name: &str| given.get_one::<String>(name).cloned().unwrap_or_default();
    let asked = match command {
        "create" => SourceAsked::Create(text("name")),
        "delete" => SourceAsked::Delete(text("id")),
        _ => SourceAsked::List,
    };
    SourceRequest { account: text("account"), asked }
}

/// Does it, and prints what came of it.
pub(super) fn run(settings: &Settings, request: &SourceRequest) -> ExitCode {
    logging::start(settings.log_format, LogLevel::Error);
    match serve::sources(settings, request) {
        Ok(sources) => {
            print(&describe(&sources));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn describe(Sources { sources, secret }: &Sources) -> String {
    match (sources.as_slice(), secret) {
        ([made], Some(secret)) => {
            format!("id      {}\npath    /ingest/launchdarkly/{}\nsecret  {}\n", made.id, made.id, secret.expose())
        }
        (listed, _) => {
            listed.iter().map(|one| format!("{}  {}  {}\n", one.id, one.created_at.rfc3339(), one.name)).collect()
        }
    }
}
