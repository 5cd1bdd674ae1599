//! Whether a service touched its heartbeat file lately enough.

use rustix::time::{ClockId, Timespec, clock_gettime};
use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// How far ahead of the clock a file may be. Clocks are set back by moments; a file that is further
/// ahead would look fresh for as long as it is ahead.
const AHEAD_MS: i64 = 5_000;

/// Looks at the file that `arguments`, a path and an age in milliseconds, name.
///
/// # Errors
/// What is wrong with it, in a few words.
pub(crate) fn check(arguments: &[String]) -> Result<(), String> {
    let [path, allowed] = arguments else { return Err(usage()) };
    let allowed = allowed.parse().ok().filter(|it| *it >= 0).ok_or_else(usage)?;
    look(Path::new(path), allowed, clock_gettime(ClockId::Realtime))
}

fn usage() -> String {
    "a heartbeat is looked for with --heartbeat PATH MILLISECONDS".to_owned()
}

fn look(path: &Path, allowed_ms: i64, now: Timespec) -> Result<(), String> {
    let shown = path.display();
    let file = std::fs::metadata(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!("there is no {shown}"),
        _ => format!("{shown} cannot be looked at: {error}"),
    })?;
    if !file.is_file() {
        return Err(format!("{shown} is not a plain file"));
    }
    let age = age_ms(&file, now);
    if age < -AHEAD_MS {
        return Err(format!("{shown} is {} ahead of the clock", seconds(age.saturating_neg())));
    }
    if age > allowed_ms {
        let (old, allowed) = (seconds(age), seconds(allowed_ms));
        return Err(format!("{shown} is {old} old, {allowed} allowed"));
    }
    Ok(())
}

fn age_ms(file: &Metadata, now: Timespec) -> i64 {
    let seconds = now.tv_sec.saturating_sub(file.mtime());
    let nanos = now.tv_nsec - file.mtime_nsec();
    seconds.saturating_mul(1_000).saturating_add(nanos.div_euclid(1_000_000))
}

/// Whole seconds from ten on, tenths below; rounded up, so that what is too old also looks it.
fn seconds(ms: i64) -> String {
    let tenths = ms.saturating_add(99) / 100;
    match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("{whole} s"),
        (whole @ 10.., _) => format!("{} s", whole.saturating_add(1)),
        (whole, tenth) => format!("{whole}.{tenth} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOUCHED: i64 = 1_000_000;

    /// A file that was touched half a second after [`TOUCHED`].
    fn file() -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let touched = std::time::Duration::from_millis(1_000_000_500);
        let touched = std::time::SystemTime::UNIX_EPOCH + touched;
        file.as_file().set_modified(touched).unwrap();
        file
    }

    /// What is said of it `ms` after [`TOUCHED`], behind its path.
    fn said(ms: i64, allowed_ms: i64) -> Result<(), String> {
        let file = file();
        let now = Timespec {
            tv_sec: TOUCHED + ms.div_euclid(1_000),
            tv_nsec: ms.rem_euclid(1_000) * 1_000_000,
        };
        let path = file.path().display().to_string();
        look(file.path(), allowed_ms, now).map_err(|why| why.replacen(&path, "it", 1))
    }

    #[test]
    fn a_file_that_was_touched_in_time_is_a_heartbeat() {
        for (ms, allowed) in [(500, 0), (30_500, 30_000), (1_500, 1_000), (-4_500, 0)] {
            assert_eq!(said(ms, allowed), Ok(()), "{ms} {allowed}");
        }
    }

    #[test]
    fn a_file_that_was_not_says_how_old_it_is() {
        let check = |ms, allowed, expected: &str| {
            assert_eq!(said(ms, allowed), Err(expected.to_owned()));
        };
        check(45_500, 30_000, "it is 45 s old, 30 s allowed");
        check(30_501, 30_000, "it is 31 s old, 30 s allowed");
        check(2_000, 1_400, "it is 1.5 s old, 1.4 s allowed");
        check(1_501, 1_000, "it is 1.1 s old, 1 s allowed");
        check(-9_500, 30_000, "it is 10 s ahead of the clock");
        check(i64::MAX / 1_000_000, 30_000, "it is 9223372037 s old, 30 s allowed");
    }

    #[test]
    fn what_is_no_plain_file_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_str().unwrap();
        let check = |arguments: &[&str], expected: &str| {
            let arguments: Vec<_> = arguments.iter().map(|&it| it.to_owned()).collect();
            assert_eq!(check(&arguments), Err(expected.to_owned()), "{arguments:?}");
        };
        check(&[path, "30000"], &format!("{path} is not a plain file"));
        let missing = format!("{path}/beat");
        check(&[&missing, "30000"], &format!("there is no {missing}"));
        std::os::unix::fs::symlink("beat", &missing).unwrap();
        let why = "Too many levels of symbolic links (os error 40)";
        check(&[&missing, "30000"], &format!("{missing} cannot be looked at: {why}"));
        for bad in [&[][..], &[path], &[path, "x"], &[path, "-1"], &[path, "1", "2"]] {
            check(bad, &usage());
        }
    }

    #[test]
    fn a_file_of_now_is_a_heartbeat_by_the_real_clock() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        assert_eq!(check(&[path, "60000".to_owned()]), Ok(()));
    }
}
