//! A dump read where nothing else is: no Python, no sample, no symbols, no source.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use coldframe::redact::REDACTED;
use serde_json::Value;

use super::check::Problems;
use super::values::fits;
use crate::harness::{COLDFRAME, Folder, copy_program};

/// An empty root with coldframe and what the dynamic loader needs to start it.
pub struct EmptyRoot {
    folder: Folder,
    /// Where chroot is not permitted, coldframe runs in place, with an empty home and system root.
    is_chroot: bool,
}

impl EmptyRoot {
    pub fn new() -> EmptyRoot {
        let folder = Folder::new();
        let binary = folder.join("coldframe");
        copy_program(COLDFRAME.as_ref(), &binary);
        for library in libraries(Path::new(COLDFRAME)) {
            let target = folder.join(library.strip_prefix("/").expect("an absolute path"));
            fs::create_dir_all(target.parent().expect("a folder")).expect("a folder");
            fs::copy(&library, target).expect("a library");
        }
        let mut root = EmptyRoot {
            folder,
            is_chroot: true,
        };
        root.is_chroot = root
            .command(&["--version"])
            .output()
            .is_ok_and(|output| output.status.success());
        if !root.is_chroot {
            crate::tools::skip("chroot: dumps are read with an empty --sysroot, home and cache instead");
        }
        root
    }

    /// The report of a dump, as JSON text.
    pub fn analyze(&self, dump: &Path) -> Result<String, String> {
        let name = format!(
            "{}-{}",
            std::process::id(),
            dump.file_name().unwrap_or_default().to_string_lossy()
        );
        let inside = self.folder.join(&name);
        fs::copy(dump, &inside).map_err(|error| error.to_string())?;
        let output = if self.is_chroot {
            self.command(&["analyze", "--format", "json", &format!("/{name}")])
                .output()
        } else {
            let sysroot = self.folder.join("empty");
            let mut command = self.command(&["analyze", "--format", "json", "--sysroot"]);
            command.arg(sysroot).arg(&inside).output()
        };
        let _ = fs::remove_file(&inside);
        let output = output.map_err(|error| error.to_string())?;
        if !output.status.success() || !output.stderr.is_empty() {
            return Err(format!(
                "analyze: {}; {}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            ));
        }
        String::from_utf8(output.stdout).map_err(|error| error.to_string())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command;
        if self.is_chroot {
            command = Command::new("chroot");
            command.arg(self.folder.path()).arg("/coldframe");
        } else {
            command = Command::new(self.folder.join("coldframe"));
        }
        command.args(arguments).env_clear();
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        if !self.is_chroot {
            command
                .env("HOME", self.folder.join("empty"))
                .env("COLDFRAME_CACHE", self.folder.join("empty/cache"));
        }
        command
    }
}

/// The files that ldd names.
pub fn libraries(program: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd")
        .arg(program)
        .output()
        .expect("ldd, which libc brings");
    String::from_utf8_lossy(&output.stdout)
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

/// The report of the dump must be that of the crash, but for what names the input.
pub fn check(root: &EmptyRoot, dump: &Path, at_crash: &Value, problems: &mut Problems) {
    let first = match root.analyze(dump) {
        Ok(text) => text,
        Err(problem) => return problems.push(format!("offline: {problem}")),
    };
    match root.analyze(dump) {
        Ok(second) if second == first => {}
        _ => problems.push("offline: analyzed twice, the report is not the same".to_string()),
    }
    match serde_json::from_str(&first) {
        Ok(offline) => {
            let difference = difference(&without_input(at_crash.clone()), &without_input(offline), "report");
            problems.0.extend(difference.map(|what| format!("offline: {what}")));
        }
        Err(error) => problems.push(format!("offline: {error}")),
    }
}

fn without_input(mut report: Value) -> Value {
    if let Some(map) = report.as_object_mut() {
        map.remove("input");
        map.remove("capture");
    }
    for python in report["python"].as_array_mut().into_iter().flatten() {
        python.as_object_mut().map(|map| map.remove("layout"));
    }
    report
}

/// The first place where two values differ.
pub fn difference(crash: &Value, offline: &Value, at: &str) -> Option<String> {
    match (crash, offline) {
        // What is read where there was no capture is not redacted.
        (Value::Object(a), Value::Object(b)) if a.get("state") == Some(&"redacted".into()) && a != b => {
            difference(&a["name"], &b["name"], &format!("{at}.name"))
        }
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            keys.into_iter().find_map(|key| {
                let value = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                difference(&value(a), &value(b), &format!("{at}.{key}"))
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.find_map(|(index, (a, b))| difference(a, b, &format!("{at}[{index}]")))
        }
        _ if crash == offline => None,
        (Value::String(a), Value::String(b)) if a.contains(REDACTED) && fits(a, b) => None,
        _ => {
            let short = |value: &Value| value.to_string().chars().take(600).collect::<String>();
            Some(format!("{at}: at the crash {}, now {}", short(crash), short(offline)))
        }
    }
}

#[test]
fn differences_are_found() {
    let parse = |text| serde_json::from_str::<Value>(text).unwrap();
    let report = parse(r#"{"a": [1, {"b": 2}], "c": null}"#);
    assert_eq!(difference(&report, &parse(r#"{"a": [1, {"b": 2}]}"#), "r"), None);
    let found = difference(&report, &parse(r#"{"a": [1, {"b": 3}]}"#), "r").unwrap();
    assert!(found.starts_with("r.a[1].b:"), "{found}");
}
