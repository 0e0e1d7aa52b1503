//! Programs of every kind under the handler: they print and return what they do without it. `tests/ordinary-programs`
//! prints the table.

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

use crate::harness::{COLDFRAME, Folder, bare, output, skip, stderr};
use crate::tools::find_program;

/// A program and what it is to do: a line for sh(1) in an empty folder. The words before the colon, where there is one,
/// are programs that not every machine has; without one of them the row is skipped, and says so.
const ROWS: [(&str, &str); 66] = [
    // coreutils
    ("true", "true"),
    ("false", "false"),
    ("echo", "echo a b"),
    ("cat", "cat /etc/passwd; cat /nonexistent"),
    ("ls", "ls -1 /usr/bin | head -n 50; ls /nonexistent"),
    ("sort", "sort -r /etc/passwd"),
    ("uniq", "printf 'a\na\nb\n' | uniq -c"),
    ("wc", "wc /etc/passwd"),
    ("tail", "tail -n 3 /etc/passwd"),
    ("yes", "yes | head -n 3"),
    ("tr", "echo abc | tr a-c x-z"),
    ("cut", "cut -d: -f1 /etc/passwd"),
    ("join", "seq 3 > a; seq 2 4 > b; join a b; comm a b; paste a b"),
    ("seq", "seq 1 2 9"),
    ("factor", "factor 600851475143"),
    ("sha256sum", "sha256sum /etc/passwd"),
    ("base64", "base64 /etc/passwd"),
    ("date", "date -u -d @86400"),
    ("env", "env -i A=b env"),
    ("id", "id; uname -a"),
    ("stat", "stat -c '%n %s %a' /etc/passwd"),
    ("dd", "dd if=/dev/zero bs=1k count=4 status=none | wc -c"),
    ("cp", "cp /etc/passwd a; ln a b; mv a c; mkdir d; rmdir d; rm b; ls"),
    ("tee", "echo a | tee b c; cat b c"),
    ("timeout", "timeout -s SEGV 0.1 sleep 9"),
    ("kill", "sh -c 'kill -TERM $$'; echo $?"),
    ("nice", "nice -n 5 nice; nohup echo a"),
    // Text, files, archives
    ("grep", "grep -n root /etc/passwd; grep x /nonexistent"),
    ("sed", "sed -e 's/:.*//' /etc/passwd"),
    ("awk", "awk -F: '{ n += $3 } END { print n }' /etc/passwd"),
    ("find", "find /etc -maxdepth 1 -name 'p*' | sort"),
    ("xargs", "seq 9 | xargs -n 2 -P 1 echo"),
    ("diff", "seq 3 > a; seq 4 > b; diff a b"),
    ("tar", "tar -cf a.tar -C /etc passwd group; tar -tf a.tar"),
    ("gzip", "gzip -nc /etc/passwd | gzip -d | sha256sum"),
    ("xz: xz", "xz -T2 -c /etc/passwd | xz -d | sha256sum"),
    ("zstd: zstd", "zstd -qc /etc/passwd | zstd -dc | sha256sum"),
    ("bzip2: bzip2", "bzip2 -c /etc/passwd | bzip2 -d | sha256sum"),
    // Shells and interpreters
    ("dash", "dash -c 'trap \"echo bye\" EXIT; exit 3'"),
    (
        "bash",
        "bash -c 'trap \"echo term\" TERM; kill $$; sleep 0 & wait; set -o pipefail; false | true; exit $?'",
    ),
    (
        "bash, traps of crashes",
        "bash -c 'trap \"echo abrt\" ABRT; kill -ABRT $$; trap; exit 4'",
    ),
    (
        "perl",
        "perl -e '$SIG{SEGV} = sub { print \"caught\\n\" }; kill SEGV => $$; system(\"true\"); print fork() ? (wait(), \"p\\n\")[1] : exit 5'",
    ),
    (
        "python3",
        "python3 -c 'import subprocess, threading, faulthandler; faulthandler.enable(); t = threading.Thread(target=print, args=(1,)); t.start(); t.join(); print(subprocess.run([\"false\"]).returncode)'",
    ),
    ("tclsh: tclsh", "echo 'puts [expr 6*7]; exit 2' | tclsh"),
    (
        "sqlite3: sqlite3",
        "sqlite3 a.db 'create table t(n); insert into t values(42); select * from t'",
    ),
    ("jq: jq", "echo '{\"a\": [1, 2]}' | jq -c .a"),
    ("lua: lua", "lua -e 'print(6*7) os.exit(2)'"),
    ("ruby: ruby", "ruby -e 'puts 6*7; Thread.new { puts 1 }.join; exit 2'"),
    (
        "node: node",
        "node -e 'console.log(6*7); new Worker; ' ; node -e 'const {Worker} = require(\"worker_threads\"); new Worker(\"console.log(1)\", {eval: true}).on(\"exit\", () => process.exit(3))'",
    ),
    (
        "node, WebAssembly: node",
        "node -e 'const code = new Uint8Array([0,97,115,109,1,0,0,0,1,5,1,96,0,1,127,3,2,1,0,5,3,1,0,1,7,5,1,1,102,0,0,10,11,1,9,0,65,127,40,2,0,11]); const f = new WebAssembly.Instance(new WebAssembly.Module(code)).exports.f; try { f() } catch (error) { console.log(error.message) }'",
    ),
    ("java: java", "java -XX:-UsePerfData -version; echo $?"),
    (
        "java, null checks: java",
        "printf 'public class A { int n; static int f(A a) { return a.n; } public static void main(String[] x) { int c = 0; for (int i = 0; i < 50000; i++) try { f(i %% 10 == 0 ? null : new A()); } catch (NullPointerException e) { c++; } System.out.println(c); System.exit(6); } }' > A.java && java -XX:-UsePerfData A.java",
    ),
    // Building
    (
        "git: git",
        "export HOME=$PWD GIT_AUTHOR_DATE='1 +0000' GIT_COMMITTER_DATE='1 +0000'; git init -q -b main . && git config user.email a@b && git config user.name a && echo x > f && git add f && git commit -qm m && git log && git gc -q && git fsck",
    ),
    (
        "make: make",
        "printf 'a: b\\n\\tcp b a\\nb:\\n\\techo x > b\\n' > Makefile; make -j2; make",
    ),
    (
        "gcc: gcc",
        "echo 'int main(void) { return 7; }' > a.c && gcc a.c && ./a.out",
    ),
    (
        "gcc with an error: gcc",
        "echo 'int main(void) { return x; }' > a.c; gcc a.c",
    ),
    (
        "g++, an exception: g++",
        "printf '#include <iostream>\\n#include <thread>\\n#include <stdexcept>\\nint main() { std::thread t([] { try { throw std::runtime_error(\"x\"); } catch (std::exception &e) { std::cout << e.what() << std::endl; } }); t.join(); return 8; }' > a.cc && g++ -pthread a.cc && ./a.out",
    ),
    ("readelf: readelf", "readelf -h /bin/sh; objdump -p /bin/sh | head -n 5"),
    ("gdb: gdb", "gdb -nx -batch -ex 'p 6*7'"),
    // Other ways to be loaded
    (
        "a static one: gcc",
        "echo 'int puts(const char *); int main(void) { puts(\"s\"); return 7; }' > a.c && gcc -w -static a.c && ./a.out",
    ),
    (
        "a musl one: musl-gcc",
        "echo 'int puts(const char *); int main(void) { puts(\"m\"); return 7; }' > a.c && musl-gcc -w a.c && ./a.out",
    ),
    (
        "a static musl one: musl-gcc",
        "echo 'int puts(const char *); int main(void) { puts(\"m\"); return 7; }' > a.c && musl-gcc -w -static a.c && ./a.out",
    ),
    (
        "AddressSanitizer: gcc",
        "echo 'int puts(const char *); int main(void) { puts(\"a\"); return 7; }' > a.c && gcc -w -fsanitize=address a.c && ./a.out",
    ),
    (
        "UBSan: gcc",
        "echo 'int main(int n, char **a) { return 2147483647 + n > 0; }' > a.c && gcc -w -fsanitize=undefined a.c && ./a.out",
    ),
    (
        "32 bits: gcc -m32",
        "echo 'int puts(const char *); int main(void) { puts(\"32\"); return 7; }' > a.c && gcc -m32 -w a.c && ./a.out",
    ),
    ("busybox: busybox", "busybox sh -c 'busybox ls /etc/passwd; exit 9'"),
];

