//! `analyze` and what it cannot read: one clear message, or a partial report with notes; never a panic.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use coldframe::source::streams::stream_type;

use crate::harness::{COLDFRAME, Folder, bare, coldframe_run, output, python, run_c, skip, stderr};

fn analyze(folder: &Folder, arguments: &[&OsStr]) -> Output {
    let mut process = bare(COLDFRAME.as_ref(), folder);
    process.arg("analyze").args(arguments);
    let started = Instant::now();
    let result = output(process);
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{arguments:?} took too long"
    );
    assert!(!stderr(&result).contains("panicked"), "{}", stderr(&result));
    result
}

/// Asserts exit code 1, nothing on stdout and one line on stderr that holds these words.
fn assert_refused(result: &Output, words: &[&str]) {
    let text = stderr(result);
    assert_eq!(result.status.code(), Some(1), "{text}");
    assert!(result.stdout.is_empty());
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("coldframe: "), "{text}");
    for word in words {
        assert!(text.contains(word), "{word}: {text}");
    }
}

/// A dump of a Python that crashed, in the folder's `dumps`.
fn real_dump(folder: &Folder) -> Option<PathBuf> {
    let python = python()?;
    let script = "import ctypes\ndef crash(value):\n    ctypes.string_at(0)\ncrash('a value')";
    output(coldframe_run(
        folder,
        &[python.as_os_str(), "-c".as_ref(), script.as_ref()],
    ));
    only_dump(folder)
}

fn only_dump(folder: &Folder) -> Option<PathBuf> {
    let mut files = fs::read_dir(folder.join("dumps")).expect("a dump folder").flatten();
    let file = files.next().expect("a dump").path();
    assert!(files.next().is_none());
    Some(file)
}

fn write(folder: &Folder, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).expect("the file");
    path
}

