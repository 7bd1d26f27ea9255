//! Says an action in words: `updateRules` of a flag is "updated the rules of the flag".

/// The words between the member and the target in a title.
///
/// `kind` is the audit kind, such as `flag` or `metric-group`. An action that does not hold
/// a verb known here is named as it is: "performed purge on the cache".
pub(super) fn title_verb(action: &str, kind: &str) -> String {
    let mut noun = words(kind);
    if noun.is_empty() {
        noun.push("resource".to_owned());
    }
    let noun_text = noun.join(" ");
    let mut words = words(action);
    let Some(past) = take_verb(&mut words) else {
        return format!("performed {action} on the {noun_text}");
    };
    // `updateAIConfig` names the kind `aiconfig`.
    if words.concat() == noun.concat() || words.is_empty() {
        return format!("{past} the {noun_text}");
    }
    if let Some(before) = words.strip_suffix(noun.as_slice()) {
        return match before.split_last() {
            Some((link, object)) if is_link(link) && !object.is_empty() => {
                format!("{past} the {} {link} the {noun_text}", object.join(" "))
            }
            _ => format!("{past} the {}", words.join(" ")),
        };
    }
    // `updateProjectName` of a project: the noun is said once, at the end.
    let object = words.strip_prefix(noun.as_slice()).unwrap_or(&words);
    match object {
        [on] if on == "on" => format!("{past} the on setting of the {noun_text}"),
        [object @ .., link] if is_link(link) && !object.is_empty() => {
            format!("{past} the {} {link} the {noun_text}", object.join(" "))
        }
        object => format!("{past} the {} of the {noun_text}", object.join(" ")),
    }
}

fn is_link(word: &str) -> bool {
    matches!(word, "to" | "from" | "in" | "with")
}

// The verb stands first (`createFlag`) or last (`flag.created`).
fn take_verb(words: &mut Vec<String>) -> Option<String> {
    let past = past_of(words.first()?);
    if past.is_some() {
        words.remove(0);
        return past;
    }
    let past = past_of(words.last()?);
    if past.is_some() {
        words.pop();
    }
    past
}

fn past_of(word: &str) -> Option<String> {
    let known = |(verb, past): &(&str, &str)| *verb == word || *past == word;
    if let Some((_, past)) = IRREGULAR.iter().find(|pair| known(pair)) {
        return Some((*past).to_owned());
    }
    REGULAR.iter().find_map(|verb| {
        let past = if verb.ends_with('e') { format!("{verb}d") } else { format!("{verb}ed") };
        (*verb == word || past == word).then_some(past)
    })
}

const REGULAR: &[&str] = &[
    "accept",
    "access",
    "activate",
    "add",
    "approve",
    "archive",
    "assign",
    "attach",
    "block",
    "bypass",
    "change",
    "clone",
    "close",
    "complete",
    "configure",
    "confirm",
    "connect",
    "convert",
    "create",
    "deactivate",
    "decline",
    "delete",
    "deploy",
    "deprecate",
    "detach",
    "disable",
    "disconnect",
    "download",
    "edit",
    "enable",
    "end",
    "export",
    "fail",
    "finish",
    "grant",
    "import",
    "install",
    "invite",
    "launch",
    "link",
    "lock",
    "manage",
    "merge",
    "move",
    "open",
    "pause",
    "promote",
    "publish",
    "purchase",
    "recover",
    "redeliver",
    "refund",
    "reject",
    "release",
    "remove",
    "rename",
    "renew",
    "reopen",
    "replace",
    "replay",
    "request",
    "resolve",
    "restart",
    "restore",
    "resume",
    "review",
    "revoke",
    "rotate",
    "schedule",
    "share",
    "sign",
    "start",
    "suspend",
    "transfer",
    "trigger",
    "unarchive",
    "unassign",
    "uninstall",
    "unlink",
    "unlock",
    "unpublish",
    "update",
    "upgrade",
    "upload",
    "validate",
    "view",
];

const IRREGULAR: &[(&str, &str)] = &[
    ("apply", "applied"),
    ("ban", "banned"),
    ("cancel", "cancelled"),
    ("copy", "copied"),
    ("deny", "denied"),
    ("drop", "dropped"),
    ("make", "made"),
    ("modify", "modified"),
    ("pay", "paid"),
    ("read", "read"),
    ("reset", "reset"),
    ("run", "ran"),
    ("send", "sent"),
    ("set", "set"),
    ("skip", "skipped"),
    ("stop", "stopped"),
    ("submit", "submitted"),
    ("verify", "verified"),
    ("void", "voided"),
    ("write", "wrote"),
];

// Splits `copyFlagConfigTo`, `updateAIConfig`, `flag.created` and `sdk-key` into lower-case words.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut characters = text.chars().peekable();
    let mut previous = ' ';
    while let Some(character) = characters.next() {
        let is_separator = matches!(character, '.' | '_' | '-' | ':');
        let next_is_lower = characters.peek().is_some_and(|next| next.is_lowercase());
        let begins = character.is_uppercase() && (!previous.is_uppercase() || next_is_lower);
        if is_separator || begins {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| !is_separator) {
            word.extend(character.to_lowercase());
        }
        previous = character;
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::title_verb;

    #[test]
    fn an_action_is_said_in_words() {
        for (action, kind, words) in [
            ("createFlag", "flag", "created the flag"),
            ("deleteEnvironment", "environment", "deleted the environment"),
            ("updateOn", "flag", "updated the on setting of the flag"),
            ("updateRules", "flag", "updated the rules of the flag"),
            ("updateProjectName", "project", "updated the name of the project"),
            ("updateFlagDefaultVariations", "flag", "updated the default variations of the flag"),
            ("copyFlagConfigTo", "flag", "copied the config to the flag"),
            ("addExperimentToHoldout", "holdout", "added the experiment to the holdout"),
            ("createAccessToken", "token", "created the access token"),
            ("createContextKind", "context-kind", "created the context kind"),
            ("updateAIConfig", "aiconfig", "updated the aiconfig"),
            (
                "resetRelayAutoConfiguration",
                "relay-proxy-config",
                "reset the relay auto configuration of the relay proxy config",
            ),
            ("revokeSessions", "account", "revoked the sessions of the account"),
            ("bypassRequiredApproval", "flag", "bypassed the required approval of the flag"),
            ("delete", "invoice", "deleted the invoice"),
            ("invoice.paid", "invoice", "paid the invoice"),
            ("user:password_reset", "user", "reset the password of the user"),
            ("create_api_key", "api-key", "created the api key"),
            ("purge", "cache", "performed purge on the cache"),
            ("X", "--", "performed X on the resource"),
        ] {
            assert_eq!(title_verb(action, kind), words, "{action} {kind}");
        }
    }
}
