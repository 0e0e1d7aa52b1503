//! Secrets that are planted in a program are in no dump of it, by its bytes.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::golden::repository;
use crate::harness::{COLDFRAME, Folder, analyze, bare, output, skip, stderr};
use crate::pythons::{Python, pythons};

/// What begins each planted secret. The rest tells where it was planted.
const MARK: &str = "Zq7";

/// Plants secrets, each with a number of its own so that the test can say which one leaked. `made` makes a str at run
/// time, so that no constant and no source line holds it, but where that is what is planted.
const PROGRAM: &str = r#"
import collections, ctypes, functools, logging, os, sys, types

def made(where):
    return ''.join(['Zq', '7', '-', where, '-', 'x9'])

class Client:
    def __init__(self, password):
        self._password = password
        self.user = 'carl'

class Slotted:
    __slots__ = ('api_key', 'host')

Login = collections.namedtuple('Login', 'user passwd')

class Handler(logging.Handler):
    def __init__(self):
        super().__init__()
        self.records = []
    def emit(self, record):
        self.records.append(record)

def crash(password, harmless, listed):
    access_token = made('local')
    copy = access_token
    same_text = 'Authenticated by ' + made('local') + '.'
    as_bytes = made('local').encode()
    config = {'user': 'bob', 'nested': {'apiKey': made('dict'), b'X-Api-Key': made('bytes-key').encode()}}
    client = Client(made('attribute'))
    slotted = Slotted()
    slotted.api_key = made('slot')
    slotted.host = 'localhost'
    login = Login('bob', made('tuple'))
    space = types.SimpleNamespace(cookie=made('space'), name='bob')
    call = functools.partial(print, secret=made('partial'))
    headers = [('Accept', '*/*'), ('Authorization', made('header')), (b'cookie', made('raw-header').encode())]
    credentials = [made('list'), {'login': made('in-list')}, Client(made('instance'))]
    again = credentials[0]
    wide = made('local') + '\u2603'
    url = 'postgres://bob:' + made('url') + '@db/x'
    form = 'user=bob&password=' + made('form')
    body = ('{"user": "bob", "token": "' + made('json') + '"}').encode()
    jwt = 'eyJhbGciOiJIUzI1NiJ9.' + 'eyJzdWIiOiI' + made('jwt').replace('-', '') + '.' + 'c2lnbmF0dXJl'
    key = 'AKIA' + 'ZQ7EXAMPLEKEY123'
    pem = '-----BEGIN PRIVATE KEY-----\n' + 'MIIEvQIBADANBgkq' + made('pem').replace('-', '') + '\n-----END PRIVATE KEY-----\n'
    environ = os.environ
    from_environ = os.environ['SERVICE_PASSWORD']
    custom = made('custom')
    token = None
    secret = True
    password_length = 8
    cookie = ''
    user = 'bob'
    counts = ['one', 'two', 'Zebra']
    log = Handler()
    logging.getLogger().addHandler(log)
    logging.error('login failed with %s', password)
    try:
        raise ValueError('cannot use', made('local'), 'for bob')
    except ValueError:
        try:
            raise KeyError('rejected: ' + password)
        except KeyError:
            literal_password = 'Zq7-literal-x9'
            # A string that C code handled stays on its stack.
            ctypes.string_at(0)

harmless = made('argument')
crash(password=harmless, harmless=harmless, listed=[harmless, {harmless: 'bob'}])
"#;

const AS_JSON: [&str; 4] = ["--thread", "all", "--format", "json"];

/// Runs the program and returns its only dump and what was printed.
fn crash(folder: &Folder, python: &OsStr, options: &[&str], arguments: &[&str]) -> (PathBuf, String) {
    let program = folder.join("program.py");
    fs::write(&program, PROGRAM).expect("the program");
    let _ = fs::remove_dir_all(folder.join("dumps"));
    let mut process = bare(COLDFRAME.as_ref(), folder);
    process.args(["run", "--report", "full", "-o", "dumps"]).args(options);
    process.arg("--").arg(python).arg(program).args(arguments);
    process.env("SERVICE_PASSWORD", "Zq7-environment-x9");
    process.env("PLAIN", "Zq7-plain-environment-x9");
    let text = stderr(&output(process));
    let mut files = fs::read_dir(folder.join("dumps")).expect("a dump folder").flatten();
    let file = files.next().expect("a dump").path();
    assert!(files.next().is_none());
    (file, text)
}

/// What of a text is in these bytes, in any form of a str, with what stands around it.
fn leaks(bytes: &[u8], text: &str) -> Vec<String> {
    let forms: [Vec<u8>; 3] = [
        text.bytes().collect(),
        text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect(),
    ];
    let mut found = Vec::new();
    for form in &forms {
        let places = bytes
            .windows(form.len())
            .enumerate()
            .filter(|(_, window)| window == form);
        found.extend(places.map(|(at, _)| {
            let around = &bytes[at.saturating_sub(32)..bytes.len().min(at + 64)];
            format!("{at:#x}: {}", String::from_utf8_lossy(around).escape_debug())
        }));
    }
    found
}

