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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Kill,
    Panic,
    Full,
    Denied,
}

/// Makes this process break where the variable says.
pub fn heed() {
    set_failpoints(breaks);
}

fn breaks(point: Point, path: &Path) -> io::Result<()> {
    static PLAN: OnceLock<Vec<(Point, u64, Action)>> = OnceLock::new();
    static PASSED: [AtomicU64; 3] = [AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0)];
    let plan = PLAN.get_or_init(|| {
        let role = std::env::args().nth(1).unwrap_or_default();
        parse(&std::env::var(VARIABLE).unwrap_or_default(), &role)
    });
    let passed = PASSED[point as usize].fetch_add(1, Ordering::SeqCst) + 1;
    match plan.iter().find(|(p, n, _)| *p == point && *n == passed).map(|(_, _, action)| action) {
        None => Ok(()),
        Some(Action::Kill) => {
            Ok(rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)?)
        }
        Some(Action::Panic) => panic!("failpoint {point:?} {passed} at {}", path.display()),
        Some(Action::Full) => Err(io::ErrorKind::StorageFull.into()),
        Some(Action::Denied) => Err(io::ErrorKind::PermissionDenied.into()),
    }
}

/// The plan of a process of this role. What cannot be read is an error, whatever role it is for.
fn parse(text: &str, role: &str) -> Vec<(Point, u64, Action)> {
    let mut plan = Vec::new();
    for item in text.split(',').filter(|item| !item.is_empty()) {
        let (wanted, rest) = item.split_once(':').unwrap_or((role, item));
        let (at, action) = rest.split_once('=').unwrap();
        let (point, n) = at.split_once('@').unwrap();
        let point = match point {
            "write" => Point::Write,
            "sync" => Point::Sync,
            "rename" => Point::Rename,
            other => panic!("{VARIABLE}: `{other}` is no operation"),
        };
        let action = match action {
            "kill" => Action::Kill,
            "panic" => Action::Panic,
            "full" => Action::Full,
            "denied" => Action::Denied,
            other => panic!("{VARIABLE}: `{other}` is no action"),
        };
        let n = n.parse().unwrap();
        if wanted == role {
            plan.push((point, n, action));
        }
    }
    plan
}

#[test]
fn failpoints_are_parsed_by_role() {
    let plan = parse("exec:write@3=kill,rename@1=full,run:sync@2=panic", "exec");
    assert_eq!(plan, [(Point::Write, 3, Action::Kill), (Point::Rename, 1, Action::Full)]);
    assert!(parse("", "exec").is_empty());
}

#[test]
#[should_panic(expected = "`ful` is no action")]
fn an_unknown_action_is_an_error_for_every_role() {
    parse("run:write@1=ful", "exec");
}
