//! `auditcast ingest`: the entries of a file, sent to a running server.

use std::{fs, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, bail};
use clap::{Arg, ArgMatches, Command, builder::PathBufValueParser, value_parser};
use domain::Secret;
use url::{Host, Url};

use super::{EXIT_MISTAKES, print};
use crate::{
    ingest::{self, Failure, Request, Sent},
    settings::CLIENT_VARIABLES,
};

/// Exit code where entries are wrong.
const EXIT_ENTRIES: u8 = 3;
/// Mistakes that are told one by one.
const MISTAKES_MAX: usize = 100;

const EXAMPLES: &str = "\
Sends the entries of a file, one JSON object a line, to a running server. Each batch is stored whole or not at all, in
the order of the file. What the server has already is reported as a duplicate, so after a failure the same command goes
on where it stopped: entries with an _id at any time, others within 24 hours if they come from a file that was not
changed since. From standard input, only entries with an _id can be told from new ones. 429, 503 and a broken
connection are waited out. docs/ingest.md says more.

Exits with 0 once everything is stored, 1 if the server cannot be reached or refuses, 2 for wrong options, 3 if entries
are wrong.

Examples:
  AUDITCAST_TOKEN=api-... auditcast ingest entries.ndjson --url https://audit.example.com
  zcat old.ndjson.gz | auditcast ingest - --token-file /run/secrets/auditcast";

pub(super) fn command() -> Command {
    let [url, token] = CLIENT_VARIABLES;
    Command::new("ingest")
        .about("Send the entries of a file to a running server")
        .after_help(EXAMPLES)
        .arg(Arg::new("file").value_name("FILE|-").required(true).help("A file of NDJSON; - for standard input"))
        .arg(
            Arg::new("url")
                .long("url")
                .value_name("URL")
                .env(url)
                .default_value("http://127.0.0.1:8080")
                .help("Address of the server"),
        )
        .arg(
            Arg::new("token_file")
                .long("token-file")
                .value_name("FILE")
                .value_parser(PathBufValueParser::new())
                .help("File that holds a token that may ingest"),
        )
        .arg(
            Arg::new("token")
                .long("token")
                .value_name("TOKEN")
                .env(token)
                .hide_env_values(true)
                .help("The token itself; better in the environment, since others on this machine see command lines"),
        )
        .arg(
            Arg::new("ca")
                .long("ca")
                .value_name("FILE")
                .value_parser(PathBufValueParser::new())
                .help("PEM file of further trusted roots"),
        )
        .arg(
            Arg::new("batch")
                .long("batch")
                .value_name("N")
                .value_parser(value_parser!(u32).range(1..=10_000))
                .default_value("1000")
                .help("Most entries of one request"),
        )
        .arg(
            Arg::new("patience")
                .long("patience-seconds")
                .value_name("N")
                .value_parser(value_parser!(u32))
                .default_value("300")
                .help("How long one batch is tried in all while the server takes nothing"),
        )
}

