//! The file that holds the master key.
//!
//! The key wraps the data keys of all accounts. Without it no configuration can be read,
//! so a key is made only for a data directory that holds nothing yet.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::MasterKey;
use zeroize::Zeroizing;

/// The name of the key file in the data directory, where no other is given.
pub const FILE_NAME: &str = "master.key";

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The file that the settings name does not exist.
    #[error("master_key_file {} does not exist; make one with: openssl rand -hex 32 > {path}", .0.display(), path = .0.display())]
    GivenIsMissing(PathBuf),
    /// The data directory holds data but no key any more.
    #[error("{} is missing, and the data beside it cannot be read without it; restore the key from its backup", .0.display())]
    Lost(PathBuf),
    /// The file holds something else.
    #[error("{} is not a master key: it must hold 32 bytes, or 64 hex digits, or the base64 form of 32 bytes", .0.display())]
    Malformed(PathBuf),
    /// The operating system gave no random bytes.
    #[error("the operating system gives no random bytes for a master key")]
    Random,
    /// The file cannot be read or written.
    #[error("master key file {} cannot be used", .path.display())]
    Io {
        /// The key file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

/// A master key and what the operator should hear about its file.
pub struct LoadedKey {
    /// The key.
    pub key: MasterKey,
    /// Whole sentences for the log; none of them holds the key.
    pub warnings: Vec<String>,
}

/// Reads the master key from `given`, or from the data directory, where it is made first
/// if the directory is `fresh`: without any data that an older key may have sealed.
///
/// # Errors
/// [`MasterKeyError`] says which file and what to do. Nothing is ever overwritten.
pub fn load(given: Option<&Path>, data_dir: &Path, fresh: bool) -> Result<LoadedKey, MasterKeyError> {
    let path = given.map_or_else(|| data_dir.join(FILE_NAME), Path::to_owned);
    match fs::read(&path) {
        Ok(content) => read(&path, &Zeroizing::new(content)),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(MasterKeyError::Io { path, source: error }),
        Err(_) if given.is_some() => Err(MasterKeyError::GivenIsMissing(path)),
        Err(_) if !fresh => Err(MasterKeyError::Lost(path)),
        Err(_) => make(&path),
    }
}

fn read(path: &Path, content: &[u8]) -> Result<LoadedKey, MasterKeyError> {
    let bytes = decode(content).ok_or_else(|| MasterKeyError::Malformed(path.to_owned()))?;
    let open = others_may_read(path).map_err(|source| MasterKeyError::Io { path: path.to_owned(), source })?;
    let warnings =
        open.then(|| format!("other users of this machine may read the master key; run: chmod 600 {}", path.display()));
    Ok(LoadedKey { key: MasterKey::from_bytes(*bytes), warnings: warnings.into_iter().collect() })
}

fn make(path: &Path) -> Result<LoadedKey, MasterKeyError> {
    let mut bytes = Zeroizing::new([0; MasterKey::BYTES]);
    SystemRandom::new().fill(bytes.as_mut_slice()).map_err(|_| MasterKeyError::Random)?;
    write_private(path, &bytes).map_err(|source| MasterKeyError::Io { path: path.to_owned(), source })?;
    let warning = format!(
        "made a master key in {}; move it out of the data directory (setting master_key_file) and back it up: \
         without it the stored configurations cannot be read",
        path.display()
    );
    Ok(LoadedKey { key: MasterKey::from_bytes(*bytes), warnings: vec![warning] })
}

/// The key is on disk before anything is sealed with it; a crash cannot part the two.
///
/// It gets its name only once it is whole: after a power cut there is a key or none, never half of one.
fn write_private(path: &Path, bytes: &[u8; MasterKey::BYTES]) -> io::Result<()> {
    let text = Zeroizing::new(bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}")) + "\n");
    let unfinished = path.with_extension("key.unfinished");
    let mut options = OpenOptions::new();
    // What an earlier start left of it is of no use.
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

fn decode(content: &[u8]) -> Option<Zeroizing<[u8; MasterKey::BYTES]>> {
    if let Ok(raw) = <[u8; MasterKey::BYTES]>::try_from(content) {
        return Some(Zeroizing::new(raw));
    }
    let text = std::str::from_utf8(content).ok()?.trim();
    let bytes = match text.len() {
        64 => Zeroizing::new(hex(text)?),
        _ => Zeroizing::new(STANDARD.decode(text).ok()?),
    };
    <[u8; MasterKey::BYTES]>::try_from(bytes.as_slice()).ok().map(Zeroizing::new)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    Some(digits?.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]).to_le_bytes()[0]).collect())
}

