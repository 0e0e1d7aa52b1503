//! The JUnit XML of a test run that a crash ended: what the runner would have written, had it come to that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;

use super::record::Record;
use super::render::xml;
use crate::report::Report;
use crate::report::text::{self, Form, TextOptions};

/// Tests that are listed at most.
const MOST: usize = 200_000;

/// The test case of a crash after all tests.
const AT_EXIT: &str = "<interpreter shutdown>";

/// One line of a test log: what a runner notes while it goes on, because it may not live to write its report.
#[derive(Debug, Default, Deserialize)]
struct Line {
    /// The process that is going to write the report.
    pid: Option<u32>,
    /// The tests that are going to be run, in order. What was noted of them before is of an earlier run.
    #[serde(default)]
    collected: Vec<String>,
    /// The test that this line is about.
    test: Option<String>,
    /// `started`, `passed`, `failed` or `skipped`.
    outcome: Option<String>,
    /// Seconds.
    duration: Option<f64>,
    /// Why it failed or was skipped.
    message: Option<String>,
}

/// What is known of one test.
#[derive(Clone, Debug, Default)]
struct Test {
    outcome: Option<String>,
    duration: f64,
    message: String,
}

/// A test log (`COLDFRAME_TEST_LOG`).
#[derive(Debug, Default)]
pub struct TestLog {
    pid: Option<u32>,
    order: Vec<String>,
    tests: BTreeMap<String, Test>,
}

impl TestLog {
    /// Reads a log, as far as it is one: its last line may be cut off.
    pub fn parse(text: &str) -> TestLog {
        let mut log = TestLog::default();
        for line in text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok()) {
            log.pid = line.pid.or(log.pid);
            for test in line.collected {
                if let Some(test) = log.test(test) {
                    *test = Test::default();
                }
            }
            let Some(name) = line.test else { continue };
            let Some(test) = log.test(name) else { continue };
            test.outcome = line.outcome.or(test.outcome.take());
            // A float that is none would be none in XML either.
            test.duration += line
                .duration
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                .map_or(0.0, |duration| duration.as_secs_f64());
            test.message = line.message.unwrap_or_default();
        }
        log
    }

    /// Whether what crashed is the process that writes the report.
    pub fn is_of_writer(&self, record: &Record) -> bool {
        self.pid.is_some() && self.pid == record.pid
    }

    fn test(&mut self, name: String) -> Option<&mut Test> {
        if !self.tests.contains_key(&name) {
            if self.order.len() >= MOST {
                return None;
            }
            self.order.push(name.clone());
        }
        Some(self.tests.entry(name).or_default())
    }

    fn outcome(&self, name: &str) -> Option<&str> {
        self.tests.get(name)?.outcome.as_deref()
    }
}

/// A crash, with its report where there is one.
pub type Crash<'a> = (&'a Record, Option<&'a Report>);

/// The whole run: tests that ended as they ended, those that crashed as errors with the report, those that were not run
/// as skipped. A crash outside of any test is a test case of its own.
pub fn junit(log: &TestLog, crashes: &[Crash<'_>]) -> String {
    let mut crashed: BTreeMap<String, Crash<'_>> = BTreeMap::new();
    let mut elsewhere: Vec<Crash<'_>> = Vec::new();
    let mut started: BTreeSet<&str> = log
        .order
        .iter()
        .map(String::as_str)
        .filter(|name| log.outcome(name) == Some("started"))
        .collect();
    for &(record, report) in crashes {
        let named = record.test.as_deref().map(|test| node(test).to_string());
        // What had begun and not ended is what crashed.
        let name = named.or_else(|| started.pop_first().map(str::to_string));
        match name {
            Some(name) => {
                crashed.entry(name).or_insert((record, report));
            }
            None => elsewhere.push((record, report)),
        }
    }
    let unknown = crashed.keys().filter(|name| !log.tests.contains_key(*name));
    let names: Vec<&String> = log.order.iter().chain(unknown).collect();
    let mut counts = Counts::default();
    let mut cases = String::new();
    for name in names {
        let test = log.tests.get(name).cloned().unwrap_or_default();
        let body = match crashed.get(name) {
            Some(crash) => counts.error(*crash),
            None => counts.other(&test),
        };
        let (class, short) = class_and_name(name);
        cases.push_str(&case(&class, short, test.duration, &body));
    }
    for crash in elsewhere {
        let all_ended = log
            .order
            .iter()
            .all(|name| log.outcome(name).is_some_and(|outcome| outcome != "started"));
        let name = match all_ended && !log.order.is_empty() {
            true => AT_EXIT,
            false => "<outside of a test>",
        };
        cases.push_str(&case("coldframe", name, 0.0, &counts.error(crash)));
    }
    let attributes = counts.attributes();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {attributes}>\n\
         <testsuite name=\"pytest\" {attributes}>\n{cases}</testsuite>\n</testsuites>\n"
    )
}

