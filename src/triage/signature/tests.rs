use super::*;
use crate::report::model::{Crash, Finding, NativeFrame, Process, PythonFrame, Role};

/// `function@image`, `?@image` without a symbol, `+function@image` inlined, `!` for a signal trampoline,
/// `~function` for plumbing of the interpreter, `py:module.function@file`.
fn frame(text: &str) -> Frame {
    if let Some(python) = text.strip_prefix("py:") {
        let (name, file) = python.split_once('@').unwrap();
        let (module, function) = name.rsplit_once('.').unwrap();
        return Frame::Python(PythonFrame {
            function: Some(function.into()),
            module: Some(module.into()),
            file: Some(file.into()),
            ..PythonFrame::default()
        });
    }
    let role = match &text[..1] {
        "!" => Some(Role::Signal),
        "~" => Some(Role::Interpreter),
        _ => None,
    };
    let name = text.trim_start_matches(['!', '~', '+']);
    let (function, image) = name.split_once('@').unwrap_or((name, "/usr/lib/libpython3.12.so.1.0"));
    Frame::Native(NativeFrame {
        function: (function != "?").then(|| function.into()),
        module: Some(image.into()),
        inlined: text.starts_with('+'),
        role,
        ..NativeFrame::default()
    })
}

fn report(signal: &str, frames: &[&str]) -> Report {
    Report {
        crash: Some(Crash {
            signal: Some(signal.into()),
            ..Crash::default()
        }),
        threads: vec![Thread {
            tid: 7,
            crashed: true,
            frames: frames.iter().map(|text| frame(text)).collect(),
            ..Thread::default()
        }],
        process: Some(Process {
            pid: Some(7),
            ..Process::default()
        }),
        ..Report::default()
    }
}

const FAST: &str = "/app/_fast.cpython-312-x86_64-linux-gnu.so";

