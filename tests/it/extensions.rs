//! Extension modules with their packages, against what Python itself says; from the process and from its dump alone.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::golden::repository;
use crate::harness::{COLDFRAME, Folder, bare, output, skip, stderr};
use crate::pythons::pythons;
use crate::tools::Running;

/// Name, file, package, version.
type Row = (String, String, Option<String>, Option<String>);

#[test]
fn every_python_names_them_so() {
    let pythons = pythons();
    if pythons.is_empty() {
        return skip("no supported CPython was found");
    }
    let program = fs::read_to_string(repository("tests/it/programs/extensions.py")).expect("the program");
    for python in pythons {
        let folder = Folder::new();
        let argument = format!("import sys; sys.argv[1:] = [{:?}]\n{program}", folder.join("packages"));
        let running = Running::python(&python.executable, &argument);
        let expected: BTreeSet<Row> = serde_json::from_str::<Vec<Row>>(&running.line)
            .expect("what the program says")
            .into_iter()
            .collect();
        assert!(
            expected.iter().filter(|row| row.3.is_some()).count() == 3,
            "{expected:?}"
        );

        let pid = running.pid().to_string();
        let live = analyze(&folder, &["--pid", &pid]);
        let dump = folder.join("x.dmp");
        let mut command = bare(COLDFRAME.as_ref(), &folder);
        command.args(["dump", &pid, "-o"]).arg(&dump);
        let result = output(command);
        assert!(result.status.success(), "{}", stderr(&result));
        drop(running);
        fs::remove_dir_all(folder.join("packages")).expect("the packages");
        let offline = analyze(&folder, &[dump.to_str().expect("a path")]);

        let what = format!("{} {}", python.executable.display(), python.version);
        let modules = modules(&live);
        assert_eq!(rows(&modules), expected, "{what}");
        for module in &modules {
            let is_standard = module["path"]
                .as_str()
                .is_some_and(|path| path.contains("/lib-dynload/"));
            assert_eq!(module["standard_library"] == true, is_standard, "{what}: {module}");
        }
        assert_eq!(modules, self::modules(&offline), "{what}");
    }
}

#[test]
fn the_text_names_packages() {
    let Some(python) = pythons().into_iter().next_back() else {
        return skip("no supported CPython was found");
    };
    let program = fs::read_to_string(repository("tests/it/programs/extensions.py")).expect("the program");
    let folder = Folder::new();
    let argument = format!("import sys; sys.argv[1:] = [{:?}]\n{program}", folder.join("packages"));
    let running = Running::python(&python.executable, &argument);
    let mut command = bare(COLDFRAME.as_ref(), &folder);
    command.args(["analyze", "--pid", &running.pid().to_string()]);
    let result = output(command);
    let text = String::from_utf8_lossy(&result.stdout).into_owned();
    let lines: Vec<&str> = text
        .lines()
        .skip_while(|line| !line.starts_with("Extension modules"))
        .collect();
    for expected in [
        "  Fast 1.2: fast._",
        "  py-thing 2.0rc1: shared.inner._",
        "  old 0.9: old._",
        "  of no known package: ",
    ] {
        assert!(
            lines.iter().any(|line| line.starts_with(expected)),
            "{expected}: {text}"
        );
    }
}

fn analyze(folder: &Folder, input: &[&str]) -> Value {
    let mut command: Command = bare(COLDFRAME.as_ref(), folder);
    command.args(["analyze", "--format", "json"]).args(input);
    let result = output(command);
    assert!(result.status.success(), "{}", stderr(&result));
    serde_json::from_slice(&result.stdout).expect("JSON")
}

fn modules(report: &Value) -> Vec<Value> {
    report["python"][0]["extension_modules"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

fn rows(modules: &[Value]) -> BTreeSet<Row> {
    let text = |value: &Value| value.as_str().map(str::to_string);
    let row = |module: &Value| {
        let name = text(&module["name"]).unwrap_or_default();
        let path = text(&module["path"]).unwrap_or_default();
        (name, path, text(&module["package"]), text(&module["version"]))
    };
    modules.iter().map(row).collect()
}
