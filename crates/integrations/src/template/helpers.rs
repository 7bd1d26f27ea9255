//! The helpers that yield a value from texts and numbers.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Percent-encodes what may not stand in a URL, as `encodeURI` does.
pub(super) fn path_encode(text: &str) -> String {
    percent_encode(text, b"-_.!~*'();/?:@&=+$,#")
}

/// Percent-encodes what may not stand in one part of a URL, as `encodeURIComponent` does.
pub(super) fn query_encode(text: &str) -> String {
    percent_encode(text, b"-_.!~*'()")
}

fn percent_encode(text: &str, plain: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(HEX[usize::from(byte >> 4)]));
            encoded.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    encoded
}

/// The value of an `Authorization` header with a user name and a password (RFC 7617).
pub(super) fn basic_auth(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// The instant `millis` after 1970, moved by `offset_seconds`, in the form that `format` names.
/// `None` when there is no form of that name; empty when the instant is out of range.
pub(super) fn format_with_offset(millis: f64, offset_seconds: f64, format: &str) -> Option<String> {
    let moved = (millis + offset_seconds * 1000.0).trunc();
    // Instants past the range of a date become the ends of the integer range, which have no date.
    let moved = moved as i64;
    let date = |form: &str| match jiff::Timestamp::from_millisecond(moved) {
        Ok(instant) => instant.strftime(form).to_string(),
        Err(_) => String::new(),
    };
    Some(match format {
        "milliseconds" => moved.to_string(),
        "seconds" => moved.saturating_add(500).div_euclid(1000).to_string(),
        "rfc3339" => date("%Y-%m-%dT%H:%M:%S.%3fZ"),
        "simple" => date("%Y-%m-%d %-I:%M:%S"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{basic_auth, format_with_offset, path_encode, query_encode};

    #[test]
    fn path_encode_keeps_the_marks_of_a_url() {
        assert_eq!(path_encode("https://h/a b?c=d&e=%#é\""), "https://h/a%20b?c=d&e=%25#%C3%A9%22");
        assert_eq!(path_encode("[]<>^`{|}\\"), "%5B%5D%3C%3E%5E%60%7B%7C%7D%5C");
    }

    #[test]
    fn query_encode_encodes_the_marks_of_a_url() {
        assert_eq!(query_encode("a b&c=d/é?-_.!~*'()"), "a%20b%26c%3Dd%2F%C3%A9%3F-_.!~*'()");
    }

    #[test]
    fn basic_auth_is_that_of_rfc_7617() {
        assert_eq!(basic_auth("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }

    #[test]
    fn instants_are_moved_then_formatted() {
        let check = |millis, offset, format, expected| {
            assert_eq!(format_with_offset(millis, offset, format).as_deref(), expected, "{format}");
        };
        check(1_580_777_319_501.0, 0.0, "milliseconds", Some("1580777319501"));
        check(1_580_777_319_501.0, 60.0, "seconds", Some("1580777380"));
        check(1_580_777_319_501.0, -39.0, "rfc3339", Some("2020-02-04T00:48:00.501Z"));
        check(1_580_777_319_501.0, 0.0, "simple", Some("2020-02-04 12:48:39"));
        check(1_580_777_319_501.0, 50_000.0, "simple", Some("2020-02-04 2:41:59"));
        check(f64::INFINITY, 1.0, "rfc3339", Some(""));
        check(f64::NAN, f64::MIN, "simple", Some("1970-01-01 12:00:00"));
        check(0.0, 0.0, "iso", None);
    }
}
