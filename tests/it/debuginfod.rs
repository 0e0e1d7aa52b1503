//! Debug information from servers: a core whose files were stripped, with a server on loopback that has what they lost.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::cores::{Crash, DEFAULT_FILTER, copy_as, crash, kernel_writes_cores, notes, python_frames};
use crate::harness::{COLDFRAME, Folder, bare, has, output, skip, stderr};
use crate::pythons::{Python, pythons};
use crate::support::http::{Answer, Answers, Server};
use crate::support::tool;

/// Long beyond the limits that the tests set.
const LONG: Duration = Duration::from_secs(120);

/// A core, its files without debug information, and what was taken out of that of CPython.
struct Stripped {
    crash: Crash,
    python: Python,
    root: Folder,
    /// The report with nothing missing.
    whole: Value,
    /// The build id of the library.
    id: String,
    debug: Arc<Vec<u8>>,
}

impl Stripped {
    /// `None`, after a SKIP line, where something is missing.
    fn new() -> Option<Stripped> {
        if !kernel_writes_cores() || !has("objcopy") {
            return None;
        }
        let has_dwarf = |python: &Python| {
            let bytes = fs::read(&python.library).unwrap_or_default();
            bytes.windows(11).any(|window| window == b".debug_info")
        };
        let Some(python) = pythons()
            .into_iter()
            .rfind(|python| !python.is_foreign() && has_dwarf(python))
        else {
            skip("no CPython with debug information in its own file");
            return None;
        };
        let crash = crash(&python.executable, "null_pointer.py", DEFAULT_FILTER);
        let root = Folder::new();
        let whole = report(&crash.folder, &crash.core, Path::new("/"), &[], &[]);
        for module in modules(&whole) {
            copy_as(Path::new(&module), &root, Path::new(&module));
        }
        let debug = crash.folder.join("library.debug");
        let library = python.library.as_os_str();
        let stripped = root.path().join(python.library.strip_prefix("/").unwrap());
        tool("objcopy", &["--only-keep-debug".as_ref(), library, debug.as_os_str()]);
        tool("objcopy", &["--strip-all".as_ref(), library, stripped.as_os_str()]);
        let id = frames(&whole)
            .find(|frame| frame["module"] == python.library.to_str().unwrap())
            .and_then(|frame| Some(frame["build_id"].as_str()?.to_string()))
            .unwrap();
        Some(Stripped {
            debug: Arc::new(fs::read(debug).unwrap()),
            crash,
            python,
            root,
            whole,
            id,
        })
    }

    fn path(&self) -> String {
        format!("/buildid/{}/debuginfo", self.id)
    }

    fn server(&self, answer: Answer) -> Server {
        Server::start(Answers::from([(self.path(), answer)]))
    }

    fn report(&self, servers: &[&str], variables: &[(&str, &str)]) -> Value {
        report(
            &self.crash.folder,
            &self.crash.core,
            self.root.path(),
            servers,
            variables,
        )
    }

    fn forget(&self) {
        let _ = fs::remove_dir_all(self.crash.folder.join("cache"));
    }

    /// Python frames come from the built-in table all the same, and native frames have names from `.dynsym` at most.
    fn assert_without(&self, report: &Value, what: &str) {
        assert_eq!(python_frames(report), python_frames(&self.whole), "{what}");
        let lines = frames(report).filter(|frame| is_of(frame, &self.python.library) && !frame["line"].is_null());
        assert_eq!(lines.count(), 0, "{what}");
    }
}

