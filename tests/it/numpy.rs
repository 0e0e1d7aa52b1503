//! numpy's arrays and scalars against numpy itself, from the process and from its dump.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::golden::repository;
use crate::harness::{COLDFRAME, Folder, bare, output, skip, stderr};
use crate::tools::Running;
use crate::venv::{numpy_pythons, pandas_python};

/// What numpy itself says beside what is shown.
pub struct Compared {
    /// Of numpy.
    pub version: String,
    /// How many values.
    pub count: usize,
    pub wrong: Vec<String>,
}

#[test]
fn arrays_and_scalars() {
    for python in numpy_pythons() {
        let compared = compare(&python);
        let wrong = compared.wrong.join("\n");
        assert!(wrong.is_empty(), "{} {}:\n{wrong}", python.display(), compared.version);
        assert!(compared.count > 50);
    }
}

/// Of the process, whose dump must say the same.
pub fn compare(python: &Path) -> Compared {
    let program = fs::read_to_string(repository("tests/it/programs/numpy_values.py")).expect("the program");
    let folder = Folder::new();
    let running = Running::python(python, &program);
    let mut expected: BTreeMap<String, String> = serde_json::from_str(&running.line).expect("what numpy says");
    let version = expected.remove("").expect("its version");
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
    let wrong = expected
        .iter()
        .filter(|(name, expected)| text(name) != expected.as_str())
        .map(|(name, expected)| format!("{name}: expected {expected}\n      found {}", text(name)))
        .collect();
    assert_eq!(live["long_one"]["length"], 1000);
    assert_eq!(text("in_a_list"), "[np.float32(2.5)]");
    Compared {
        version,
        count: expected.len(),
        wrong,
    }
}

/// pandas prints its objects by Python code, so their attributes are shown: those that Python would print by itself are
/// as the program says.
#[test]
fn objects_of_pandas_are_shown_by_their_attributes() {
    let Some(python) = pandas_python() else {
        return skip("pandas");
    };
    let program = fs::read_to_string(repository("tests/it/programs/pandas_values.py")).expect("the program");
    let folder = Folder::new();
    let running = Running::python(&python, &program);
    let expected: BTreeMap<String, BTreeMap<String, String>> =
        serde_json::from_str(&running.line).expect("what the program says");
    let found = variables(&analyze(&folder, &["--pid", &running.pid().to_string()]));
    let mut compared = 0;
    for (name, attributes) in &expected {
        let object = &found[name];
        let children = object["children"].as_array().into_iter().flatten();
        let children: BTreeMap<&str, &Value> = children
            .filter_map(|child| Some((child["name"].as_str()?, child)))
            .collect();
        for (attribute, repr) in attributes {
            let child = children
                .get(format!(".{attribute}").as_str())
                .copied()
                .unwrap_or(&Value::Null);
            assert_eq!(
                child["value"].as_str(),
                Some(repr.as_str()),
                "{name}.{attribute} of {object}"
            );
            compared += 1;
        }
        let value = object["value"].as_str().unwrap_or_default();
        assert!(value.starts_with("<pandas."), "{name}: {value}");
    }
    assert!(compared >= 8, "{compared} of {expected:?}");
    assert_eq!(found["column"]["value"], "array([1, 2, 3], shape=(3,), dtype=int64)");
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