/// The file that a runner wrote, with a suite of the crashes of the runner itself that came after. None where there is no
/// root element that holds suites.
pub fn with_crashes_at_exit(xml: &str, crashes: &[Crash<'_>]) -> Option<String> {
    let end = xml.rfind("</testsuites>")?;
    let mut counts = Counts::default();
    let cases: String = crashes
        .iter()
        .map(|crash| case("coldframe", AT_EXIT, 0.0, &counts.error(*crash)))
        .collect();
    let attributes = counts.attributes();
    let suite = format!("<testsuite name=\"coldframe\" {attributes}>\n{cases}</testsuite>\n");
    let root = xml.find("<testsuites")?;
    let root = root..root + xml.get(root..)?.find('>')?;
    // Not every runner counts there.
    let tag = ["tests", "errors"]
        .iter()
        .fold(xml.get(root.clone())?.to_string(), |tag, name| {
            increased(&tag, name, crashes.len()).unwrap_or(tag)
        });
    Some(
        [
            xml.get(..root.start)?,
            &tag,
            xml.get(root.end..end)?,
            &suite,
            xml.get(end..)?,
        ]
        .concat(),
    )
}

/// A tag in which the number of an attribute is larger by so much; none where it has none.
fn increased(tag: &str, name: &str, by: usize) -> Option<String> {
    let begin = format!(" {name}=\"");
    let (before, rest) = tag.split_once(&begin)?;
    let (number, after) = rest.split_once('"')?;
    let number = number.parse::<usize>().ok()?.checked_add(by)?;
    Some(format!("{before}{begin}{number}\"{after}"))
}

/// Whether a file that a runner wrote is all there: its root element is closed.
pub fn is_whole(xml: &str) -> bool {
    let end = xml.trim_end();
    end.ends_with("</testsuites>") || end.ends_with("</testsuite>")
}

#[derive(Default)]
struct Counts {
    tests: usize,
    errors: usize,
    failures: usize,
    skipped: usize,
}

impl Counts {
    fn attributes(&self) -> String {
        let Counts {
            tests,
            errors,
            failures,
            skipped,
        } = self;
        format!("tests=\"{tests}\" errors=\"{errors}\" failures=\"{failures}\" skipped=\"{skipped}\"")
    }

    fn error(&mut self, (record, report): Crash<'_>) -> String {
        self.tests += 1;
        self.errors += 1;
        let signature = record.signature.as_ref();
        let title = signature.and_then(|signature| signature.title.as_deref());
        let key = signature.map(|signature| format!(" [{}]", signature.key));
        let signal = report.and_then(|report| report.crash.as_ref()?.signal.as_deref());
        let text = report.map(|report| text::render(report, &TextOptions::new(Form::Short)));
        format!(
            "<error type=\"{}\" message=\"{}{}\">{}</error>",
            xml(signal.unwrap_or("crash")),
            xml(title.unwrap_or("the process crashed")),
            xml(&key.unwrap_or_default()),
            xml(&text.unwrap_or_default())
        )
    }

    fn other(&mut self, test: &Test) -> String {
        self.tests += 1;
        let message = xml(&test.message);
        match test.outcome.as_deref() {
            Some("passed") => String::new(),
            Some("failed") => {
                self.failures += 1;
                format!("<failure message=\"failed\">{message}</failure>")
            }
            Some("skipped") => {
                self.skipped += 1;
                format!("<skipped message=\"{message}\"/>")
            }
            _ => {
                self.skipped += 1;
                "<skipped message=\"not run: the process had crashed\"/>".to_string()
            }
        }
    }
}

fn case(class: &str, name: &str, duration: f64, body: &str) -> String {
    format!(
        "<testcase classname=\"{}\" name=\"{}\" time=\"{duration:.3}\">{body}</testcase>\n",
        xml(class),
        xml(name)
    )
}

/// `PYTEST_CURRENT_TEST` without the phase: `tests/t.py::test_x (call)`.
fn node(test: &str) -> &str {
    [" (setup)", " (call)", " (teardown)"]
        .iter()
        .find_map(|phase| test.strip_suffix(phase))
        .unwrap_or(test)
}

/// As pytest names them: `tests/t.py::Class::test_x[a/b::c]` is `test_x[a/b::c]` of `tests.t.Class`.
fn class_and_name(node: &str) -> (String, &str) {
    let before_parameters = node.find('[').unwrap_or(node.len());
    let Some(split) = node[..before_parameters].rfind("::") else {
        return (String::new(), node);
    };
    let (class, name) = (&node[..split], &node[split + 2..]);
    let mut parts = class.split("::");
    let file = parts.next().unwrap_or_default();
    let module = file.strip_suffix(".py").unwrap_or(file).replace('/', ".");
    let class = parts.fold(module, |class, part| format!("{class}.{part}"));
    (class, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::Signature;

    fn crash(test: Option<&str>) -> Record {
        Record {
            test: test.map(str::to_string),
            signature: Some(Signature {
                key: "abc".into(),
                title: Some("SIGSEGV in <x>".into()),
                ..Signature::default()
            }),
            ..Record::default()
        }
    }

    const LOG: &str = r#"{"collected": ["t/a.py::one", "t/a.py::C::two[x::y]", "t/a.py::three", "t/a.py::four"]}
{"test": "t/a.py::one", "outcome": "started"}
{"test": "t/a.py::one", "outcome": "failed", "duration": 0.25, "message": "assert 1 < 0"}
{"test": "t/a.py::C::two[x::y]", "outcome": "started"}
{"test": "t/a.py::thr"#;

    #[test]
    fn what_was_not_written_is_completed() {
        let log = TestLog::parse(LOG);
        let error = "<testcase classname=\"t.a.C\" name=\"two[x::y]\" time=\"0.000\"><error type=\"crash\" \
                     message=\"SIGSEGV in &lt;x&gt; [abc]\"></error></testcase>\n";
        for record in [crash(Some("t/a.py::C::two[x::y] (call)")), crash(None)] {
            let xml = junit(&log, &[(&record, None)]);
            assert!(xml.contains(error), "{xml}");
            assert!(
                xml.contains("tests=\"4\" errors=\"1\" failures=\"1\" skipped=\"2\""),
                "{xml}"
            );
            assert!(xml.contains("time=\"0.250\"><failure message=\"failed\">assert 1 &lt; 0</failure>"));
            assert!(is_whole(&xml));
        }
    }

    #[test]
    fn a_second_run_counts_alone() {
        let log = TestLog::parse(
            r#"{"collected": ["a.py::one", "a.py::two"]}
{"test": "a.py::one", "outcome": "passed"}
{"test": "a.py::two", "outcome": "passed"}
{"collected": ["a.py::one", "a.py::two"]}
{"test": "a.py::one", "outcome": "started"}"#,
        );
        let xml = junit(&log, &[(&crash(None), None)]);
        assert!(xml.contains("errors=\"1\" failures=\"0\" skipped=\"1\""), "{xml}");
    }

    #[test]
    fn a_crash_outside_of_tests_is_a_case_of_its_own() {
        let log = TestLog::parse("{\"test\": \"a.py::t\", \"outcome\": \"passed\"}\nnonsense\n");
        let record = crash(None);
        let xml = junit(&log, &[(&record, None)]);
        assert!(xml.contains("name=\"&lt;interpreter shutdown&gt;\""), "{xml}");
        let xml = junit(&TestLog::default(), &[(&record, None)]);
        assert!(xml.contains("name=\"&lt;outside of a test&gt;\""), "{xml}");
        let record = crash(Some("a.py::other (setup)"));
        let xml = junit(&TestLog::default(), &[(&record, None), (&record, None)]);
        assert!(xml.contains("tests=\"1\""), "{xml}");
        assert!(xml.contains("classname=\"a\" name=\"other\""), "{xml}");
    }

    #[test]
    fn a_crash_after_the_report_was_written_is_added() {
        let log = TestLog::parse("{\"pid\": 7}\n{\"test\": \"a.py::t\", \"outcome\": \"passed\"}\n");
        let of = |pid| Record { pid, ..crash(None) };
        assert!(log.is_of_writer(&of(Some(7))));
        assert!(!log.is_of_writer(&of(Some(8))) && !log.is_of_writer(&of(None)));
        assert!(!TestLog::default().is_of_writer(&of(None)));

        let error = "<testcase classname=\"coldframe\" name=\"&lt;interpreter shutdown&gt;\" time=\"0.000\"><error type=\"crash\" \
                     message=\"SIGSEGV in &lt;x&gt; [abc]\"></error></testcase>\n";
        let suite = format!(
            "<testsuite name=\"coldframe\" tests=\"1\" errors=\"1\" failures=\"0\" skipped=\"0\">\n{error}</testsuite>\n"
        );
        let (record, body) = (of(Some(7)), "<testsuite name=\"pytest\" tests=\"3\"></testsuite>");
        for (before, after) in [
            ("<testsuites name=\"a\">", "<testsuites name=\"a\">"),
            (
                "<testsuites tests=\"3\" errors=\"0\">",
                "<testsuites tests=\"4\" errors=\"1\">",
            ),
        ] {
            let text = with_crashes_at_exit(&format!("<?xml?>{before}{body}</testsuites>\n"), &[(&record, None)]);
            assert_eq!(text, Some(format!("<?xml?>{after}{body}{suite}</testsuites>\n")));
        }
        assert_eq!(with_crashes_at_exit(body, &[(&record, None)]), None);
    }

    #[test]
    fn a_file_that_was_cut_is_not_whole() {
        assert!(!is_whole("<?xml version=\"1.0\"?>\n<testsuites><testsuite><testcase "));
        assert!(!is_whole(""));
    }
}
