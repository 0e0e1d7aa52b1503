//! Which test was running, by the frames of the runner: for those that note it nowhere.

use crate::report::Report;
use crate::report::model::{Frame, PythonFrame, Variable};

/// The test: `tests.test_io.ReadTest.test_empty` of unittest, `test_gc` of CPython's own tests (`python -m test`). Looked
/// for in the thread that crashed, then in the others.
pub fn of_stack(report: &Report) -> Option<String> {
    let crashed = report.crashed_thread().into_iter();
    let mut threads = crashed.chain(&report.threads);
    threads.find_map(|thread| {
        let frames = || {
            thread.frames.iter().filter_map(|frame| match frame {
                Frame::Python(python) => Some(python),
                _ => None,
            })
        };
        frames()
            .find_map(of_unittest)
            .or_else(|| frames().find_map(of_regrtest))
    })
}

/// `TestCase.run` and what it calls have the test as `self`, and its method by name (CPython Lib/unittest/case.py, since 2.1).
fn of_unittest(frame: &PythonFrame) -> Option<String> {
    let test = local(frame, "/unittest/case.py", "self")?;
    let name = |child: &&Variable| child.name.trim_start_matches('.') == "_testMethodName";
    let method = text(test.children.iter().find(name)?)?;
    Some(format!("{}.{method}", test.type_name.as_deref()?))
}

/// CPython Lib/test/libregrtest: `runtest(ns, test_name)` to 3.11, `run_single_test(test_name, runtests)` since.
fn of_regrtest(frame: &PythonFrame) -> Option<String> {
    let folder = frame.file.as_deref()?.rsplit_once('/')?.0;
    if !folder.ends_with("/test/libregrtest") {
        return None;
    }
    text(frame.locals.iter().find(|variable| variable.name == "test_name")?)
}

fn local<'a>(frame: &'a PythonFrame, file: &str, name: &str) -> Option<&'a Variable> {
    let is_there = frame.file.as_deref().is_some_and(|path| path.ends_with(file));
    frame.locals.iter().find(|variable| is_there && variable.name == name)
}

/// What a `str` holds, where its `repr` needs no escapes.
fn text(variable: &Variable) -> Option<String> {
    let value = variable.value.as_deref()?;
    let inside = value.strip_prefix('\'')?.strip_suffix('\'')?;
    (!inside.is_empty() && !inside.contains(['\\', '…'])).then(|| inside.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::Thread;

    fn variable(name: &str, value: &str) -> Variable {
        Variable {
            name: name.into(),
            value: Some(value.into()),
            ..Variable::default()
        }
    }

    fn report(file: &str, locals: Vec<Variable>) -> Report {
        let frame = PythonFrame {
            file: Some(file.into()),
            locals,
            ..PythonFrame::default()
        };
        Report {
            threads: vec![Thread {
                frames: vec![Frame::Python(frame)],
                ..Thread::default()
            }],
            ..Report::default()
        }
    }

    #[test]
    fn runners_are_known_by_their_frames() {
        let test = Variable {
            type_name: Some("tests.test_io.ReadTest".into()),
            children: vec![variable("._testMethodName", "'test_empty'")],
            ..variable("self", "<tests.test_io.ReadTest object>")
        };
        for (file, local, name) in [
            (
                "/usr/lib/python3.12/unittest/case.py",
                test.clone(),
                Some("tests.test_io.ReadTest.test_empty"),
            ),
            ("/app/case.py", test, None),
            (
                "/l/test/libregrtest/single.py",
                variable("test_name", "'test_gc'"),
                Some("test_gc"),
            ),
            ("/l/test/other.py", variable("test_name", "'test_gc'"), None),
            (
                "/l/test/libregrtest/single.py",
                variable("test_name", "(redacted)"),
                None,
            ),
        ] {
            assert_eq!(of_stack(&report(file, vec![local])).as_deref(), name, "{file}");
        }
    }
}
