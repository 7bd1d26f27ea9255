//! `auditcast integrations new`.

use std::{fs, io, path::Path};

use super::subject;

const FILES: [(&str, &str); 2] = [
    ("manifest.json", include_str!("new/manifest.json")),
    ("templates/default.json.hbs", include_str!("new/default.json.hbs")),
];

/// Stands in these files for the name to show.
const NAME: &str = "NAME_TO_SHOW";

/// Makes the folder of an integration, and says what to do with it.
///
/// # Errors
/// Why it cannot be made; then nothing was.
pub(super) fn make(folder: &Path) -> Result<String, Vec<String>> {
    let shown = folder.display();
    let mistake = |reason: String| vec![format!("{shown}: {reason}")];
    let key = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if key.is_empty() || !key.bytes().all(is_plain) {
        return Err(mistake("a folder's name is the key: lower-case letters, digits and dashes".to_owned()));
    }
    if folder.exists() {
        return Err(mistake("is there already".to_owned()));
    }
    write(folder, &name(key)).map_err(|error| mistake(format!("cannot be made: {error}")))?;
    // Whatever is wrong here is a defect of the files above.
    subject::folder(folder)?;
    let files: Vec<_> = FILES.iter().map(|(file, _)| format!("  {}\n", folder.join(file).display())).collect();
    let shown = if folder.components().count() > 1 { shown.to_string() } else { format!("./{shown}") };
    Ok(format!(
        "Made\n{}Change them, and then:\n  auditcast integrations check {shown}\n  auditcast integrations preview {shown}\n  \
         auditcast integrations test {shown} --config FILE\nThe setting integrations_dir names the folder that holds such folders.\n",
        files.concat()
    ))
}

fn write(folder: &Path, name: &str) -> io::Result<()> {
    for (file, text) in FILES {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(path, text.replace(NAME, name))?;
    }
    Ok(())
}

/// The key with a capital letter, and blanks for dashes.
fn name(key: &str) -> String {
    let words = key.replace('-', " ");
    let mut letters = words.trim().chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or(words)
}