#[test]
fn planted_secrets_are_in_no_dump() {
    let all = pythons();
    if all.is_empty() {
        return skip("no supported CPython was found");
    }
    for python in &all {
        let folder = Folder::new();
        let arguments = ["--user=bob", "--password", "Zq7-argument-x9", "TOKEN=Zq7-assigned-x9"];
        let options = ["--redact", "^custom$"];
        let (dump, text) = crash(&folder, python.executable.as_os_str(), &options, &arguments);
        let bytes = fs::read(&dump).expect("the dump");
        for mark in [MARK, "ZQ7EXAMPLE"] {
            assert_eq!(leaks(&bytes, mark), [""; 0], "{}", python.version);
            assert!(!text.contains(mark), "{}: {text}", python.version);
        }
        let offline = analyze(&dump, &AS_JSON);
        assert!(!offline.contains(MARK), "{}: {offline}", python.version);
        // What is harmless is there, in both reports.
        let json: serde_json::Value = serde_json::from_str(&offline).expect("a report");
        let redactions = json["capture"]["redactions"].as_u64().unwrap_or_default();
        assert!(redactions > 20, "{}: {redactions}", python.version);
        for shown in [
            "access_token = (redacted)",
            "token = None",
            "secret = True",
            "password_length = 8",
            "password=harmless, harmless=harmless",
            "cookie = ''",
            "user = 'bob'",
            "counts = ['one', 'two', 'Zebra']",
            "'apiKey': <redacted>",
            "('Accept', '*/*'), ('Authorization', <redacted>)",
            "passwd=<redacted>",
            "python",
        ] {
            assert!(text.contains(shown), "{}: {shown} is not in\n{text}", python.version);
        }
        let text = analyze(&dump, &[]);
        for shown in ["access_token = (redacted)", "user = 'bob'", "'apiKey': <redacted>"] {
            assert!(text.contains(shown), "{}: {shown} is not in\n{text}", python.version);
        }
        // C code may have left pointers uninitialized.
        let threads = json["threads"].as_array().expect("threads").iter();
        let frames = threads.flat_map(|thread| thread["frames"].as_array().expect("frames"));
        for frame in frames.filter(|frame| frame["kind"] == "python") {
            assert!(
                !frame.to_string().contains("<unreadable"),
                "{}: {frame}",
                python.version
            );
        }
    }
}

/// What only options keep out: arguments that no name tells to be secret, and parts of strings on native stacks.
#[test]
fn options_keep_more_out() {
    const CRASH: &str = "
import ctypes, sys
arguments = sys.argv[1:]
class Text(ctypes.Structure):
    _fields_ = [('text', ctypes.c_char * 64)]
def made():
    return Text(''.join(reversed('9x-kcats-no-7qZ')).encode())
def called(argument):
    del argument
    ctypes.string_at(0)
    return 0
# Passed by value, so that a copy lies on the native stack.
callback = ctypes.CFUNCTYPE(ctypes.c_int, Text)(called)
callback(made())
";
    let all = pythons();
    if all.is_empty() {
        return skip("no supported CPython was found");
    }
    for python in &all {
        let folder = Folder::new();
        let program = folder.join("program.py");
        fs::write(&program, CRASH).expect("the program");
        let crash = |options: &[&str]| {
            let _ = fs::remove_dir_all(folder.join("dumps"));
            let mut process = bare(COLDFRAME.as_ref(), &folder);
            process.args(["run", "--report", "full", "-o", "dumps"]).args(options);
            process
                .arg("--")
                .arg(&python.executable)
                .arg(&program)
                .args(["Zq7-plain-x9", "--verbose"]);
            let text = stderr(&output(process));
            let mut files = fs::read_dir(folder.join("dumps")).expect("a dump folder").flatten();
            (files.next().expect("a dump").path(), text)
        };
        let (dump, text) = crash(&[]);
        let bytes = fs::read(&dump).expect("the dump");
        assert!(!leaks(&bytes, "Zq7-plain-x9").is_empty(), "{}", python.version);
        assert!(text.contains("'Zq7-plain-x9'"), "{}: {text}", python.version);
        assert!(
            !leaks(&bytes, "Zq7-on").is_empty(),
            "{}: no copy on the stack",
            python.version
        );

        let (dump, text) = crash(&["--no-args", "--sanitize-stacks"]);
        let bytes = fs::read(&dump).expect("the dump");
        assert_eq!(leaks(&bytes, MARK), [""; 0], "{}", python.version);
        assert!(
            !text.contains(MARK) && !text.contains("--verbose"),
            "{}: {text}",
            python.version
        );
        // The stacks are the same without the rest.
        let offline = analyze(&dump, &[]);
        for text in [&text, &offline] {
            assert!(
                text.contains("string_at") && text.contains(" called "),
                "{}: {text}",
                python.version
            );
            assert!(
                text.contains("arguments = [<redacted>, <redacted>]"),
                "{}: {text}",
                python.version
            );
        }
    }
}

