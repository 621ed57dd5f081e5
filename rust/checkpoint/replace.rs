//! How a file takes the place of another: it is written to a sibling, which is synced and renamed.
//!
//! A process that is killed leaves its sibling behind, and the next save to the folder removes it.
//! A writer has its sibling locked, and the system gives up the locks of a process that ends. So a
//! sibling without a lock has no writer. Its name tells whose it was: the running kernel, of which all
//! containers of a machine have one, and the process. Where the kernel is another one, as in a
//! folder that machines share, a lock may not be seen, and an hour without a change is asked for as
//! well.

use std::fs::{File, TryLockError};
use std::io::{self, BufWriter, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::NamedTempFile;

use super::checksums;
use super::writer::Durable;
use crate::error::{Error, Result};
use crate::watch::Watch;

const PREFIX: &str = ".trulysparse-";
const SUFFIX: &str = ".tmp";

/// How long a sibling whose lock may not be seen must have been left alone.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Symbolic links that are followed, one after the other.
const MOST_LINKS: usize = 40;

/// How often a sibling is made anew that another process removed before it was locked.
const ATTEMPTS: usize = 8;

const UNCHANGED: &str = "what was there before is unchanged";
const NO_SIBLING: &str = "a save makes a new file in the same folder; what was there is unchanged";

/// Puts what `write` writes in the place of the file at `path`, or of what a symbolic link there
/// leads to. Until the very end there is the old file.
pub fn replace(
    path: &Path,
    watch: &mut Watch<'_>,
    write: impl FnOnce(&mut BufWriter<Durable<'_>>, &mut Watch<'_>) -> Result<()>,
) -> Result<()> {
    let name = path.display().to_string();
    let io = |source| Error::Io { path: name.clone(), source };
    let unsaved = |source, why| Error::Unsaved { path: name.clone(), source, why };
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        // A folder's error is the system's own.
        File::options().append(true).open(path).map_err(io)?;
        return Err(Error::invalid("path", path.display(), "a regular file"));
    }
    let path = followed(path).map_err(io)?;
    let folder = folder(&path);
    let sibling = sibling(folder).map_err(|source| match source.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => io(source),
        _ => unsaved(source, NO_SIBLING),
    })?;
    sweep(folder, sibling.as_file());
    let mut out = BufWriter::new(Durable::new(sibling.as_file()));
    write(&mut out, watch).map_err(|error| match error {
        Error::Io { source, .. } => unsaved(source, UNCHANGED),
        other => other,
    })?;
    drop(out);
    sibling.as_file().sync_all().map_err(|source| unsaved(source, UNCHANGED))?;
    watch.advance(0)?; // the last chance to keep the old file
    sibling.persist(&path).map_err(|e| unsaved(e.error, UNCHANGED))?;
    // The rename itself is durable once the folder is; not every system can sync a folder.
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Where the symbolic links at a path lead; there need not be anything.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_path_buf();
    for _ in 0..MOST_LINKS {
        match std::fs::read_link(&path) {
            Ok(to) => path = folder(&path).join(to),
            Err(_) => return Ok(path), // it is no link
        }
    }
    // The system's own error.
    std::fs::metadata(&path).and(Err(io::Error::other("too many symbolic links")))
}

/// The running kernel in a word.
fn kernel() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_else(|_| {
        format!("{:?} {}", sysinfo::System::host_name(), sysinfo::System::boot_time())
    });
    format!("{:08x}", checksums::of(id.trim().as_bytes()))
}

/// A new file in the folder, locked where the system can lock.
fn sibling(folder: &Path) -> io::Result<NamedTempFile> {
    let prefix = format!("{PREFIX}{}-{}-", kernel(), std::process::id());
    for _ in 0..ATTEMPTS {
        // With the permissions of any new file, not the private ones of a temporary file, and with
        // the system's own error, in which tempfile would wrap the temporary's name.
        let make = |path: &Path| File::options().write(true).create_new(true).open(path);
        let sibling =
            tempfile::Builder::new().prefix(&prefix).suffix(SUFFIX).make_in(folder, make)?;
        let locked = !matches!(sibling.as_file().try_lock(), Err(TryLockError::WouldBlock));
        if locked && std::fs::symlink_metadata(sibling.path()).is_ok() {
            return Ok(sibling);
        }
    }
    Err(io::Error::other("its folder loses new files"))
}