#[test]
fn titles() {
    let fast = |name: &str| format!("{name}@{FAST}");
    let cases: &[(&str, Vec<String>, &str)] = &[
        (
            "stops at the first function of an image of its own",
            vec![
                fast("flush"),
                fast("caller"),
                "~cfunction_call".into(),
                "py:pkg.io.write@/app/pkg/io.py".into(),
            ],
            "SIGSEGV in flush (_fast) <- pkg.io.write",
        ),
        (
            "a function of the C library, which has a name only with its symbols, is left out",
            vec![
                "__strlen_evex@/lib/libc.so.6".into(),
                fast("flush"),
                "py:pkg.io.write@/app/pkg/io.py".into(),
            ],
            "SIGSEGV in flush (_fast) <- pkg.io.write",
        ),
        (
            "the abort machinery and the allocator are skipped",
            vec![
                "__pthread_kill_implementation@/lib/libc.so.6".into(),
                "raise@/lib/libc.so.6".into(),
                "abort@/lib/libc.so.6".into(),
                "malloc_printerr@/lib/libc.so.6".into(),
                "_int_free@/lib/libc.so.6".into(),
                "free@/lib/libc.so.6".into(),
                fast("release.part.0"),
                "py:pkg.io.close@/app/pkg/io.py".into(),
            ],
            "SIGSEGV in release (_fast) <- pkg.io.close",
        ),
        (
            "handlers that raised the signal again are cut off",
            vec![
                "raise@/lib/libc.so.6".into(),
                "faulthandler_fatal_error".into(),
                "!__restore_rt@/lib/libc.so.6".into(),
                fast("flush"),
            ],
            "SIGSEGV in flush (_fast)",
        ),
        (
            "a record of the handler may begin in it",
            vec!["?@/x/libcoldframe_handler.so".into(), fast("flush")],
            "SIGSEGV in flush (_fast)",
        ),
        (
            "ours, which calls them, is no handler of the program's",
            vec![
                "raise@/lib/libc.so.6".into(),
                "on_entry@/x/libcoldframe_handler.so".into(),
                "!__restore_rt@/lib/libc.so.6".into(),
                fast("flush"),
            ],
            "SIGSEGV in flush (_fast)",
        ),
        (
            "a handler of the program's own that crashed is not",
            vec![fast("on_alarm"), "!__restore_rt@/lib/libc.so.6".into(), fast("flush")],
            "SIGSEGV in on_alarm (_fast)",
        ),
        (
            "inlined functions of the interpreter differ between versions",
            vec![
                "+get_state".into(),
                "PyList_New".into(),
                fast("make"),
                "py:a.b@/app/a.py".into(),
            ],
            "SIGSEGV in PyList_New <- make (_fast) <- a.b",
        ),
        (
            "of the interpreter, the function that Python called",
            vec![
                "listiter_next".into(),
                "builtin_sum".into(),
                "~cfunction_vectorcall_O".into(),
                "py:a.b@/app/a.py".into(),
            ],
            "SIGSEGV in builtin_sum (python) <- a.b",
        ),
        (
            "beside a function of the program, those of the interpreter that have names without symbols, too",
            vec![
                "visit_decref".into(),
                fast("node_traverse"),
                "subtract_refs".into(),
                "py:a.b@/app/a.py".into(),
            ],
            "SIGSEGV in node_traverse (_fast) <- a.b",
        ),
        (
            "functions of Python's headers are inlined into the program",
            vec![
                "_Py_Dealloc".into(),
                format!("+Py_DECREF@{FAST}"),
                fast("drop"),
                "py:a.b@/app/a.py".into(),
            ],
            "SIGSEGV in _Py_Dealloc <- drop (_fast) <- a.b",
        ),
        (
            "of the C library, the function that was called",
            vec![
                "__strlen_evex@/lib/libc.so.6".into(),
                "__vfprintf_internal@/lib/libc.so.6".into(),
                "__vsnprintf_internal@/lib/libc.so.6".into(),
                "snprintf@/lib/libc.so.6".into(),
                "?@/usr/lib/libffi.so.8".into(),
                "PyObject_Something".into(),
                "py:a.b@/app/a.py".into(),
            ],
            "SIGSEGV in snprintf (libc) <- a.b",
        ),
        (
            "the C++ library's templates are in the program's image",
            vec![
                "std::__throw_out_of_range_fmt(char const*, ...)@/lib/libstdc++.so.6".into(),
                fast("std::vector<int, std::allocator<int> >::_M_range_check(unsigned long) const"),
                fast("element"),
                "py:a.b@/app/a.py".into(),
            ],
            "SIGSEGV in element (_fast) <- a.b",
        ),
        (
            "without symbols, the image and the Python function",
            vec![
                format!("?@{FAST}"),
                "~cfunction_call".into(),
                "py:pkg.io.write@/app/pkg/io.py".into(),
            ],
            "SIGSEGV in _fast <- pkg.io.write",
        ),
        (
            "the program's own Python function, not that of a library between",
            vec![
                fast("flush"),
                "py:functools.wrapper@/usr/lib/python3.12/functools.py".into(),
                "py:_pytest.python.pytest_pyfunc_call@/v/lib/python3.12/site-packages/_pytest/python.py".into(),
                "py:importlib._bootstrap._call@<frozen importlib._bootstrap>".into(),
                "py:__main__.<listcomp>@/app/tool.py".into(),
                "py:__main__.run@/app/tool.py".into(),
            ],
            "SIGSEGV in flush (_fast) <- tool.run",
        ),
        (
            "ctypes passes calls on",
            vec![
                "?@/usr/lib/libffi.so.8".into(),
                "_call_function_pointer@/usr/lib/python3.12/lib-dynload/_ctypes.cpython-312-x86_64-linux-gnu.so".into(),
                "py:a.b@/app/a.py".into(),
            ],
            "SIGSEGV <- a.b",
        ),
    ];
    for (what, frames, title) in cases {
        let frames: Vec<&str> = frames.iter().map(String::as_str).collect();
        let signature = sign(&report("SIGSEGV", &frames)).unwrap();
        assert_eq!(
            signature.title.as_deref(),
            Some(*title),
            "{what}: {:#?}",
            signature.explain
        );
    }
}

#[test]
fn what_changes_between_builds_does_not_change_the_key() {
    let one = sign(&report(
        "SIGSEGV",
        &[
            "__memcpy_avx_unaligned@/lib/libc.so.6",
            &format!("flush.cold@{FAST}"),
            "py:__main__.run@/a/tool.py",
        ],
    ));
    let other = sign(&report(
        "SIGBUS",
        &[
            "__memcpy_evex@/lib/libc-2.31.so",
            "flush.isra.0@/x/_fast.cpython-38-x86_64-linux-gnu.so",
            "py:__main__.main@/b/other.py",
        ],
    ));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.key, other.key);
    assert_ne!(one.call_site_key, other.call_site_key);
}

#[test]
fn causes_in_the_runtime_are_told_apart_by_python() {
    let key = |function: &str| {
        sign(&report(
            "SIGABRT",
            &["abort@/lib/libc.so.6", &format!("py:{function}@/a/t.py")],
        ))
        .unwrap()
        .key
    };
    assert_ne!(key("t.one"), key("t.two"));
}

