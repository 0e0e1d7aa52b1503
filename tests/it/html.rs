//! The HTML page: what a browser makes of it, and that no string of a report becomes part of its structure.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use coldframe::report::{Report, html, markdown};

use crate::browser;
use crate::harness::{COLDFRAME, Folder, bare, output, python, stderr};
use crate::report::{poison, reports};

/// Whatever a page may consist of.
const ELEMENTS: &str = "a article b body code dd details div dl dt footer h1 h2 h3 head header html i li main mark meta \
                        ol p pre section small span strong style summary table tbody td th thead title tr ul";
const ATTRIBUTES: &str = "charset class content http-equiv id lang name open rel";

pub const ATTACK: &str = "</title></style></code></pre><script>document.title='owned'</script><img src=x onerror=\
    \"document.title='owned'\"><a href='javascript:x'>\"' onmouseover=x <!-- ]]> {{7*7}} {% if %} \x1b[2J\x1b]0;owned\x07\
    \r\n\u{202e}\u{2028}\u{0}";

/// The tags of a page: names and attribute names. Nothing but markup begins with a literal `<`, in our pages as in what
/// a browser writes out; within the style element none occurs.
fn structure(page: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut elements, mut attributes) = (BTreeSet::new(), BTreeSet::new());
    for tag in page.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap_or(tag).trim_start_matches('/');
        if tag.eq_ignore_ascii_case("!doctype html") {
            continue;
        }
        let (name, mut rest) = tag.split_once([' ', '\n']).unwrap_or((tag, ""));
        elements.insert(name.to_string());
        while let Some((name, after)) = rest.split_once('=') {
            let after = after.strip_prefix('"').expect("a quoted attribute");
            let (value, after) = after.split_once('"').expect("the end of an attribute");
            // Links lead elsewhere on the page, or to an issue.
            let is_link = name.trim() == "href" && (value.starts_with('#') || value.starts_with("https://"));
            attributes.extend(name.split_whitespace().filter(|_| !is_link).map(str::to_string));
            rest = after;
        }
        attributes.extend(rest.split_whitespace().map(str::to_string));
    }
    (elements, attributes)
}

pub fn assert_harmless(page: &str, name: &str) {
    let (elements, attributes) = structure(page);
    let known = |list: &str, found: &BTreeSet<String>| {
        let known: BTreeSet<String> = list.split_whitespace().map(str::to_string).collect();
        found.difference(&known).cloned().collect::<Vec<_>>()
    };
    assert_eq!(known(ELEMENTS, &elements), [""; 0], "{name}");
    assert_eq!(known(ATTRIBUTES, &attributes), [""; 0], "{name}");
    let bad = page
        .chars()
        .find(|&c| c != '\n' && (c.is_control() || "\u{202e}\u{2028}".contains(c)));
    assert_eq!(bad, None, "{name}");
    assert!(!page.contains("owned</title>"), "{name}");
}

fn poisoned(report: &Report, attack: &str) -> Report {
    let mut value = serde_json::to_value(report).expect("JSON");
    poison(&mut value, attack);
    serde_json::from_value(value).expect("a report still")
}

#[test]
fn pages_have_their_parts() {
    for (name, report) in reports() {
        let page = html::page(&report).expect("a page");
        assert_harmless(&page, &name);
        assert!(page.contains("default-src 'none'"), "{name}");
        assert!(page.contains("SUMMARY: coldframe: "), "{name}");
        for frame in report.threads.iter().take(1).flat_map(|thread| &thread.frames).take(1) {
            let frame = serde_json::to_value(frame).expect("JSON");
            let function = frame["qualname"].as_str().or(frame["function"].as_str());
            let function = function.expect("a name");
            assert!(page.contains(&format!(">{function}<")), "{name}: {function}");
        }
        for finding in &report.findings {
            assert!(page.contains(finding.title.split(['<', '\'', '&', '"']).next().unwrap_or_default()));
        }
    }
}

#[test]
fn hostile_strings_stay_text() {
    for (name, report) in reports() {
        let page = html::page(&poisoned(&report, ATTACK)).expect("a page");
        assert_harmless(&page, &name);
        assert!(page.contains("&#60;script&#62;"), "{name}");
        let long = html::page(&poisoned(&report, &ATTACK.repeat(500))).expect("a page");
        assert_harmless(&long, &name);
        assert!(long.len() < 8_000_000, "{name}: {} bytes", long.len());
        let text = markdown::render(&poisoned(&report, &ATTACK.repeat(500)));
        assert!(text.chars().count() <= 65_536, "{name}: {}", text.chars().count());
        // Between the code blocks, whose fences the attack cannot end.
        for part in text.split("```").step_by(2) {
            let rest = part.replace("<details><summary>full report</summary>", "");
            assert!(!rest.replace("</details>", "").contains('<'), "{name}: {part}");
        }
    }
}

