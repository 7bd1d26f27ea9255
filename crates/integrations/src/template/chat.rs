//! Escaping for bodies whose texts a chat reads as its own markup.

use serde::Deserialize;

use super::escape::{Escape, push_json};

/// Whose markup the texts of a JSON body are.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum ChatMarkup {
    /// Slack's mrkdwn, in which `<…>` calls people and channels and makes links.
    Slack,
    /// Mattermost's Markdown, in which `@name` calls people and `![…](…)` loads an image.
    Mattermost,
}

/// For bodies in JSON that a chat shows: `{{x}}` is a text that the chat shows as it is, and that
/// can call nobody; `{{{x}}}` is escaped for a JSON string alone.
#[derive(Clone, Copy, Debug)]
pub struct ChatEscape(pub ChatMarkup);

/// Stands after an `@`, so that no name follows it; takes no room when shown.
const WORD_BREAK: char = '\u{200b}';

impl Escape for ChatEscape {
    fn push(&self, out: &mut String, value: &str, triple: bool) -> Result<(), String> {
        if triple {
            push_json(out, value, false);
            return Ok(());
        }
        let shown = match self.0 {
            // <https://docs.slack.dev/messaging/formatting-message-text>: these three and no others.
            ChatMarkup::Slack => value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
            ChatMarkup::Mattermost => mattermost(value),
        };
        push_json(out, &shown, false);
        Ok(())
    }
}

fn mattermost(value: &str) -> String {
    let mut shown = String::with_capacity(value.len());
    for character in value.chars() {
        if matches!(character, '\\' | '`' | '*' | '_' | '~' | '[' | ']' | '<' | '|') {
            shown.push('\\');
        }
        shown.push(character);
        if character == '@' {
            shown.push(WORD_BREAK);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::{ChatEscape, ChatMarkup, Escape};

    fn check(markup: ChatMarkup, value: &str, double: &str, triple: &str) {
        for (is_triple, expected) in [(false, double), (true, triple)] {
            let mut out = String::new();
            ChatEscape(markup).push(&mut out, value, is_triple).unwrap();
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn slack_is_told_the_three_entities_that_it_knows() {
        let value = "<!channel> & \"o'neil\" `=`\n";
        check(
            ChatMarkup::Slack,
            value,
            "&lt;!channel&gt; &amp; \\\"o'neil\\\" `=`\\n",
            "<!channel> & \\\"o'neil\\\" `=`\\n",
        );
    }

    #[test]
    fn mattermost_calls_nobody_and_loads_nothing() {
        check(
            ChatMarkup::Mattermost,
            "@all ![x](http://h) a_b \"q\"",
            "@\u{200b}all !\\\\[x\\\\](http://h) a\\\\_b \\\"q\\\"",
            "@all ![x](http://h) a_b \\\"q\\\"",
        );
    }
}