#[test]
fn an_abort_in_a_library_without_symbols_is_the_same_abort() {
    let named = sign(&report("SIGABRT", &["abort@/lib/libc.so.6", "py:t.one@/a/t.py"])).unwrap();
    let unnamed = sign(&report("SIGABRT", &["?@/lib/libc.so.6", "py:t.one@/a/t.py"])).unwrap();
    assert_eq!(named.key, unnamed.key);
    let mut fault = report("SIGSEGV", &["?@/lib/libc.so.6", "py:t.one@/a/t.py"]);
    assert!(sign(&fault).unwrap().incomplete);
    // One that was raised.
    fault.crash.as_mut().unwrap().sender = Some(crate::report::model::Sender::default());
    assert!(!sign(&fault).unwrap().incomplete);
}

#[test]
fn it_was_going_to_abort_whatever_it_died_of_then() {
    let give_up = format!("give_up@{FAST}");
    let aborted = [
        "abort@/lib/libc.so.6",
        "fatal_error",
        "_Py_FatalErrorFunc",
        give_up.as_str(),
    ];
    let faulted = [
        "_PyFaulthandler_Fini",
        "fatal_error_exit",
        "_Py_FatalErrorFunc",
        give_up.as_str(),
    ];
    let aborted = sign(&report("SIGABRT", &aborted)).unwrap();
    let faulted = sign(&report("SIGSEGV", &faulted)).unwrap();
    assert_eq!(aborted.key, faulted.key);
    assert_eq!(faulted.title.as_deref(), Some("SIGSEGV in give_up (_fast)"));
}

#[test]
fn which_check_of_the_allocator_fails_is_chance() {
    let sign = |message: &str| {
        let mut report = report("SIGABRT", &["abort@/lib/libc.so.6", "py:t.one@/a/t.py"]);
        report.crash.as_mut().unwrap().message = Some(message.into());
        sign(&report).unwrap()
    };
    let (one, other) = (sign("free(): invalid size"), sign("double free or corruption (out)"));
    assert_eq!(one.key, other.key);
    assert_eq!(one.title.as_deref(), Some("SIGABRT (free(): invalid size) <- t.one"));
    assert_ne!(one.key, sign("*** stack smashing detected ***: terminated").key);
}

#[test]
fn where_the_standard_library_is_and_its_symbols_do_not_matter() {
    let sign = |frames: &[&str]| {
        let signature = sign(&report("SIGSEGV", &[frames, &["~call", "py:t.one@/a/t.py"]].concat())).unwrap();
        let site = (signature.kind, signature.module, signature.python);
        (signature.key, site, signature.incomplete)
    };
    let built_in = sign(&["mmap_item", "mmap_subscript"]);
    let file = sign(&["mmap_subscript@/usr/lib/python3.12/lib-dynload/mmap.cpython-312-x86_64-linux-gnu.so"]);
    assert_eq!(built_in, file);
    // It joins the one group of that place.
    for between in ["?", "~?"] {
        let stripped = sign(&["?@/lib/libc.so.6", "PyObject_GetItem", between]);
        assert!(stripped.2 && !file.2);
        assert_eq!(stripped.1, file.1);
    }
}

#[test]
fn an_overflow_is_what_repeats() {
    let walk = format!("walk@{FAST}");
    let leaf = format!("leaf@{FAST}");
    let repeat = ["py:tree.visit@/a/tree.py", walk.as_str()].repeat(500);
    let sign = |top: &[&str]| {
        let mut report = report("SIGSEGV", &[top, &repeat].concat());
        report.findings.push(Finding {
            id: "stack-overflow".into(),
            confidence: crate::report::model::Confidence::Certain,
            ..Finding::default()
        });
        sign(&report).unwrap()
    };
    let (one, other) = (sign(&[]), sign(&[&leaf]));
    assert_eq!(one.key, other.key);
    assert_eq!(
        one.title.as_deref(),
        Some("SIGSEGV (stack overflow) in walk (_fast) <- tree.visit")
    );
}

#[test]
fn an_overflow_without_symbols_joins_the_one_with_them() {
    let of = |function: &str| {
        let frame = format!("{function}@{FAST}");
        let mut report = report(
            "SIGSEGV",
            &[[frame.as_str()].repeat(500), vec!["py:tree.visit@/a/tree.py"]].concat(),
        );
        report.findings.push(Finding {
            id: "stack-overflow".into(),
            confidence: crate::report::model::Confidence::Certain,
            ..Finding::default()
        });
        sign(&report).unwrap()
    };
    let (named, stripped) = (of("walk"), of("?"));
    assert!(stripped.incomplete && !named.incomplete);
    assert_eq!(
        (&named.kind, &named.module, &named.python),
        (&stripped.kind, &stripped.module, &stripped.python)
    );
}

#[test]
fn nothing_happened_nothing_is_signed() {
    let mut report = report("SIGSEGV", &["work"]);
    report.crash = None;
    assert_eq!(sign(&report), None);
    report.trigger = Some(Trigger::Timeout);
    assert_eq!(sign(&report).unwrap().kind.as_deref(), Some("HANG"));
}
