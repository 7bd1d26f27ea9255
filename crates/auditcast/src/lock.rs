//! One server for one data directory.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process,
};

/// The name of the lock file in the data directory.
pub const FILE_NAME: &str = "auditcast.lock";

/// The right to use a data directory; given back when it is dropped or the process ends.
///
/// The lock is the operating system's, on an open file: it cannot outlive a killed process,
/// and the file itself stays where it is, for removing it would let two processes lock two files.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("the data directory {} is in use by another auditcast{}; stop that one first, or choose another data_dir", .directory.display(), holder_text(*.holder))]
    Taken {
        /// The data directory.
        directory: PathBuf,
        /// The process id that the holder wrote down, if it could be read.
        holder: Option<u32>,
    },
    /// It cannot be made, opened or locked.
    #[error("the data directory {} cannot be used", .directory.display())]
    Io {
        /// The data directory.
        directory: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

impl DirectoryLock {
    /// Makes the directory if it is missing, with access for its owner only, and takes it.
    ///
    /// # Errors
    /// [`LockError::Taken`] when another process has it.
    pub fn take(directory: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::Io { directory: directory.to_owned(), source };
        make_private(directory).map_err(failed)?;
        let path = directory.join(FILE_NAME);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Taken { directory: directory.to_owned(), holder: read_holder(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        write_holder(&mut file).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// What is stored in a new directory lasts only once the directory's own name does.
fn make_private(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_private(parent)?;
    // Another process may make it at the same time; the lock tells the two apart.
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    File::open(parent)?.sync_all()
}

fn read_holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_holder(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", process::id())
}

fn holder_text(holder: Option<u32>) -> String {
    holder.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

#[cfg(test)]
mod tests {
    use super::{DirectoryLock, LockError};

    #[test]
    fn the_second_to_take_a_directory_is_told_who_has_it() {
        let parent = tempfile::tempdir().expect("a directory");
        let directory = parent.path().join("deep/data");
        let first = DirectoryLock::take(&directory).expect("the first takes it");
        let refused = DirectoryLock::take(&directory).expect_err("the second is refused");
        assert!(matches!(&refused, LockError::Taken { holder: Some(pid), .. } if *pid == std::process::id()));
        let text = refused.to_string();
        assert!(text.contains(&directory.display().to_string()) && text.contains("process"), "{text}");
        drop(first);
        DirectoryLock::take(&directory).expect("it is free again");
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let parent = tempfile::tempdir().expect("a directory");
        let file = parent.path().join("file");
        std::fs::write(&file, "").expect("writes");
        let refused = DirectoryLock::take(&file.join("data")).expect_err("a file is no directory");
        assert!(refused.to_string().contains("data"), "{refused}");
    }

    #[test]
    fn a_new_data_directory_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().expect("a directory");
        let directory = parent.path().join("data");
        let _lock = DirectoryLock::take(&directory).expect("takes it");
        let mode = std::fs::metadata(&directory).expect("is there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
    }
}
