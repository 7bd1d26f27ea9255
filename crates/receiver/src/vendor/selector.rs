//! Dynatrace entity selectors: <https://docs.dynatrace.com/docs/shortlink/api-entities-v2-selector>.

/// Checks that `selector` is a list of criteria `name(value)`, one of them `type` or `entityId`.
pub(super) fn check(selector: &str) -> Result<(), String> {
    let mut starts_set = false;
    for criterion in criteria(selector)? {
        let (name, rest) = criterion.split_once('(').ok_or_else(|| format!("{criterion:?} is no criterion"))?;
        let value = rest.strip_suffix(')').ok_or_else(|| format!("{criterion:?} is no criterion"))?;
        if value.trim().is_empty() || value.trim() == "\"\"" {
            return Err(format!("the criterion {name} has no value"));
        }
        let name = name.trim();
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_')) {
            return Err(format!("{name:?} is no name of a criterion"));
        }
        starts_set |= matches!(name, "type" | "entityId");
    }
    if starts_set { Ok(()) } else { Err("a selector needs type or entityId".to_owned()) }
}

/// Splits at the commas that stand outside quotes and parentheses.
fn criteria(selector: &str) -> Result<Vec<&str>, String> {
    let (mut depth, mut quoted, mut escaped, mut start) = (0_usize, false, false, 0);
    let mut parts = Vec::new();
    for (at, c) in selector.char_indices() {
        if escaped {
            escaped = false;
            continue;
        }
        match c {
            '~' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1).ok_or("a parenthesis closes that was not opened")?,
            ',' if depth == 0 => {
                parts.push(selector[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    if quoted || depth > 0 {
        return Err("a quote or parenthesis is not closed".to_owned());
    }
    parts.push(selector[start..].trim());
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn a_selector_is_read_by_criteria() {
        for right in [
            "type(HOST)",
            r#"type("SERVICE"),tag("a,b)","c")"#,
            "entityId(HOST-1, HOST-2)",
            r#"type(HOST),entityName.equals("x ~" y")"#,
        ] {
            assert_eq!(check(right), Ok(()), "{right}");
        }
        for wrong in
            ["", "tag()", "type()", "tag(a)", "HOST", "type(HOST),tag()", "type(HOST", "type(HOST))", r#"type("HOST)"#]
        {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }
}
