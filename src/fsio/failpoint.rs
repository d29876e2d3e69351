//! Places where tests break or end the process. A program that was built without the feature `failpoints` has none: there
//! they do nothing, and no variable changes that.

/// The operations that a failpoint can hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Writing a file's content.
    Write,
    /// Syncing a file or folder to the disk.
    Sync,
    /// Renaming a file into its place.
    Rename,
}

/// Passes a failpoint, which does nothing in this build.
#[cfg(not(feature = "failpoints"))]
pub fn failpoint(_: Point, _: &std::path::Path) -> super::error::Result<()> {
    Ok(())
}

#[cfg(feature = "failpoints")]
pub use heeded::failpoint;

#[cfg(feature = "failpoints")]
mod heeded {
    use std::io;
    use std::path::Path;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::Point;
    use crate::fsio::error::{Result, at};

    /// Passes a failpoint. `REPRO_FAIL=write@3=kill` makes the third write of the process end it by SIGKILL; the
    /// actions are `kill`, `panic`, `full` (no space left) and `denied`; several are separated by commas. A leading
    /// `run:` or `exec:` limits one to that command's process.
    pub fn failpoint(point: Point, path: &Path) -> Result<()> {
        static PLAN: OnceLock<Vec<(Point, u64, String)>> = OnceLock::new();
        static PASSED: [AtomicU64; 3] = [AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0)];
        let plan = PLAN.get_or_init(|| {
            let role = std::env::args().nth(1).unwrap_or_default();
            parse(&std::env::var("REPRO_FAIL").unwrap_or_default(), &role)
        });
        if plan.is_empty() {
            return Ok(());
        }
        let passed = PASSED[point as usize].fetch_add(1, Ordering::SeqCst) + 1;
        match plan.iter().find(|(p, n, _)| *p == point && *n == passed).map(|(_, _, action)| action.as_str()) {
            None => Ok(()),
            Some("kill") => {
                let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
                Ok(())
            }
            Some("panic") => panic!("failpoint {point:?} {passed} at {}", path.display()),
            Some("full") => at("write", path, Err(io::Error::from(io::ErrorKind::StorageFull))),
            Some(_) => at("write", path, Err(io::Error::from(io::ErrorKind::PermissionDenied))),
        }
    }

    fn parse(text: &str, role: &str) -> Vec<(Point, u64, String)> {
        text.split(',')
            .filter_map(|item| {
                let item = match item.split_once(':') {
                    Some((wanted, rest)) if wanted == role => rest,
                    Some(_) => return None,
                    None => item,
                };
                let (at, action) = item.split_once('=')?;
                let (point, n) = at.split_once('@')?;
                let point = match point {
                    "write" => Point::Write,
                    "sync" => Point::Sync,
                    "rename" => Point::Rename,
                    _ => return None,
                };
                Some((point, n.parse().ok()?, action.to_owned()))
            })
            .collect()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn failpoints_are_parsed_by_role() {
            let plan = parse("exec:write@3=kill,rename@1=full,run:sync@2=panic", "exec");
            assert_eq!(plan, [(Point::Write, 3, "kill".into()), (Point::Rename, 1, "full".into())]);
        }
    }
}