/// Secrets in fields of C structures and in variables of C functions, which debug information names.
#[test]
fn secrets_of_native_code_are_in_no_dump() {
    const CRASH: &str = "
import secrets_c
def made(where):
    return ''.join(['Zq', '7-', where, '-x9'])
def connect(account):
    secrets_c.crash(account)
connect(secrets_c.account(made('field-object')))
";
    let mut compared = 0;
    for python in &pythons() {
        let folder = Folder::new();
        let Some(module) = compiled(python, &folder) else {
            continue;
        };
        let program = folder.join("program.py");
        fs::write(&program, CRASH).expect("the program");
        let mut process = bare(COLDFRAME.as_ref(), &folder);
        process.args(["run", "--report", "full", "-o", "dumps", "--"]);
        process.arg(&python.executable).arg(&program);
        process.env("PYTHONPATH", module.parent().expect("a folder"));
        let text = stderr(&output(process));
        let mut files = fs::read_dir(folder.join("dumps")).expect("a dump folder").flatten();
        let dump = files
            .next()
            .unwrap_or_else(|| panic!("{}: {text}", python.version))
            .path();
        let bytes = fs::read(&dump).expect("the dump");
        assert_eq!(leaks(&bytes, MARK), [""; 0], "{}: {text}", python.version);
        let offline = analyze(&dump, &[]);
        for text in [&text, &offline] {
            assert!(!text.contains(MARK), "{}: {text}", python.version);
            for shown in [
                "host = \"localhost\"",
                "access_token = (redacted)",
                "passphrase = (redacted)",
                ".count = 7",
                ".password = (redacted)",
                ".api_key = (redacted)",
                ".token = (redacted)",
                "port = 5432",
            ] {
                assert!(text.contains(shown), "{}: {shown} is not in\n{text}", python.version);
            }
        }
        compared += 1;
    }
    if compared == 0 {
        skip("secrets of native code: no CPython with headers, or no C compiler");
    }
}

/// The extension module of tests/it/programs/secrets.c, where the headers of that Python are at hand.
fn compiled(python: &Python, folder: &Folder) -> Option<PathBuf> {
    let include = Command::new(&python.executable)
        .args(["-c", "import sysconfig; print(sysconfig.get_path('include'))"])
        .output()
        .ok()?;
    let include = String::from_utf8_lossy(&include.stdout).trim().to_string();
    let module = folder.join("secrets_c.so");
    let result = Command::new("cc")
        .args(["-g", "-O0", "-w", "-fPIC", "-shared", "-I", &include, "-o"])
        .arg(&module)
        .arg(repository("tests/it/programs/secrets.c"))
        .output()
        .ok()?;
    result.status.success().then_some(module)
}

/// Secrets of C: locals, an argument, members of structures, behind pointers and in place, one of them under a harmless
/// name as well. Made at run time: no constant holds them.
const NATIVE: &str = r#"
#include <stdlib.h>
#include <string.h>
struct login { const char *user; char password[32]; char *api_key; };
struct config { struct login login, others[2]; int port; };
static char *made(const char *where) {
    char *text = calloc(1, 64);
    return strcat(strcat(strcat(text, "Zq"), "7-"), where);
}
__attribute__((noinline)) static int use(struct config *config, const char *passphrase, const char *harmless, const char *note) {
    char secret_text[64];
    strcpy(secret_text, passphrase);
    char *auth_token = made("token");
    *(volatile int *)0x28 = config->port;
    return secret_text[0] + auth_token[0] + harmless[0] + note[0];
}
int main(void) {
    struct config config = {.login = {.user = "carl"}, .port = 8080};
    char *passphrase = made("argument");
    strcpy(config.login.password, made("member"));
    config.login.api_key = made("key");
    strcpy(config.others[1].password, made("item"));
    return use(&config, passphrase, passphrase, "kept note");
}
"#;

#[test]
fn secrets_in_variables_of_c_are_in_no_dump() {
    let folder = Folder::new();
    let Some(program) = folder.compile("gcc", "secretive", NATIVE, &["-g", "-O0"]) else {
        return;
    };
    let mut process = bare(COLDFRAME.as_ref(), &folder);
    process
        .args(["run", "--report", "full", "-o", "dumps", "--"])
        .arg(program);
    let text = stderr(&output(process));
    let mut files = fs::read_dir(folder.join("dumps")).expect("a dump folder").flatten();
    let dump = files.next().expect("a dump").path();
    assert_eq!(leaks(&fs::read(&dump).expect("the dump"), MARK), [""; 0], "{text}");
    let offline = analyze(&dump, &AS_JSON);
    for report in [&text, &offline] {
        assert!(!report.contains(MARK), "{report}");
        // In hexadecimal.
        assert!(!report.contains("5a 71 37"), "{report}");
        for shown in ["carl", "kept note", "8080", "redacted"] {
            assert!(report.contains(shown), "{shown} is not in {report}");
        }
    }
}