/// Does it, and tells what came of it.
pub(super) fn run(given: &ArgMatches) -> ExitCode {
    let request = match request(given) {
        Ok(request) => request,
        Err(error) => {
            eprintln!("{error:#}");
            return ExitCode::from(EXIT_MISTAKES);
        }
    };
    if is_open_to_others(&request.url) {
        eprintln!("warning: the token and the entries go unencrypted to {}; use https", request.url);
    }
    let (sent, result) = ingest::run(&request);
    print(&describe(sent));
    let Err(failure) = result else { return ExitCode::SUCCESS };
    let code = match &failure {
        Failure::Mistakes(mistakes) => {
            mistakes.iter().take(MISTAKES_MAX).for_each(|mistake| eprintln!("{mistake}"));
            ExitCode::from(EXIT_ENTRIES)
        }
        Failure::Stopped(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    };
    eprintln!("{}", where_it_stopped(sent));
    code
}

fn describe(sent: Sent) -> String {
    let Sent { accepted, duplicates, .. } = sent;
    format!("{accepted} stored, {duplicates} duplicates\n")
}

fn where_it_stopped(sent: Sent) -> String {
    match sent.line {
        0 => "Nothing was stored.".to_owned(),
        line => format!("Up to line {line} everything is stored; the same command goes on there."),
    }
}

fn request(given: &ArgMatches) -> anyhow::Result<Request> {
    let path = |name: &str| given.get_one::<PathBuf>(name).cloned();
    let text = |name: &str| given.get_one::<String>(name).map_or("", String::as_str);
    let number = |name: &str| given.get_one::<u32>(name).copied().unwrap_or(1);
    let url = Url::parse(text("url")).context("--url is no URL")?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() || url.query().is_some() {
        bail!("--url must be an address such as https://audit.example.com");
    }
    if !url.username().is_empty() || url.password().is_some() {
        // Not with the URL, for it is told in messages, and the password with it.
        bail!("--url must have no user name and no password; the token says who sends");
    }
    Ok(Request {
        file: Some(text("file")).filter(|file| *file != "-").map(PathBuf::from),
        url,
        token: token(path("token_file"), text("token"))?,
        ca: path("ca"),
        batch_entries: usize::try_from(number("batch")).unwrap_or(1),
        patience: Duration::from_secs(number("patience").into()),
    })
}

/// Whether the way to the server leaves this machine without encryption.
fn is_open_to_others(url: &Url) -> bool {
    let is_local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "http" && !is_local
}

/// That of the file, which was named on purpose, else the one of the environment.
fn token(file: Option<PathBuf>, given: &str) -> anyhow::Result<Secret> {
    let value = match file {
        Some(path) => {
            let read = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
            read.trim().to_owned()
        }
        None => given.trim().to_owned(),
    };
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        bail!("a token is needed: in the environment as {}, or with --token-file", CLIENT_VARIABLES[1]);
    }
    Ok(Secret::new(value))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use url::Url;

    use super::{command, is_open_to_others, request, token, where_it_stopped};
    use crate::ingest::Sent;

    fn read(arguments: &[&str]) -> anyhow::Result<crate::ingest::Request> {
        let all = ["ingest"].iter().chain(arguments);
        request(&command().try_get_matches_from(all)?)
    }

    #[test]
    fn options_are_read_and_wrong_ones_told() {
        let read_one = read(&["-", "--token", "t", "--url", "https://a.test/base/", "--batch", "7"]).unwrap();
        assert_eq!((read_one.file, read_one.batch_entries), (None, 7));
        assert_eq!((read_one.url.as_str(), read_one.patience), ("https://a.test/base/", Duration::from_secs(300)));
        for wrong in [
            &["f", "--token", "t", "--url", "ftp://a.test"][..],
            &["f", "--token", "t", "--url", "a.test:8080"],
            &["f", "--token", "t", "--url", "https://user@a.test"],
            &["f", "--token", "t", "--url", "https://:canary@a.test"],
            &["f", "--token", "a b"],
            &["f", "--token", "t", "--batch", "0"],
            &["f", "--token-file", "/nonexistent/token"],
            &["--token", "t"],
        ] {
            let Err(error) = read(wrong) else { panic!("{wrong:?} was taken") };
            assert!(!format!("{error:#}").contains("canary"), "{error:#}");
        }
    }

    #[test]
    fn only_what_leaves_the_machine_unencrypted_is_open_to_others() {
        let is_open = |url: &str| is_open_to_others(&Url::parse(url).unwrap());
        for url in ["http://a.test", "http://192.0.2.1:8080", "http://[2001:db8::1]", "http://localhost.a.test"] {
            assert!(is_open(url), "{url}");
        }
        for url in ["https://a.test", "http://localhost:8080", "http://127.0.0.2", "http://[::1]:8080"] {
            assert!(!is_open(url), "{url}");
        }
    }

    #[test]
    fn a_token_of_a_file_has_no_line_end_and_comes_first() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "api-1\n").unwrap();
        assert_eq!(token(Some(file.path().to_owned()), "other").unwrap().expose(), "api-1");
        assert_eq!(token(None, " api-2 ").unwrap().expose(), "api-2");
        assert!(token(None, "").unwrap_err().to_string().contains("AUDITCAST_TOKEN"));
    }

    #[test]
    fn it_is_told_where_it_stopped() {
        assert_eq!(where_it_stopped(Sent::default()), "Nothing was stored.");
        assert!(where_it_stopped(Sent { line: 9, ..Sent::default() }).starts_with("Up to line 9 "));
    }
}
