// SPDX-License-Identifier: GPL-2.0

//! A file that a reader sees as a whole: the old one or the new one.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The mode of the file: everybody may read it.
const MODE: u32 = 0o644;

/// Writes `text` to a temporary file beside `path`, which then takes its place.
///
/// # Errors
/// The reason for which it could not be written; the old file is then as it was, and the temporary
/// one is gone.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let temporary = beside(path)?;
    let done = write(&temporary, text).and_then(|()| fs::rename(&temporary, path));
    if done.is_err() {
        // If it cannot be removed either, the first error is the one to tell.
        let _ = fs::remove_file(&temporary);
    }
    done
}

/// A name in the same folder, of this process alone. The textfile collector reads no file that
/// does not end in `.prom`.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}", std::process::id()));
    Ok(path.with_file_name(temporary))
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    // What is left of a process of the same number that was killed; never followed if it is a link.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(MODE).open(path)?;
    // Whatever the umask is.
    file.set_permissions(Permissions::from_mode(MODE))?;
    file.write_all(text.as_bytes())?;
    // The name must not come to a file whose contents a crash would lose.
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of a test, which goes with it.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("ripvsadm-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir(&path).unwrap();
            Folder(path)
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            names.collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_new_file_takes_the_place_of_the_old() {
        let folder = Folder::new("replace");
        let path = folder.0.join("ipvs.prom");
        for text in ["one\n", "two, longer\n", ""] {
            replace(&path, text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, MODE);
        }
        assert_eq!(folder.names(), ["ipvs.prom"]);
    }

    #[test]
    fn a_link_in_the_way_is_not_followed() {
        let folder = Folder::new("link");
        let path = folder.0.join("ipvs.prom");
        let other = folder.0.join("other");
        fs::write(&other, "kept").unwrap();
        std::os::unix::fs::symlink(&other, beside(&path).unwrap()).unwrap();
        replace(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "kept");
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }

    #[test]
    fn a_failure_leaves_nothing() {
        let folder = Folder::new("failure");
        // A folder has the name.
        let path = folder.0.join("ipvs.prom");
        fs::create_dir(&path).unwrap();
        assert!(replace(&path, "text").is_err());
        assert_eq!(folder.names(), ["ipvs.prom"]);
        assert!(replace(&folder.0.join("none/ipvs.prom"), "text").is_err());
        assert!(replace(Path::new("/"), "text").is_err());
    }
}