/// Why a row cannot run here.
fn missing(name: &str, folder: &Folder) -> Option<String> {
    let (_, needs) = name.split_once(": ")?;
    let mut words = needs.split_whitespace();
    let tool = words.next()?;
    if find_program(tool).is_none() {
        return Some(format!("{tool} is not installed"));
    }
    let flag = words.next()?;
    fs::write(folder.join("try.c"), "#include <stdio.h>\nint main(void) { return 0; }").expect("a source");
    let mut compile = Command::new(tool);
    compile
        .arg(flag)
        .arg(folder.join("try.c"))
        .arg("-o")
        .arg(folder.join("try"));
    let made = compile.output().is_ok_and(|made| made.status.success());
    let runs = made
        && Command::new(folder.join("try"))
            .status()
            .is_ok_and(|status| status.success());
    (!runs).then(|| format!("{tool} {flag} makes no program that runs"))
}

/// The variables of `coldframe env`.
fn variables(folder: &Folder) -> Vec<(String, String)> {
    let mut process = bare(COLDFRAME.as_ref(), folder);
    process
        .args(["env", "--format", "json", "--report", "none", "-o"])
        .arg(folder.join("dumps"));
    let result = output(process);
    let facts: Value =
        serde_json::from_slice(&result.stdout).unwrap_or_else(|error| panic!("{error}: {}", stderr(&result)));
    let variables = facts["variables"].as_object().expect("variables").iter();
    variables
        .map(|(name, value)| (name.clone(), value.as_str().expect("a string").to_string()))
        .collect()
}