#[test]
fn a_browser_finds_no_script_in_hostile_strings() {
    let folder = Folder::new();
    for (name, report) in reports() {
        let path = folder.join(format!("{name}.html"));
        fs::write(&path, html::page(&poisoned(&report, ATTACK)).expect("a page")).expect("the page");
        let Some(dom) = browser::dom(&folder, &path) else {
            return;
        };
        assert_harmless(&dom, &name);
        assert!(dom.contains("&lt;script&gt;document.title='owned'"), "{name}: {dom}");
    }
}

/// A crash with hostile names and values, from dump to page.
const PROGRAM: &str = r#"
import ctypes

class Reader:
    def __init__(self):
        self.name = "<script>document.title='owned'</script>\x1b[2J"
        self.table = {"<b>key</b>": [1, 2, {"deep": ("a", "b")}]}

    def read(self, address):
        label = "x" * 10; value = ctypes.string_at(address)
        return value

exec(compile("def outer(reader):\n    reader.read(0)\n", "<img src=x onerror=alert(1)>.py", "exec"))
outer(Reader())
"#;

/// The page of the crash of [`PROGRAM`].
fn crash(folder: &Folder) -> Option<PathBuf> {
    let python = python()?;
    fs::write(folder.join("program.py"), PROGRAM).expect("the program");
    let mut process = bare(COLDFRAME.as_ref(), folder);
    process
        .args(["run", "--report", "none", "-o", "dumps", "--"])
        .arg(python);
    process.arg(folder.join("program.py"));
    output(process);
    let dump = fs::read_dir(folder.join("dumps")).expect("a dump folder").flatten();
    let dump = dump.map(|entry| entry.path()).next().expect("a dump");
    let mut process = bare(COLDFRAME.as_ref(), folder);
    process
        .args(["analyze", "--format", "html", "-o", "crash.html"])
        .arg(&dump);
    let result = output(process);
    assert!(result.status.success(), "{}", stderr(&result));
    Some(folder.join("crash.html"))
}

#[test]
fn a_real_crash_in_a_real_browser() {
    let folder = Folder::new();
    let Some(page) = crash(&folder) else { return };
    let text = fs::read_to_string(&page).expect("the page");
    assert_harmless(&text, "page");
    assert!(text.len() < 1_000_000, "{} bytes", text.len());
    let Some(dom) = browser::dom(&folder, &page) else {
        return;
    };
    assert_harmless(&dom, "DOM");
    for part in [
        "<h1>SIGSEGV at 0x0",
        "<span class=\"function\">Reader.read</span>",
        "&lt;img src=x onerror=alert(1)&gt;.py",
        "value = <mark>ctypes.string_at(address)</mark>",
        "^^^^^</span>",
        "<span class=\"name\">self</span>",
        "&lt;script&gt;document.title='owned'&lt;/script&gt;\\x1b[2J",
        "<p class=\"instruction\"><code>at ",
        "Registers at the fault</summary>",
        "SUMMARY: coldframe: SIGSEGV",
    ] {
        assert!(dom.contains(part), "{part}: {dom}");
    }
    // What unfolds, does so without a script: the program's frames are open, the interpreter's and the standard library's
    // are not.
    let attributes = |function: &str| {
        let before = dom
            .split(&format!("<span class=\"function\">{function}</span>"))
            .next()
            .expect("text");
        let details = before.rsplit("<details").next().expect("an element");
        details.split('>').next().expect("its end").to_string()
    };
    assert_eq!(
        (attributes("string_at").as_str(), attributes("Reader.read").as_str()),
        ("", " open=\"\"")
    );
    assert!(dom.contains("<details open=\"\"><summary>"), "{dom}");
    assert!(dom.contains("interpreter frames</summary>"), "{dom}");
    let light = browser::screenshot(&folder, &page, false).expect("a browser was there");
    let dark = browser::screenshot(&folder, &page, true).expect("a browser was there");
    for picture in [&light, &dark] {
        assert!(picture.starts_with(b"\x89PNG"), "no picture");
        assert!(picture.len() > 20_000, "{} bytes", picture.len());
    }
    assert!(light != dark, "the colours do not follow the browser's");
}