/// Removes the siblings that have no writer. `own` was made just now, and so tells the time
/// of the folder. What cannot be looked at or removed stays: it does a save no harm.
fn sweep(folder: &Path, own: &File) {
    let now = own.metadata().and_then(|own| own.modified());
    let (Ok(entries), Ok(now)) = (std::fs::read_dir(folder), now) else { return };
    let ours = format!("{PREFIX}{}-", kernel());
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let regular = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !regular || !name.starts_with(PREFIX) || !name.ends_with(SUFFIX) {
            continue;
        }
        // Some systems lock only what is open for writing.
        let Ok(file) = File::options().read(true).write(true).open(entry.path()) else { continue };
        let lock = file.try_lock();
        let idle = || {
            let changed = file.metadata().and_then(|found| found.modified());
            changed.is_ok_and(|then| now.duration_since(then).is_ok_and(|t| t >= ABANDONED))
        };
        let abandoned = match lock {
            Ok(()) => name.starts_with(&ours) || idle(),
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(_)) => idle(),
        };
        if abandoned {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    fn put(path: &Path, text: &str) -> Result<()> {
        replace(path, &mut Watch::none(), |out, _| {
            out.write_all(text.as_bytes()).expect("a test's disk");
            out.flush().map_err(|source| Error::Io { path: "out".into(), source })
        })
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn siblings_of_the_dead_go_and_those_of_the_living_stay() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: String| folder.path().join(name);
        let dead = at(format!("{PREFIX}{}-1-abcdef{SUFFIX}", kernel()));
        let (elsewhere, first) = (
            at(format!("{PREFIX}00000000-1-abcdef{SUFFIX}")),
            at(format!("{PREFIX}abcdef{SUFFIX}")),
        );
        let other = at(".another.tmp".into());
        [&dead, &elsewhere, &first, &other].iter().for_each(|path| fs::write(path, "x").unwrap());
        let living = sibling(folder.path()).unwrap();
        put(&at("m".into()), "new").unwrap();
        let left = names(folder.path());
        assert!(!left.contains(&dead.file_name().unwrap().to_str().unwrap().to_string()));
        assert_eq!(left.len(), 5, "{left:?}");
        // A lock that is not seen is asked to be an hour old.
        let old = std::time::SystemTime::now() - 2 * ABANDONED;
        for path in [&elsewhere, &first, &other, &living.path().to_path_buf()] {
            File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
        }
        put(&at("m".into()), "newer").unwrap();
        let living = living.path().file_name().unwrap().to_str().unwrap();
        assert_eq!(names(folder.path()), [".another.tmp", living, "m"]);
        assert_eq!(fs::read(at("m".into())).unwrap(), b"newer");
    }

    #[test]
    #[cfg(unix)]
    fn what_a_link_leads_to_is_replaced() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("there")).unwrap();
        symlink("there/model", at("relative")).unwrap();
        symlink(at("relative"), at("absolute")).unwrap();
        for text in ["made", "replaced"] {
            put(&at("absolute"), text).unwrap(); // at first it leads to nothing
            assert_eq!(fs::read_to_string(at("there/model")).unwrap(), text);
        }
        assert!(fs::symlink_metadata(at("absolute")).unwrap().is_symlink());
        assert!(fs::symlink_metadata(at("relative")).unwrap().is_symlink());
        assert_eq!(names(&at("there")), ["model"]);
        symlink("circle", at("circle")).unwrap();
        assert!(put(&at("circle"), "x").unwrap_err().to_string().contains("circle"));
        symlink("there", at("folder")).unwrap();
        assert!(put(&at("folder"), "x").is_err());
        assert_eq!(names(folder.path()), ["absolute", "circle", "folder", "relative", "there"]);
    }
}