fn others_may_read(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o044 != 0)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, path::Path};

    use base64::{Engine, engine::general_purpose::STANDARD};
    use domain::MasterKey;

    use super::{FILE_NAME, MasterKeyError, load};

    fn fingerprint(given: Option<&Path>, data_dir: &Path, fresh: bool) -> Result<[u8; 8], MasterKeyError> {
        load(given, data_dir, fresh).map(|loaded| loaded.key.fingerprint())
    }

    #[test]
    fn a_fresh_data_directory_gets_a_private_key_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let made = load(None, directory.path(), true).expect("made");
        assert!(made.warnings[0].contains("back it up"), "{:?}", made.warnings);
        let path = directory.path().join(FILE_NAME);
        let mode = fs::metadata(&path).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{mode:o}");
        let again = load(None, directory.path(), false).expect("read");
        assert_eq!(again.key.fingerprint(), made.key.fingerprint());
        assert_eq!(again.warnings, Vec::<String>::new());
    }

    #[test]
    fn what_a_start_that_was_cut_off_left_of_a_key_is_not_in_the_way() {
        let directory = tempfile::tempdir().expect("a directory");
        let unfinished = directory.path().join("master.key.unfinished");
        fs::write(&unfinished, "ab".repeat(40)).expect("writes");
        load(None, directory.path(), true).expect("made");
        load(None, directory.path(), false).expect("read");
        assert!(!unfinished.exists());
    }

    #[test]
    fn two_made_keys_differ() {
        let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let (one, two) = (fingerprint(None, one.path(), true), fingerprint(None, two.path(), true));
        assert_ne!(one.expect("made"), two.expect("made"));
    }

    #[test]
    fn a_lost_key_is_not_replaced() {
        let directory = tempfile::tempdir().expect("a directory");
        let lost = fingerprint(None, directory.path(), false);
        assert!(matches!(lost, Err(MasterKeyError::Lost(_))), "{lost:?}");
        assert!(!directory.path().join(FILE_NAME).exists());
    }

    #[test]
    fn a_given_file_that_is_missing_is_an_error_even_at_first_start() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("elsewhere.key");
        let missing = fingerprint(Some(&path), directory.path(), true).expect_err("is missing");
        assert!(missing.to_string().contains("elsewhere.key"), "{missing}");
        assert!(!path.exists());
    }

    #[test]
    fn three_forms_of_the_same_key_are_the_same_key() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("key");
        let bytes: [u8; 32] = std::array::from_fn(|at| u8::try_from(at * 7).expect("below 256"));
        let hex = bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>() + "\n";
        let expected = MasterKey::from_bytes(bytes).fingerprint();
        for content in [bytes.to_vec(), hex.into_bytes(), STANDARD.encode(bytes).into_bytes()] {
            fs::write(&path, &content).expect("writes");
            assert_eq!(fingerprint(Some(&path), directory.path(), false).expect("reads"), expected);
        }
    }

    #[test]
    fn anything_else_is_refused_without_showing_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("key");
        for content in ["", "short", &"g".repeat(64), &"a".repeat(63), &STANDARD.encode([7; 31])] {
            fs::write(&path, content).expect("writes");
            let refused = fingerprint(Some(&path), directory.path(), false).expect_err("is no key");
            assert!(content.is_empty() || !refused.to_string().contains(content), "{refused}");
        }
    }

    #[test]
    fn a_key_that_others_may_read_is_warned_about() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("key");
        fs::write(&path, "ab".repeat(32)).expect("writes");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("chmod");
        let loaded = load(Some(&path), directory.path(), false).expect("reads");
        assert!(loaded.warnings[0].contains("chmod 600"), "{:?}", loaded.warnings);
    }
}
