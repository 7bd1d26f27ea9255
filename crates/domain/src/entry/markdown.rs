//! The little Markdown that titles and details use, turned into plain text and HTML.
//!
//! Known: `* item` and `- item`, `## heading`, `> quote`, `` `code` ``, `~~old~~`, `**bold**`,
//! `[text](link)` and `\` before punctuation. Everything else is text, raw HTML included.
//! Each text is read in time that grows with its length only, whatever it holds.

/// Text with everything escaped that Markdown would read as markup.
pub(super) fn escape_markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if matches!(character, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '~' | '#' | '|') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// A name in code style; one that holds a backtick cannot be and is escaped text.
pub(super) fn code(text: &str) -> String {
    if text.contains('`') { escape_markdown(text) } else { format!("`{text}`") }
}

/// Text that is safe between tags and inside a quoted attribute.
pub(super) fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    push_html(text, &mut escaped);
    escaped
}

/// Markdown as plain text: one line per item, values in single quotes.
pub(super) fn plain(markdown: &str) -> String {
    let mut text = String::new();
    for line in markdown.lines().filter_map(Line::read) {
        if !text.is_empty() {
            text.push('\n');
        }
        if line.indented && line.kind != Kind::Item {
            text.push_str("  ");
        }
        inline(line.text, Form::Plain, NESTING_MAX, &mut text);
    }
    text
}

/// The markup inside one line as HTML.
pub(super) fn inline_html(markdown: &str) -> String {
    let mut html = String::new();
    inline(markdown, Form::Html, NESTING_MAX, &mut html);
    html
}

/// Markdown as HTML: lists, headings, quotes and paragraphs.
pub(super) fn html(markdown: &str) -> String {
    let mut html = String::new();
    let mut in_list = false;
    for line in markdown.lines().filter_map(Line::read) {
        if in_list && line.indented && line.kind != Kind::Item {
            html.push_str("<br/>");
            inline(line.text, Form::Html, NESTING_MAX, &mut html);
            continue;
        }
        match (in_list, line.kind == Kind::Item) {
            (true, true) => html.push_str("</li>"),
            (true, false) => html.push_str("</li></ul>"),
            _ => {}
        }
        if !html.is_empty() {
            html.push('\n');
        }
        if line.kind == Kind::Item && !in_list {
            html.push_str("<ul>");
        }
        in_list = line.kind == Kind::Item;
        let (open, close) = line.kind.tags();
        html.push_str(open);
        inline(line.text, Form::Html, NESTING_MAX, &mut html);
        html.push_str(close);
    }
    if in_list {
        html.push_str("</li></ul>");
    }
    html
}

/// Whether a link may be followed from a message: no `javascript:` and the like.
pub(super) fn is_safe_link(href: &str) -> bool {
    ["https://", "http://", "mailto:", "/"].iter().any(|start| href.starts_with(start))
}

// Markup inside markup beyond this is shown as written.
const NESTING_MAX: usize = 4;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Heading(u8),
    Item,
    Quote,
    Paragraph,
}

impl Kind {
    // The end of an item is written when the next line is known.
    const fn tags(self) -> (&'static str, &'static str) {
        match self {
            Self::Heading(1) => ("<h1>", "</h1>"),
            Self::Heading(2) => ("<h2>", "</h2>"),
            Self::Heading(_) => ("<h3>", "</h3>"),
            Self::Item => ("<li>", ""),
            Self::Quote => ("<blockquote>", "</blockquote>"),
            Self::Paragraph => ("<p>", "</p>"),
        }
    }
}

struct Line<'a> {
    kind: Kind,
    indented: bool,
    text: &'a str,
}

impl<'a> Line<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let text = line.trim();
        if text.is_empty() {
            return None;
        }
        let indented = line.starts_with([' ', '\t']);
        let line = |kind, text: &'a str| Some(Self { kind, indented, text: text.trim() });
        if let Some(item) = text.strip_prefix("* ").or_else(|| text.strip_prefix("- ")) {
            return line(Kind::Item, item);
        }
        if let Some(quote) = text.strip_prefix('>') {
            return line(Kind::Quote, quote);
        }
        let level = text.bytes().take_while(|byte| *byte == b'#').count();
        if (1..=6).contains(&level) && text[level..].starts_with(' ') {
            let level = if level < 3 { u8::try_from(level).unwrap_or(3) } else { 3 };
            return line(Kind::Heading(level), text.trim_matches('#'));
        }
        line(Kind::Paragraph, text)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Html,
}

// What one reading of a text has found to be missing from there to its end, so that a text of
// many openings without an end is not searched once per opening.
#[derive(Default)]
struct Missing {
    code: bool,
    strike: bool,
    bold: bool,
    link: bool,
}

fn inline(markdown: &str, form: Form, nesting: usize, out: &mut String) {
    let mut missing = Missing::default();
    let mut rest = markdown;
    while let Some(at) = rest.find(['\\', '`', '~', '*', '[']) {
        push(&rest[..at], form, out);
        rest = &rest[at..];
        rest = match markup(rest, form, nesting, &mut missing, out) {
            Some(after) => after,
            None => {
                // All five begin markup with one ASCII byte.
                push(&rest[..1], form, out);
                &rest[1..]
            }
        };
    }
    push(rest, form, out);
}