fn run(folder: &Folder, line: &str, variables: &[(String, String)]) -> Output {
    let place: PathBuf = folder.join("place");
    let _ = fs::remove_dir_all(&place);
    fs::create_dir(&place).expect("an empty folder");
    let mut process = bare("/bin/sh".as_ref(), folder);
    process
        .args(["-c", line])
        .current_dir(&place)
        .envs(variables.iter().cloned());
    output(process)
}

#[test]
fn ordinary_programs_run_as_without_it() {
    let folder = Folder::new();
    let variables = variables(&folder);
    // Past the harness, which keeps what a test prints that passes.
    let mut screen = std::io::stderr();
    let is_table = env::var_os("COLDFRAME_TABLE").is_some();
    let (mut tried, mut failed) = (0, Vec::new());
    for (name, line) in ROWS {
        if let Some(why) = missing(name, &folder) {
            // Not a failure anywhere: no machine need have all of them.
            let _ = writeln!(screen, "SKIP: {name}: {why}");
            continue;
        }
        tried += 1;
        let without = run(&folder, line, &[]);
        let with = run(&folder, line, &variables);
        let verdict = if with == without { "same" } else { "DIFFERENT" };
        if is_table {
            let _ = writeln!(
                screen,
                "{:28} {verdict:10} {}",
                name.split(": ").next().unwrap_or(name),
                with.status
            );
        }
        if with != without {
            failed.push(format!("{name}\nwithout: {without:?}\nwith: {with:?}"));
        }
    }
    let _ = writeln!(screen, "{tried} programs, {} different", failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    if tried < 50 {
        skip(&format!("fifty ordinary programs: {tried} are here"));
    }
}
