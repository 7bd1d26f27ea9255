//! The command line.

mod ingest;
mod integrations;
mod ledger;
mod source;

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use app::{AccountRetention, App, RetentionChange};
use clap::{Arg, ArgAction, ArgMatches, Command, builder::PathBufValueParser};

use crate::{
    control::{RetentionRequest, TokenRequest, TokenRole},
    logging, serve,
    settings::{self, Form, Group, KEYS, Key, LogLevel, ReadSettingsError, Settings},
};

const EXAMPLES: &str = "\
Examples:
  auditcast serve
  auditcast config check
  auditcast token create --ingest --name shop
  auditcast ingest entries.ndjson
  auditcast account retention default --days 2555";

const SERVE_EXAMPLES: &str = "\
Every setting can stand in auditcast.toml, in the environment (AUDITCAST_LISTEN) or here; the last wins.
docs/settings.md explains each.

Examples:
  auditcast serve
  auditcast serve --listen 0.0.0.0:8443 --tls-cert cert.pem --tls-key key.pem
  AUDITCAST_DATA_DIR=/var/lib/auditcast auditcast serve --log-format json";

const CONFIG_CHECK_EXAMPLES: &str = "\
Prints every mistake with its key, where it stands and what would be right, and looks whether the files that
the settings name can be used. Exits with 0 if there is none, else 2.

Examples:
  auditcast config check
  auditcast config check --config /etc/auditcast.toml";

const TOKEN_CREATE_EXAMPLES: &str = "\
Prints the token once; only a hash of it is stored. Works beside a running server and without one.

Examples:
  auditcast token create --name terraform
  auditcast token create --ingest --name shop --account default
  auditcast token create --operator --name provisioning";

const LEDGER_VERIFY_EXAMPLES: &str = "\
Matches the log again with the stored revisions of each subscription, deleted ones too, and compares with what the
ledger counts. Only reads, beside a running server or without one. Prints a line that begins with ok for each
ledger, or a line that begins with differs for each difference. Exits with 0 if there is none, else 1.

Examples:
  auditcast ledger verify
  auditcast ledger verify --account default
  auditcast ledger verify --subscription 66f0c0ffee00000000000001";

const ACCOUNT_RETENTION_EXAMPLES: &str = "\
Prints for how long the entries of an account are kept. With --days or --legal-hold it changes that first, which is
recorded in the account's log. Works beside a running server and without one.

Examples:
  auditcast account retention default
  auditcast account retention default --days 2555
  auditcast account retention default --days default --legal-hold on";

/// Exit code where the settings hold mistakes.
const EXIT_MISTAKES: u8 = 2;

/// Does what the command line of this process asks for.
pub fn run() -> ExitCode {
    let matches = command().get_matches();
    match matches.subcommand() {
        Some(("serve", given)) => with_settings(given, serve_command),
        Some(("config", config)) => match config.subcommand() {
            Some((_, given)) => with_settings(given, check_command),
            None => ExitCode::FAILURE,
        },
        Some(("integrations", given)) => integrations::run(given),
        Some(("ledger", ledger)) => match ledger.subcommand() {
            Some((_, given)) => with_settings(given, |settings| verify_command(settings, &verify_request(given))),
            None => ExitCode::FAILURE,
        },
        Some(("token", token)) => match token.subcommand() {
            Some((_, given)) => with_settings(given, |settings| token_command(settings, &token_request(given))),
            None => ExitCode::FAILURE,
        },
        Some(("source", source)) => match source.subcommand() {
            Some((command, given)) => {
                with_settings(given, |settings| source::run(settings, &source::request(command, given)))
            }
            None => ExitCode::FAILURE,
        },
        Some(("ingest", given)) => ingest::run(given),
        Some(("account", account)) => match account.subcommand() {
            Some((_, given)) => with_settings(given, |settings| retention_command(settings, &retention_request(given))),
            None => ExitCode::FAILURE,
        },
        _ => ExitCode::FAILURE,
    }
}

fn check_command(settings: &Settings) -> ExitCode {
    let mistakes = serve::check_files(settings);
    if mistakes.is_empty() {
        print("The settings are valid.\n");
        return ExitCode::SUCCESS;
    }
    for mistake in &mistakes {
        eprintln!("{mistake:#}");
    }
    ExitCode::from(EXIT_MISTAKES)
}