// Reads the markup at the start of the text and gives what follows it.
fn markup<'a>(text: &'a str, form: Form, nesting: usize, missing: &mut Missing, out: &mut String) -> Option<&'a str> {
    if let Some(escaped) = text.strip_prefix('\\') {
        let first = escaped.chars().next().filter(char::is_ascii_punctuation)?;
        push(&escaped[..first.len_utf8()], form, out);
        return Some(&escaped[first.len_utf8()..]);
    }
    if let Some(after) = text.strip_prefix('`') {
        let (code, after) = until(after, "`", &mut missing.code)?;
        surround(form, ("'", "'"), ("<code>", "</code>"), out, |out| push(code, form, out));
        return Some(after);
    }
    let nesting = nesting.checked_sub(1)?;
    if let Some(after) = text.strip_prefix("~~") {
        let (old, after) = until(after, "~~", &mut missing.strike)?;
        surround(form, ("", ""), ("<strike>", "</strike>"), out, |out| inline(old, form, nesting, out));
        return Some(after);
    }
    if let Some(after) = text.strip_prefix("**") {
        let (bold, after) = until(after, "**", &mut missing.bold)?;
        surround(form, ("", ""), ("<strong>", "</strong>"), out, |out| inline(bold, form, nesting, out));
        return Some(after);
    }
    let (label, after) = until(text.strip_prefix('[')?, "](", &mut missing.link)?;
    let (href, after) = until(after, ")", &mut missing.link)?;
    if form == Form::Html && is_safe_link(href) {
        out.push_str("<a href=\"");
        push_html(href, out);
        out.push_str("\">");
        inline(label, form, nesting, out);
        out.push_str("</a>");
    } else {
        inline(label, form, nesting, out);
    }
    Some(after)
}

fn until<'a>(text: &'a str, end: &str, missing: &mut bool) -> Option<(&'a str, &'a str)> {
    if *missing {
        return None;
    }
    let found = text.split_once(end);
    *missing = found.is_none();
    found
}

fn surround(form: Form, plain: (&str, &str), html: (&str, &str), out: &mut String, body: impl FnOnce(&mut String)) {
    let (open, close) = if form == Form::Html { html } else { plain };
    out.push_str(open);
    body(out);
    out.push_str(close);
}

fn push(text: &str, form: Form, out: &mut String) {
    match form {
        Form::Plain => out.push_str(text),
        Form::Html => push_html(text, out),
    }
}

fn push_html(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{code, escape_html, escape_markdown, html, inline_html, plain};

    #[test]
    fn details_become_plain_text_and_html() {
        for (markdown, text, page) in [
            ("", "", ""),
            (
                "* Changed the weight from ~~`10%`~~ to `25%`\n* Added tag `ops`\n",
                "Changed the weight from '10%' to '25%'\nAdded tag 'ops'",
                "<ul><li>Changed the weight from <strike><code>10%</code></strike> to <code>25%</code></li>\n\
                 <li>Added tag <code>ops</code></li></ul>",
            ),
            (
                "## Copied from Test ##\n\n* Added the rule\n    > **If** `email` is set\n\nclient\\-side",
                "Copied from Test\nAdded the rule\n  If 'email' is set\nclient-side",
                "<h2>Copied from Test</h2>\n<ul><li>Added the rule<br/><strong>If</strong> <code>email</code> is set</li></ul>\n\
                 <p>client-side</p>",
            ),
            ("> as said", "as said", "<blockquote>as said</blockquote>"),
        ] {
            assert_eq!(plain(markdown), text);
            assert_eq!(html(markdown), page);
        }
    }

    #[test]
    fn a_title_becomes_plain_text_and_html() {
        let title = "[Ada](mailto:ada@corp.test) turned on [Checkout](https://corp.test/?a=1&b=2) in `Production`";
        assert_eq!(plain(title), "Ada turned on Checkout in 'Production'");
        assert_eq!(
            inline_html(title),
            "<a href=\"mailto:ada@corp.test\">Ada</a> turned on \
             <a href=\"https://corp.test/?a=1&amp;b=2\">Checkout</a> in <code>Production</code>"
        );
    }

    #[test]
    fn hostile_text_stays_text() {
        for (markdown, page) in [
            ("<script>alert('x')</script>", "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"),
            ("[click](javascript:alert(1))", "click)"),
            ("[a](https://x.test/\"onclick=\"y)", "<a href=\"https://x.test/&quot;onclick=&quot;y\">a</a>"),
            ("`<b>`", "<code>&lt;b&gt;</code>"),
            ("open ` and ~~ and ** and [ stay", "open ` and ~~ and ** and [ stay"),
            ("ends in \\", "ends in \\"),
            ("\\é \\<", "\\é &lt;"),
        ] {
            assert_eq!(inline_html(markdown), page, "{markdown}");
        }
    }

    #[test]
    fn escaped_text_comes_back_as_it_was() {
        for text in ["a_b*c*[x](y)`z`~~", "# \\ | <i>&amp;", "häßlich-ops_kill"] {
            assert_eq!(plain(&escape_markdown(text)), text);
            assert_eq!(inline_html(&escape_markdown(text)), escape_html(text));
        }
        assert_eq!(code("prod"), "`prod`");
        assert_eq!(plain(&code("a`b")), "a`b");
    }

    #[test]
    fn a_long_row_of_openings_is_read_once() {
        for opening in ["[", "[a](", "**", "~~", "`", "\\", "~~`", "[`~~**"] {
            let hostile = opening.repeat(100_000);
            assert_ne!(html(&hostile), "");
        }
    }
}
