//! numpy's arrays and scalars against numpy itself, from the process and from its dump.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::golden::repository;
use crate::harness::{COLDFRAME, Folder, bare, output, stderr};
use crate::tools::Running;
use crate::venv::numpy_pythons;

#[test]
fn arrays_and_scalars() {
    let program = fs::read_to_string(repository("tests/it/programs/numpy_values.py")).expect("the program");
    for python in numpy_pythons() {
        let folder = Folder::new();
        let running = Running::python(&python, &program);
        let expected: BTreeMap<String, String> = serde_json::from_str(&running.line).expect("what numpy says");
        assert!(expected.len() > 50);
        let pid = running.pid().to_string();
        let live = variables(&analyze(&folder, &["--pid", &pid]));
        let dump = folder.join("x.dmp");
        let mut command = bare(COLDFRAME.as_ref(), &folder);
        command.args(["dump", &pid, "-o"]).arg(&dump);
        let result = output(command);
        assert!(result.status.success(), "{}", stderr(&result));
        let offline = variables(&analyze(&folder, &[dump.to_str().expect("a path")]));
        assert_eq!(live, offline, "{}", python.display());
        let text = |name: &str| {
            live.get(name)
                .and_then(|value| value["value"].as_str())
                .unwrap_or_default()
        };
        let wrong: Vec<String> = expected
            .iter()
            .filter(|(name, expected)| text(name) != expected.as_str())
            .map(|(name, expected)| format!("{name}: expected {expected}\n      found {}", text(name)))
            .collect();
        assert!(wrong.is_empty(), "{}:\n{}", python.display(), wrong.join("\n"));
        assert_eq!(live["long_one"]["length"], 1000);
        assert_eq!(text("in_a_list"), "[np.float32(2.5)]");
    }
}

fn analyze(folder: &Folder, input: &[&str]) -> Value {
    let mut command = bare(COLDFRAME.as_ref(), folder);
    command.args(["analyze", "--format", "json"]).args(input);
    let result = output(command);
    assert!(result.status.success(), "{}", stderr(&result));
    serde_json::from_slice(&result.stdout).expect("JSON")
}

/// The variables of the function `show`.
fn variables(report: &Value) -> BTreeMap<String, Value> {
    let threads = report["threads"].as_array().into_iter().flatten();
    let mut frames = threads.flat_map(|thread| thread["frames"].as_array().into_iter().flatten());
    let frame = frames.find(|frame| frame["function"] == "show").expect("the frame");
    let locals = frame["locals"].as_array().into_iter().flatten();
    let named = |local: &Value| (local["name"].as_str().unwrap_or_default().to_string(), local.clone());
    locals.map(named).collect()
}