/// `coldframe analyze CORE --sysroot ROOT --debuginfod ...`
fn report(folder: &Folder, core: &Path, root: &Path, servers: &[&str], variables: &[(&str, &str)]) -> Value {
    let mut process = bare(COLDFRAME.as_ref(), folder);
    process
        .args(["analyze", "--format", "json"])
        .arg(core)
        .arg("--sysroot")
        .arg(root);
    for server in servers {
        process.args(["--debuginfod", server]);
    }
    for name in [
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
    ] {
        process.env_remove(name);
    }
    process.envs(variables.iter().copied());
    let output = output(process);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn frames(report: &Value) -> impl Iterator<Item = &Value> {
    report["threads"][0]["frames"].as_array().unwrap().iter()
}

fn is_of(frame: &Value, library: &Path) -> bool {
    frame["module"] == library.to_str().unwrap()
}

/// The files with frames on the stack.
fn modules(report: &Value) -> BTreeSet<String> {
    let modules = frames(report).filter_map(|frame| frame["module"].as_str());
    modules.map(str::to_string).collect()
}

/// The stack without what comes from files that this machine has debug information of elsewhere.
fn stack(report: &Value, library: &Path) -> Vec<Value> {
    let is_kept = |frame: &&Value| frame["kind"] == "python" || is_of(frame, library);
    frames(report).filter(is_kept).cloned().collect()
}

#[test]
fn what_was_stripped_comes_back() {
    let Some(stripped) = Stripped::new() else { return };
    let library = &stripped.python.library;
    let without = stripped.report(&[], &[]);
    stripped.assert_without(&without, "no server");
    assert!(!notes(&without).contains("debuginfod"), "{}", notes(&without));

    let server = stripped.server(Answer::File(stripped.debug.clone()));
    let with = stripped.report(&[&server.url], &[]);
    assert_eq!(with["python"][0]["layout"]["provider"], "dwarf");
    assert!(
        stack(&with, library) == stack(&stripped.whole, library),
        "{}",
        notes(&with)
    );
    let asked = server.asked();
    assert_eq!(
        asked.iter().filter(|path| **path == stripped.path()).count(),
        1,
        "{asked:?}"
    );
    // For what is on the stack, and for nothing else.
    let ids: BTreeSet<&str> = frames(&with).filter_map(|frame| frame["build_id"].as_str()).collect();
    let is_on_stack = |path: &String| ids.iter().any(|id| path.contains(id));
    assert!(asked.iter().all(is_on_stack), "{asked:?} {ids:?}");

    // From the cache, the servers' no included; and with it only where servers are to be asked.
    let again = stripped.report(&[&server.url], &[]);
    assert_eq!(again["threads"], with["threads"]);
    assert_eq!(server.asked(), Vec::<String>::new());
    stripped.assert_without(&stripped.report(&[], &[]), "no server again");

    // By the variable; a server that does not know, and one that sends on.
    stripped.forget();
    let first = Server::start(Answers::new());
    let second = stripped.server(Answer::Redirect(server.url.clone()));
    let urls = format!("{}/ {}", first.url, second.url);
    let by_variable = stripped.report(&[], &[("DEBUGINFOD_URLS", &urls)]);
    assert_eq!(by_variable["threads"], with["threads"]);
    assert!(first.asked().contains(&stripped.path()));
    // Nothing is kept where there is no cache.
    let uncached = stripped.report(&[&server.url], &[("COLDFRAME_CACHE", "")]);
    assert_eq!(uncached["threads"], with["threads"]);
    server.asked();
    stripped.report(&[&server.url], &[("COLDFRAME_CACHE", "")]);
    assert!(server.asked().contains(&stripped.path()));
    let off = stripped.report(&[], &[("DEBUGINFOD_URLS", "")]);
    assert!(!notes(&off).contains("debuginfod"), "{}", notes(&off));
}

#[test]
fn servers_that_fail() {
    let Some(stripped) = Stripped::new() else { return };
    let other = fs::read("/proc/self/exe").unwrap();
    let patient = ("DEBUGINFOD_TIMEOUT", "20");
    let hasty = ("DEBUGINFOD_TIMEOUT", "1");
    let cases = [
        ("absent", Answer::Status(404), patient, None),
        ("broken", Answer::Status(500), patient, Some("status 500")),
        (
            "another build",
            Answer::File(Arc::new(other)),
            patient,
            Some("is another build"),
        ),
        (
            "no ELF file",
            Answer::File(Arc::new(b"<html>".to_vec())),
            patient,
            Some("not a 64-bit"),
        ),
        (
            "cut short",
            Answer::CutShort(stripped.debug.clone()),
            patient,
            Some("broke off"),
        ),
        ("silent", Answer::Silence(LONG), hasty, Some("DEBUGINFOD_TIMEOUT")),
        (
            "hanging",
            Answer::Hanging(stripped.debug.clone(), LONG),
            hasty,
            Some("DEBUGINFOD_TIMEOUT"),
        ),
        (
            "too large",
            Answer::File(stripped.debug.clone()),
            ("DEBUGINFOD_MAXSIZE", "100000"),
            Some("DEBUGINFOD_MAXSIZE"),
        ),
        (
            "endless",
            Answer::Endless,
            ("DEBUGINFOD_MAXSIZE", "100000"),
            Some("DEBUGINFOD_MAXSIZE"),
        ),
    ];
    for (what, answer, variable, noted) in cases {
        stripped.forget();
        let server = stripped.server(answer);
        let report = stripped.report(&[&server.url], &[variable]);
        stripped.assert_without(&report, what);
        let notes = notes(&report);
        assert_eq!(notes.contains("did not come from"), noted.is_some(), "{what}: {notes}");
        assert!(noted.is_none_or(|noted| notes.contains(noted)), "{what}: {notes}");
        assert!(server.asked().contains(&stripped.path()), "{what}");
        let kept = fs::read_dir(stripped.crash.folder.join("cache/debuginfod-1")).unwrap();
        let kept: Vec<String> = kept
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert!(kept.iter().all(|name| name.ends_with(".without")), "{what}: {kept:?}");
        // Another server is asked next; a no is believed for a while.
        let good = stripped.server(Answer::File(stripped.debug.clone()));
        let report = stripped.report(&[&server.url, &good.url], &[variable]);
        let is_limited = variable.0 == "DEBUGINFOD_MAXSIZE";
        let provider = if is_limited { "built-in" } else { "dwarf" };
        let found = report["python"][0]["layout"]["provider"].as_str().unwrap();
        assert!(
            found == provider || (is_limited && found == "debug-offsets"),
            "{what}: {found}"
        );
        let is_no = ["absent", "another build", "no ELF file"].contains(&what);
        assert_eq!(server.asked().contains(&stripped.path()), !is_no, "{what}");
    }
    stripped.forget();
    // Nobody listens there any more.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let report = stripped.report(&[&format!("http://{free}"), "ftp://localhost"], &[]);
    stripped.assert_without(&report, "nobody");
    assert!(notes(&report).contains("check the address"), "{}", notes(&report));
    assert!(notes(&report).contains("ftp://localhost is not"), "{}", notes(&report));
}

/// Nothing of the other machine is here but the core.
#[test]
fn programs_and_libraries_themselves() {
    let Some(stripped) = Stripped::new() else { return };
    let empty = Folder::new();
    let mut answers = Answers::new();
    for frame in frames(&stripped.whole) {
        if let (Some(module), Some(id)) = (frame["module"].as_str(), frame["build_id"].as_str()) {
            let bytes = Arc::new(fs::read(module).unwrap());
            answers.insert(format!("/buildid/{id}/executable"), Answer::File(bytes));
        }
    }
    let server = Server::start(answers);
    let crash = &stripped.crash;
    let without = report(&crash.folder, &crash.core, empty.path(), &[], &[]);
    assert_eq!(python_frames(&without), Vec::<String>::new());
    let with = report(&crash.folder, &crash.core, empty.path(), &[&server.url], &[]);
    let library = &stripped.python.library;
    assert!(
        stack(&with, library) == stack(&stripped.whole, library),
        "{}",
        notes(&with)
    );
    let asked = server.asked();
    let report = report(&crash.folder, &crash.core, empty.path(), &[&server.url], &[]);
    assert_eq!(report["threads"], with["threads"]);
    assert_eq!(server.asked(), Vec::<String>::new(), "after {asked:?}");
}

/// With a certificate that the machine does not know, and with one that it does.
#[test]
fn over_tls() {
    let Some(stripped) = Stripped::new() else { return };
    if !has("openssl") {
        return;
    }
    let folder = Folder::new();
    let place = folder.join(&stripped.path()[1..]);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    let head = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", stripped.debug.len());
    fs::write(&place, [head.as_bytes(), &stripped.debug].concat()).unwrap();
    let (key, certificate) = (folder.join("key.pem"), folder.join("certificate.pem"));
    // Not the one of openssl itself, which makes certificates of authorities.
    fs::write(folder.join("openssl.cnf"), "[req]\ndistinguished_name = name\n[name]\n").unwrap();
    let mut make = Command::new("openssl");
    make.args([
        "req",
        "-x509",
        "-config",
        "openssl.cnf",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
    ]);
    make.args([
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
        "-keyout",
    ]);
    make.arg(&key).arg("-out").arg(&certificate).current_dir(folder.path());
    assert!(make.stderr(Stdio::null()).status().unwrap().success());
    let Some(server) = TlsServer::start(&folder, &key, &certificate) else {
        return skip("openssl s_server does not start");
    };
    let unknown = stripped.report(&[&server.url], &[]);
    stripped.assert_without(&unknown, "unknown certificate");
    assert!(notes(&unknown).contains("ertificate"), "{}", notes(&unknown));
    let known = stripped.report(&[&server.url], &[("SSL_CERT_FILE", certificate.to_str().unwrap())]);
    let library = &stripped.python.library;
    assert!(
        stack(&known, library) == stack(&stripped.whole, library),
        "{}",
        notes(&known)
    );
}

struct TlsServer {
    child: Child,
    url: String,
}

impl TlsServer {
    /// Serves the files of a folder, which hold their own headers (s_server(1), `-HTTP`).
    fn start(folder: &Folder, key: &PathBuf, certificate: &PathBuf) -> Option<TlsServer> {
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut command = Command::new("openssl");
            command.args(["s_server", "-HTTP", "-quiet", "-accept", &port.to_string(), "-key"]);
            command
                .arg(key)
                .arg("-cert")
                .arg(certificate)
                .current_dir(folder.path());
            let mut child = command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            for _ in 0..500 {
                if child.try_wait().unwrap().is_some() {
                    break;
                }
                if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    let url = format!("https://localhost:{port}");
                    return Some(TlsServer { child, url });
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        None
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
