//! What breaks at the failpoints of `src/fsio/failpoint.rs`, by a variable. Unit tests and integration tests include this
//! file, each in a module that imports `Point` and `set_failpoints`.

use std::io;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Point, set_failpoints};

/// The variable. `write@3=kill` makes the third write of the process end it by SIGKILL; the actions are `kill`, `panic`,
/// `full` (no space left) and `denied`; several are separated by commas. A leading `run:` or `exec:` limits one to that
/// command's process.
pub const VARIABLE: &str = "REPRO_FAIL";

/// Makes this process break where the variable says.
pub fn heed() {
    set_failpoints(breaks);
}

fn breaks(point: Point, path: &Path) -> io::Result<()> {
    static PLAN: OnceLock<Vec<(Point, u64, String)>> = OnceLock::new();
    static PASSED: [AtomicU64; 3] = [AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0)];
    let plan = PLAN.get_or_init(|| {
        let role = std::env::args().nth(1).unwrap_or_default();
        parse(&std::env::var(VARIABLE).unwrap_or_default(), &role)
    });
    let passed = PASSED[point as usize].fetch_add(1, Ordering::SeqCst) + 1;
    match plan.iter().find(|(p, n, _)| *p == point && *n == passed).map(|(_, _, action)| action.as_str()) {
        None => Ok(()),
        Some("kill") => Ok(rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)?),
        Some("panic") => panic!("failpoint {point:?} {passed} at {}", path.display()),
        Some("full") => Err(io::ErrorKind::StorageFull.into()),
        Some("denied") => Err(io::ErrorKind::PermissionDenied.into()),
        Some(other) => panic!("{VARIABLE}: `{other}` is no action"),
    }
}

fn parse(text: &str, role: &str) -> Vec<(Point, u64, String)> {
    text.split(',')
        .filter(|item| !item.is_empty())
        .filter_map(|item| {
            let item = match item.split_once(':') {
                Some((wanted, rest)) if wanted == role => rest,
                Some(_) => return None,
                None => item,
            };
            let (at, action) = item.split_once('=').unwrap();
            let (point, n) = at.split_once('@').unwrap();
            let point = match point {
                "write" => Point::Write,
                "sync" => Point::Sync,
                "rename" => Point::Rename,
                other => panic!("{VARIABLE}: `{other}` is no operation"),
            };
            Some((point, n.parse().unwrap(), action.to_owned()))
        })
        .collect()
}

#[test]
fn failpoints_are_parsed_by_role() {
    let plan = parse("exec:write@3=kill,rename@1=full,run:sync@2=panic", "exec");
    assert_eq!(plan, [(Point::Write, 3, "kill".into()), (Point::Rename, 1, "full".into())]);
    assert!(parse("", "exec").is_empty());
}
