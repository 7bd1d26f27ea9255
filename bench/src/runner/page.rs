//! The page that keeps the last run.

use std::{fs, path::Path};

use anyhow::Context;

use super::show;

const BEGIN: &str = "<!-- The figures of the last run begin. -->\n";
const END: &str = "<!-- The figures of the last run end. -->";

/// Replaces what stands between the markers of the page.
pub(super) fn update(file: &Path, figures: &str) -> anyhow::Result<()> {
    let page = fs::read_to_string(file).with_context(|| show(file))?;
    let page = replaced(&page, figures).with_context(|| format!("{} lacks the markers", show(file)))?;
    fs::write(file, page).with_context(|| show(file))
}

fn replaced(page: &str, figures: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{}\n\n{END}{after}", figures.trim()))
}

#[cfg(test)]
mod tests {
    use super::{BEGIN, END, replaced};

    #[test]
    fn only_what_stands_between_the_markers_changes() {
        let page = format!("# A\n{BEGIN}old{END}\nmore\n");
        let once = replaced(&page, "new\n").expect("has markers");
        assert_eq!(once, format!("# A\n{BEGIN}\nnew\n\n{END}\nmore\n"));
        assert_eq!(replaced(&once, "new").as_ref(), Some(&once));
        assert_eq!(replaced("# A\n", "new"), None);
    }
}
