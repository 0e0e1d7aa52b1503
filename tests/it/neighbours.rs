//! Servers with workers, timeouts and handlers of their own; `tests/neighbours` has many more.

use std::process::Command;

use crate::golden::repository;
use crate::harness::{COLDFRAME, Folder, python, stderr};
use crate::venv::gunicorn_python;

/// A worker that crashes, and one that hangs past gunicorn's timeout and has a Python handler for the SIGABRT that it gets.
#[test]
fn gunicorn_workers_leave_dumps_and_are_replaced() {
    let (Some(python), Some(gunicorn)) = (python(), gunicorn_python()) else {
        return;
    };
    let folder = Folder::new();
    let result = Command::new(python)
        .arg(repository("tests/it/programs/neighbours.py"))
        .args([
            COLDFRAME.as_ref(),
            gunicorn.as_os_str(),
            folder.join("rows").as_os_str(),
        ])
        .args(["gunicorn sync", "gunicorn gthread"])
        .env_remove("LD_PRELOAD")
        .output()
        .expect("it starts");
    let table = String::from_utf8_lossy(&result.stdout);
    assert!(result.status.success(), "{table}\n{}", stderr(&result));
    assert_eq!(table.matches("| ok |").count(), 2, "{table}");
}