fn serve_command(settings: &Settings) -> ExitCode {
    logging::start(settings.log_format, settings.log_level);
    match serve::run(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn token_command(settings: &Settings, request: &TokenRequest) -> ExitCode {
    logging::start(settings.log_format, LogLevel::Error);
    match serve::create_token(settings, request) {
        Ok(token) => {
            print(&format!("{}\n", token.expose()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn verify_command(settings: &Settings, request: &ledger::Request) -> ExitCode {
    match ledger::verify(settings, request, print) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn verify_request(given: &ArgMatches) -> ledger::Request {
    let text = |name: &str| given.get_one::<String>(name).cloned();
    ledger::Request { account: text("account"), subscription: text("subscription") }
}

fn token_request(given: &ArgMatches) -> TokenRequest {
    let text = |name: &str| given.get_one::<String>(name).cloned().unwrap_or_default();
    let role = match (given.get_flag("ingest"), given.get_flag("operator")) {
        (_, true) => TokenRole::Operator,
        (true, false) => TokenRole::Ingest,
        (false, false) => TokenRole::Admin,
    };
    TokenRequest { account: text("account"), name: text("name"), role }
}

fn retention_command(settings: &Settings, request: &RetentionRequest) -> ExitCode {
    logging::start(settings.log_format, LogLevel::Error);
    match serve::account_retention(settings, request) {
        Ok(retention) => {
            print(&describe(&request.account, retention, settings));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn retention_request(given: &ArgMatches) -> RetentionRequest {
    let change = RetentionChange {
        days: given.get_one::<Option<u32>>("days").copied(),
        legal_hold: given.get_one::<bool>("legal_hold").copied(),
    };
    RetentionRequest { account: given.get_one::<String>("name").cloned().unwrap_or_default(), change }
}

fn describe(account: &str, retention: AccountRetention, settings: &Settings) -> String {
    let age = match retention.days {
        Some(days) => format!("{days} days, its own age"),
        None => format!("{} days, the age of all accounts", settings.entry_retention.as_secs() / 86_400),
    };
    let hold = if retention.legal_hold { "a legal hold stands: nothing leaves the log" } else { "no legal hold" };
    format!("{account}: entries are kept for {age}; {hold}\n")
}

/// A number of days, or `default` for none of its own.
fn parse_days(text: &str) -> Result<Option<u32>, String> {
    if text == "default" {
        return Ok(None);
    }
    let days = text.parse().ok().filter(|days| (1..=App::RETENTION_DAYS_MAX).contains(days));
    days.map(Some).ok_or_else(|| format!("must be 1 to {}, or default", App::RETENTION_DAYS_MAX))
}

fn parse_switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("must be on or off".to_owned()),
    }
}

/// To standard output; a reader that has gone away, such as `head`, is no mistake.
fn print(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

fn with_settings(given: &ArgMatches, act: impl Fn(&Settings) -> ExitCode) -> ExitCode {
    with_settings_in(given, "config", act)
}

/// The same where another argument than `--config` names the settings file.
fn with_settings_in(given: &ArgMatches, file: &str, act: impl Fn(&Settings) -> ExitCode) -> ExitCode {
    match settings::read(given.get_one::<PathBuf>(file).map(PathBuf::as_path), &flags(given)) {
        Ok(settings) => act(&settings),
        Err(error @ ReadSettingsError::Mistakes(_)) => {
            eprintln!("{error}");
            ExitCode::from(EXIT_MISTAKES)
        }
        Err(error @ ReadSettingsError::File { .. }) => {
            eprintln!("{:#}", anyhow::Error::from(error));
            ExitCode::from(EXIT_MISTAKES)
        }
    }
}

/// The settings given as flags, as `settings::parse` wants them named.
fn flags(given: &ArgMatches) -> BTreeMap<String, String> {
    let value = |key: &Key| Some((key.flag(), given.try_get_one::<String>(key.name).ok()??.clone()));
    KEYS.iter().filter_map(value).collect()
}

fn command() -> Command {
    Command::new("auditcast")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Streams audit logs to the tools that your customers use")
        .after_help(EXAMPLES)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(with_setting_flags(Command::new("serve").about("Serve until SIGTERM").after_help(SERVE_EXAMPLES)))
        .subcommand(Command::new("config").about("Look at the settings").subcommand_required(true).subcommand(
            with_setting_flags(Command::new("check").about("Check the settings").after_help(CONFIG_CHECK_EXAMPLES)),
        ))
        .subcommand(
            Command::new("token").about("Manage access tokens").subcommand_required(true).subcommand(
                with_setting_flags(
                    Command::new("create")
                        .about("Make an access token and print it")
                        .after_help(TOKEN_CREATE_EXAMPLES)
                        .arg(
                            Arg::new("ingest")
                                .long("ingest")
                                .action(ArgAction::SetTrue)
                                .help("A token that can do nothing but send entries; without it, an admin token"),
                        )
                        .arg(
                            Arg::new("operator")
                                .long("operator")
                                .conflicts_with("ingest")
                                .action(ArgAction::SetTrue)
                                .help(
                                    "A token that makes, lists, suspends and resumes accounts and sees nothing in them",
                                ),
                        )
                        .arg(
                            Arg::new("name")
                                .long("name")
                                .value_name("NAME")
                                .default_value("command line")
                                .help("What the token is called"),
                        )
                        .arg(
                            Arg::new("account")
                                .long("account")
                                .value_name("KEY")
                                .default_value("default")
                                .help("Whose token it is"),
                        ),
                ),
            ),
        )
        .subcommand(
            Command::new("ledger").about("Look at what became of each entry").subcommand_required(true).subcommand(
                with_setting_flags(
                    Command::new("verify")
                        .about("Check the ledgers against the log")
                        .after_help(LEDGER_VERIFY_EXAMPLES)
                        .arg(text_arg("subscription", "ID", "Only this subscription"))
                        .arg(text_arg("account", "KEY", "Only the subscriptions of this account")),
                ),
            ),
        )
        .subcommand(account_command())
        .subcommand(source::command())
        .subcommand(ingest::command())
        .subcommand(integrations::command())
}

fn text_arg(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

fn account_command() -> Command {
    let retention = Command::new("retention")
        .about("Say how long the entries of an account are kept, or change it")
        .after_help(ACCOUNT_RETENTION_EXAMPLES)
        .arg(Arg::new("name").value_name("NAME").required(true).help("Name of the account"))
        .arg(
            Arg::new("days")
                .long("days")
                .value_name("N|default")
                .value_parser(parse_days)
                .help("Days for which its entries are kept; default: as long as those of all"),
        )
        .arg(
            Arg::new("legal_hold")
                .long("legal-hold")
                .value_name("on|off")
                .value_parser(parse_switch)
                .help("Whether nothing leaves its log, whatever its age"),
        );
    Command::new("account").about("Manage accounts").subcommand_required(true).subcommand(with_setting_flags(retention))
}

fn with_setting_flags(command: Command) -> Command {
    let config = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(PathBufValueParser::new())
        .help("The settings file [default: auditcast.toml in the working directory, if it is there]");
    setting_flags(command.arg(config))
}

fn setting_flags(command: Command) -> Command {
    KEYS.iter().filter(|key| key.form != Form::Secret).map(setting_flag).fold(command, Command::arg)
}

fn setting_flag(key: &'static Key) -> Arg {
    let value = match key.form {
        Form::Text | Form::Secret => "TEXT",
        Form::Path => "PATH",
        Form::Number { .. } => "NUMBER",
        Form::List => "A,B",
    };
    let default = key.default.filter(|default| !default.is_empty());
    let default = default.map_or_else(String::new, |default| format!(" [default: {default}]"));
    Arg::new(key.name)
        .long(key.name.replace('_', "-"))
        .value_name(value)
        .help(format!("{}{default}", key.about))
        .help_heading("Settings")
        .hide_short_help(key.group != Group::Server)
}

#[cfg(test)]
mod tests {
    use super::{command, flags};

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn flags_reach_the_settings_under_their_own_names() {
        let given = ["auditcast", "serve", "--data-dir", "d", "--delivery-permits", "7"];
        let matches = command().try_get_matches_from(given).expect("parses");
        let (_, serve) = matches.subcommand().expect("serve");
        let expected = [("--data-dir".to_owned(), "d".to_owned()), ("--delivery-permits".to_owned(), "7".to_owned())];
        assert_eq!(flags(serve), expected.into());
    }

    #[test]
    fn files_that_the_settings_name_are_checked_with_them() {
        let missing = "/nonexistent/auditcast-test.pem";
        let file = format!(
            "tls_cert = {missing:?}\ntls_key = {missing:?}\nextra_ca = {missing:?}\nintegrations_dir = {missing:?}\nmaster_key_file = {missing:?}"
        );
        let settings = crate::settings::parse(&file, &std::collections::BTreeMap::new()).expect("valid in itself");
        let mistakes: Vec<String> =
            crate::serve::check_files(&settings).iter().map(|mistake| format!("{mistake:#}")).collect();
        for setting in ["tls_cert", "extra_ca", "integrations_dir", "master_key_file"] {
            let named = mistakes.iter().filter(|mistake| mistake.contains(setting) && mistake.contains(missing));
            assert_eq!(named.count(), 1, "{setting}: {mistakes:?}");
        }
    }

    #[test]
    fn days_and_switches_are_read_and_nothing_else() {
        use super::{parse_days, parse_switch};
        assert_eq!([parse_days("default"), parse_days("30")], [Ok(None), Ok(Some(30))]);
        assert!(["0", "36501", "-1", "x", ""].iter().all(|text| parse_days(text).is_err()));
        assert_eq!([parse_switch("on"), parse_switch("off")], [Ok(true), Ok(false)]);
        assert!(parse_switch("yes").is_err());
    }

    #[test]
    fn the_bootstrap_token_is_no_flag() {
        assert!(command().try_get_matches_from(["auditcast", "serve", "--bootstrap-token", "x"]).is_err());
    }

    #[test]
    fn every_command_shows_examples() {
        let commands = [
            &["serve"][..],
            &["config", "check"],
            &["token", "create"],
            &["ledger", "verify"],
            &["integrations", "list"],
            &["source", "create"],
            &["source", "list"],
            &["source", "delete"],
            &["ingest"],
            &["integrations", "check"],
            &["integrations", "new"],
            &["integrations", "preview"],
            &["integrations", "test"],
            &["integrations", "schema"],
            &[],
        ];
        for path in commands {
            let mut arguments = vec!["auditcast"];
            arguments.extend(path);
            arguments.push("--help");
            let help = command().try_get_matches_from(arguments).expect_err("help is printed").to_string();
            assert!(help.contains("Examples:\n  "), "{path:?}: {help}");
        }
    }
}