#[test]
fn files_of_other_kinds() {
    let folder = Folder::new();
    let core = [b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x04\0".as_slice(), &[0; 100]].concat();
    let cases: [(&str, &[u8], &str, &str); 9] = [
        ("empty.dmp", b"", "is empty", "copy it again"),
        (
            "text.dmp",
            b"Traceback (most recent call last):\n",
            "but text",
            "give the .dmp file",
        ),
        ("core", &core, "core of another kind of machine", "x86_64"),
        ("dump.gz", b"\x1f\x8b\x08\0\0\0\0\0", "gzip data", "copy the file again"),
        ("dump.zst", b"\x28\xb5\x2f\xfd\0\0", "zstd data", "copy the file again"),
        ("zeros", &[0; 700], "zeros", "copy"),
        ("header", b"MDMP", "cut short", "copy the file again"),
        (
            "binary",
            b"\x80\x81\x82\xff\xfe",
            "unknown kind",
            "give a file that coldframe",
        ),
        (
            "many",
            &[b"MDMP\x93\xa7\0\0\xff\xff\xff\xff".as_slice(), &[0; 60]].concat(),
            "damaged",
            "copy the file again",
        ),
    ];
    for (name, bytes, what, next) in cases {
        let path = write(&folder, name, bytes);
        let name = path.display().to_string();
        assert_refused(&analyze(&folder, &[path.as_os_str()]), &[&name, what, next]);
    }
    assert_refused(
        &analyze(&folder, &["/bin/sh".as_ref()]),
        &["/bin/sh", "ELF program", "the dump"],
    );
}

#[test]
fn paths_that_lead_to_no_file() {
    let folder = Folder::new();
    let fifo = folder.join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("mkfifo");
    for (path, words) in [
        (folder.path().to_owned(), &["is a folder", "one dump"][..]),
        (fifo, &["is a pipe", "one dump"]),
        ("/dev/null".into(), &["/dev/null", "is a device"]),
        (
            folder.join("missing.dmp"),
            &["missing.dmp", "No such file", "check the path"],
        ),
        ("-".into(), &["-: is empty", "copy it again"]),
        (folder.join("two\nlines\u{1b}[2J"), &["two\\nlines\\u{1b}[2J"]),
    ] {
        let result = analyze(&folder, &[path.as_os_str()]);
        assert_refused(&result, words);
        assert_eq!(
            stderr(&result).matches("os error").count(),
            usize::from(stderr(&result).contains("cannot be read"))
        );
    }
}

/// As another user, where that can be done.
fn as_nobody(folder: &Folder, arguments: &[&OsStr]) -> Option<Output> {
    if !nix::unistd::geteuid().is_root() {
        skip("only root can become another user");
        return None;
    }
    // The build folder may be closed to others. By another process: a test that forks while this one writes would hold
    // the file open for writing, and it could not be executed (ETXTBSY).
    let program = folder.join("coldframe");
    let copied = Command::new("cp").arg(COLDFRAME).arg(&program).status();
    assert!(copied.expect("cp").success());
    let mut process = bare(program.as_os_str(), folder);
    process.arg("analyze").args(arguments).uid(65534).gid(65534);
    Some(output(process))
}

#[test]
fn what_belongs_to_another_user() {
    let folder = Folder::new();
    let path = write(&folder, "theirs.dmp", b"MDMP");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
    let Some(result) = as_nobody(&folder, &[path.as_os_str()]) else {
        return;
    };
    assert_refused(&result, &["theirs.dmp", "Permission denied", "by their owner only"]);
    let pid = std::process::id().to_string();
    let Some(result) = as_nobody(&folder, &["--pid".as_ref(), pid.as_ref()]) else {
        return;
    };
    assert_refused(
        &result,
        &[&pid, "Permission denied", "as its user or as root", "ptrace_scope"],
    );
}

#[test]
fn processes_that_cannot_be_looked_at() {
    let folder = Folder::new();
    for pid in ["0", "4194305"] {
        let result = analyze(&folder, &["--pid".as_ref(), pid.as_ref()]);
        assert_refused(&result, &["no process", pid, "pid namespace"]);
    }
    let mut shell = bare("/bin/sh".as_ref(), &folder);
    shell.args(["-c", &format!("exec {COLDFRAME} analyze --pid $$")]);
    assert_refused(&output(shell), &["cannot stop itself", "beside it"]);
    // A process that has ended and was not waited for.
    let mut child = Command::new("true").spawn().expect("it starts");
    let stat = format!("/proc/{}/stat", child.id());
    while !fs::read_to_string(&stat).expect("its state").contains(") Z") {
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = child.id().to_string();
    assert_refused(
        &analyze(&folder, &["--pid".as_ref(), pid.as_ref()]),
        &[&pid, "has ended"],
    );
    child.wait().expect("it ends");
}

#[test]
fn wrong_usage_ends_with_2() {
    let folder = Folder::new();
    let file = write(&folder, "x.dmp", b"");
    let file = file.to_str().expect("a path");
    for arguments in [
        &[][..],
        &["--no-such-option", file],
        &["--pid", "many"],
        &["--pid", "1", file],
        &["--thread", "some", file],
        &["--format", "xml", file],
        &["--depth", "-1", file],
    ] {
        let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
        let result = analyze(&folder, &arguments);
        assert_eq!(result.status.code(), Some(2), "{arguments:?}: {}", stderr(&result));
        assert!(stderr(&result).contains("--help"), "{}", stderr(&result));
    }
}

#[test]
fn a_dump_cut_anywhere() {
    let folder = Folder::new();
    let Some(dump) = real_dump(&folder) else { return };
    let whole = fs::read(&dump).expect("the dump");
    let step = whole.len() / 40;
    let lengths = (1..40).map(|i| i * step).chain([4, 12, 31, 32, 100, whole.len() - 1]);
    let mut reports = 0;
    for length in lengths {
        let path = write(&folder, "cut.dmp", &whole[..length]);
        let result = analyze(&folder, &[path.as_os_str()]);
        let (text, message) = (String::from_utf8_lossy(&result.stdout).into_owned(), stderr(&result));
        match result.status.code() {
            Some(0) => {
                reports += 1;
                assert_eq!(message, "");
                assert!(text.contains("SUMMARY: coldframe:"), "{length}: {text}");
                assert!(text.contains("cut short"), "{length} of {}: {text}", whole.len());
            }
            Some(1) => assert_refused(&result, &["cut.dmp", "copy"]),
            other => panic!("{length}: {other:?} {message}"),
        }
    }
    assert!(reports > 20, "{reports}");
}

/// All but the first page is gone once the file is mapped: a wrong report would come of zeros, none of a signal.
#[test]
fn a_file_cut_while_it_is_read() {
    let folder = Folder::new();
    let source = include_str!("programs/cut.c");
    let Some(shim) = folder.compile("gcc", "cut.so", source, &["-shared", "-fPIC"]) else {
        return;
    };
    let Some(dump) = real_dump(&folder) else { return };
    let core = folder.join("core");
    let mut export = bare(COLDFRAME.as_ref(), &folder);
    export.arg("export-core").arg(&dump).arg("-o").arg(&core);
    assert!(output(export).status.success());
    let program = folder.join("program");
    fs::copy(COLDFRAME, &program).expect("a copy");
    for (command, file) in [("analyze", &dump), ("analyze", &core), ("layout", &program)] {
        let mut process = bare(COLDFRAME.as_ref(), &folder);
        process.arg(command).arg(file).env("LD_PRELOAD", &shim).env("CUT", file);
        assert_refused(
            &output(process),
            &["was cut short while it was read", "run the command again"],
        );
        assert_eq!(fs::metadata(file).expect("the file").len(), 4096);
    }
}

#[test]
fn a_dump_with_bytes_overwritten() {
    let folder = Folder::new();
    let Some(dump) = real_dump(&folder) else { return };
    let whole = fs::read(&dump).expect("the dump");
    // The same garbage in every run (xorshift).
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..40 {
        let mut bytes = whole.clone();
        // Headers and lists are at the beginning.
        let within = if round % 2 == 0 {
            4096.min(bytes.len())
        } else {
            bytes.len()
        };
        for _ in 0..64 {
            let at = random() as usize % within;
            bytes[at] = random() as u8;
        }
        let path = write(&folder, "garbage.dmp", &bytes);
        let result = analyze(&folder, &[path.as_os_str()]);
        match result.status.code() {
            Some(0) => assert_eq!(stderr(&result), ""),
            Some(1) => assert_refused(&result, &["garbage.dmp"]),
            other => panic!("{round}: {other:?} {}", stderr(&result)),
        }
    }
}

/// Puts `content` over the beginning of a stream, and blanks over its rest.
fn overwrite(bytes: &mut [u8], stream: u32, content: &[u8]) {
    let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let (count, directory) = (word(bytes, 8) as usize, word(bytes, 12) as usize);
    let entry = (0..count)
        .map(|i| directory + i * 12)
        .find(|&at| word(bytes, at) == stream)
        .expect("the stream");
    let (size, at) = (word(bytes, entry + 4) as usize, word(bytes, entry + 8) as usize);
    assert!(content.len() <= size, "{} bytes do not fit into {size}", content.len());
    let place = &mut bytes[at..at + size];
    place.fill(b' ');
    place[..content.len()].copy_from_slice(content);
}

#[test]
fn streams_of_ours_that_are_no_json() {
    let folder = Folder::new();
    let Some(dump) = real_dump(&folder) else { return };
    let whole = fs::read(&dump).expect("the dump");
    for (stream, name) in [
        (stream_type::CONTEXT, "context"),
        (stream_type::LAYOUT, "layout"),
        (stream_type::SYMBOLS, "symbols"),
        (stream_type::SOURCES, "sources"),
    ] {
        for content in ["{\"version\":", "[[[[[[[[", "nonsense", "\"\"", "\u{1b}"] {
            let mut bytes = whole.clone();
            overwrite(&mut bytes, stream, content.as_bytes());
            let path = write(&folder, "corrupt.dmp", &bytes);
            let result = analyze(&folder, &[path.as_os_str()]);
            assert_eq!(result.status.code(), Some(0), "{name}: {}", stderr(&result));
            let text = String::from_utf8_lossy(&result.stdout).into_owned();
            assert!(
                text.contains(&format!("the {name} stream of the dump is cut short or damaged")),
                "{name}: {text}"
            );
            assert!(text.contains("SIGSEGV") && text.contains("SUMMARY"), "{name}: {text}");
        }
    }
}

#[test]
fn strings_of_a_hostile_dump() {
    let folder = Folder::new();
    let Some(dump) = real_dump(&folder) else { return };
    let mut bytes = fs::read(&dump).expect("the dump");
    let hostile = "\\u001b]0;x\\u0007\\r\\nSUMMARY: coldframe: all is well\\u202e\\u0000\\ud83d\\ude00";
    let context = format!(
        "{{\"version\":1,\"trigger\":\"{hostile}\",\"process\":{{\"pid\":7,\"command\":[\"{hostile}\"],\"executable\":\"{hostile}\",\"os\":\"{hostile}\"}},\
         \"notes\":[{{\"area\":\"{hostile}\",\"what\":\"{hostile}\"}}],\"fs_base\":{{\"1\":18446744073709551615}}}}"
    );
    overwrite(&mut bytes, stream_type::CONTEXT, context.as_bytes());
    let path = write(&folder, "hostile.dmp", &bytes);
    let result = analyze(&folder, &[path.as_os_str()]);
    assert_eq!(result.status.code(), Some(0), "{}", stderr(&result));
    let text = String::from_utf8_lossy(&result.stdout).into_owned();
    let is_hidden = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!text.contains(is_hidden), "{text:?}");
    assert_eq!(
        text.lines().filter(|line| line.starts_with("SUMMARY:")).count(),
        1,
        "{text}"
    );
}

#[test]
fn a_program_that_is_not_python() {
    let source = "void inner(void) { *(volatile int *)0x18 = 1; } int main(void) { inner(); return 0; }";
    let Some((folder, _)) = run_c("plain_c", source, &["-g", "-O0"]) else {
        return;
    };
    let Some(dump) = only_dump(&folder) else { return };
    let result = analyze(&folder, &[dump.as_os_str()]);
    assert_eq!(result.status.code(), Some(0), "{}", stderr(&result));
    let text = String::from_utf8_lossy(&result.stdout).into_owned();
    assert!(text.contains("SIGSEGV at 0x18"), "{text}");
    assert!(text.contains("inner") && text.contains("main"), "{text}");
    assert_eq!(text.matches("no Python runtime was found").count(), 1, "{text}");
    assert_eq!(notes(&text), 1, "{text}");
}

fn notes(text: &str) -> usize {
    let notes = text.lines().skip_while(|line| *line != "Notes").skip(1);
    notes
        .take_while(|line| line.starts_with("  "))
        .filter(|line| !line.starts_with("    "))
        .count()
}

#[test]
fn a_reader_that_has_seen_enough() {
    let folder = Folder::new();
    let Some(dump) = real_dump(&folder) else { return };
    let mut process = bare(COLDFRAME.as_ref(), &folder);
    let mut child = process
        .args(["analyze", "--format", "json"])
        .arg(&dump)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(child.stdout.take());
    let result = child.wait_with_output().expect("it ends");
    assert_eq!((result.status.code(), stderr(&result).as_str()), (Some(0), ""));
    // A full disk is another matter.
    let full = |name: &str| fs::OpenOptions::new().write(true).open(name).expect("a device");
    let mut process = bare(COLDFRAME.as_ref(), &folder);
    process.arg("analyze").arg(&dump).stdout(full("/dev/full"));
    assert_refused(&output_of_stderr(process), &["standard output", "No space left"]);
    let mut process = bare(COLDFRAME.as_ref(), &folder);
    process
        .arg("analyze")
        .arg(folder.join("missing"))
        .stderr(full("/dev/full"));
    assert_eq!(
        process.status().expect("it runs").code(),
        Some(1),
        "a message that nobody gets"
    );
    let unwritable = Path::new("/proc/self/no/report.txt");
    let arguments = ["-o".as_ref(), unwritable.as_os_str(), dump.as_os_str()];
    assert_refused(&analyze(&folder, &arguments), &["/proc/self/no/report.txt"]);
}

fn output_of_stderr(mut process: Command) -> Output {
    let child = process.stderr(Stdio::piped()).spawn().expect("it starts");
    child.wait_with_output().expect("it ends")
}
