//! Texts to values. Each error says what would be right; none repeats a secret.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use delivery::client::AllowedRange;
use domain::Secret;

use url::Url;

use super::{LogFormat, LogLevel, keys::Form};

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("{text:?} is not an address with a port, such as 127.0.0.1:8080 or [::]:8080"))
}

pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.contains('\0') { Err("holds a NUL character".to_owned()) } else { Ok(PathBuf::from(text)) }
}

pub(super) fn token(text: &str) -> Result<Secret, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(Secret::new(text.to_owned()))
    } else {
        Err("must be made of printable ASCII characters without spaces, since it travels in a header".to_owned())
    }
}

/// A base URL without the slash at its end.
pub(super) fn base_url(text: &str) -> Result<String, String> {
    let wanted = || format!("{text:?} is not a base URL, such as https://audit.example.com");
    let url = Url::parse(text).map_err(|_| wanted())?;
    let plain =
        url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    if plain && matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(url.as_str().trim_end_matches('/').to_owned())
    } else {
        Err(wanted())
    }
}

pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("{text:?} is not one of on, off")),
    }
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("{text:?} is not one of text, json")),
    }
}

pub(super) fn log_level(text: &str) -> Result<LogLevel, String> {
    [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace]
        .into_iter()
        .find(|level| level.as_str() == text)
        .ok_or_else(|| format!("{text:?} is not one of error, warn, info, debug, trace"))
}

pub(super) fn number(form: Form, text: &str) -> Result<u64, String> {
    let Form::Number { min, max } = form else { return Err("is not a number in the table of keys".to_owned()) };
    match text.parse() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        _ => Err(format!("{text:?} is not a whole number from {min} to {max}")),
    }
}

/// Ranges such as `10.0.0.0/8`, a bare address, or one with a port: `10.0.0.0/8:8088`.
pub(super) fn ranges(text: &str) -> Result<Vec<AllowedRange>, String> {
    all(items(text).map(|item| item.parse::<AllowedRange>().map_err(|error| format!("{item:?} {error}"))))
}

/// Pairs such as `api.example.com:443=127.0.0.1:9443`, by host in lower case and port.
pub(super) fn connect_to(text: &str) -> Result<BTreeMap<(String, u16), SocketAddr>, String> {
    let mut addresses = BTreeMap::new();
    for (name, address) in all(items(text).map(redirection))? {
        let before = addresses.insert(name.clone(), address);
        if before.is_some_and(|before| before != address) {
            return Err(format!("names {}:{} twice with different addresses", name.0, name.1));
        }
    }
    Ok(addresses)
}

fn redirection(item: &str) -> Result<((String, u16), SocketAddr), String> {
    let wanted = || format!("{item:?} is not host:port=address:port, such as api.example.com:443=127.0.0.1:9443");
    let (name, address) = item.split_once('=').ok_or_else(wanted)?;
    let (host, port) = name.trim().rsplit_once(':').ok_or_else(wanted)?;
    let port: u16 = port.parse().map_err(|_| wanted())?;
    let address: SocketAddr = address.trim().parse().map_err(|_| wanted())?;
    if host.is_empty() || host.contains(['/', '@', ' ']) {
        return Err(wanted());
    }
    Ok(((host.to_ascii_lowercase(), port), address))
}

/// Texts without blanks around them.
pub(super) fn texts(text: &str) -> Result<Vec<String>, String> {
    Ok(items(text).map(ToOwned::to_owned).collect())
}

/// All values, or every mistake.
fn all<T>(read: impl Iterator<Item = Result<T, String>>) -> Result<Vec<T>, String> {
    let (mut values, mut mistakes) = (Vec::new(), Vec::new());
    for item in read {
        match item {
            Ok(value) => values.push(value),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if mistakes.is_empty() { Ok(values) } else { Err(mistakes.join("; ")) }
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{connect_to, ranges};

    #[test]
    fn every_bad_item_of_a_list_is_named() {
        let mistakes = ranges("foo,10.0.0.0/8,bar,10.0.0.1/8").expect_err("three are wrong");
        assert!(["\"foo\"", "\"bar\"", "\"10.0.0.1/8\""].iter().all(|item| mistakes.contains(item)), "{mistakes}");
        let mistakes = connect_to("a=b,api.test:443=127.0.0.1:1,c").expect_err("two are wrong");
        assert!(mistakes.contains("\"a=b\"") && mistakes.contains("\"c\""), "{mistakes}");
    }
}
