//! One analysed file, in one line: what triage needs to know of it, and what it gives out to be triaged again.

use serde::{Deserialize, Serialize};

use super::signature::{self, Place};
use crate::report::model::{Report, Signature};

/// The value of [`Record::schema`]. A field changes its meaning only together with this number.
pub const SCHEMA: &str = "coldframe-triage/1";

/// What became of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It was analysed, and has a signature.
    Ok,
    /// It was analysed; nothing had happened to the process, or its threads are missing.
    Partial,
    /// It could not be analysed.
    #[default]
    Error,
    /// Its analysis took longer than allowed.
    Timeout,
}

/// One analysed file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`SCHEMA`].
    pub schema: String,
    /// The path of the file, as it was found.
    pub path: String,
    /// What became of it.
    pub status: Status,
    /// Why it has no signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What it has in common with others, without the explanation of each frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
    /// The test that was running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<String>,
    /// The process, in its own pid namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The system it ran on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The version of Python.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python: Option<String>,
    /// When it was captured, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The run of CI that it crashed in, as `coldframe run` noted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The Python file and line nearest to the crash, for annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// The annotation in which a program notes the test it runs.
const TEST: &str = "test";

impl Record {
    /// Of a file that was analysed.
    pub fn of(path: &str, report: &Report) -> Record {
        let signature = report.signature.clone().map(|signature| Signature {
            explain: Vec::new(),
            ..signature
        });
        let process = report.process.as_ref();
        Record {
            status: match signature {
                Some(_) => Status::Ok,
                None => Status::Partial,
            },
            error: signature
                .is_none()
                .then(|| "nothing had happened to the process".to_string()),
            signature,
            test: report
                .annotations
                .get(TEST)
                .cloned()
                .or_else(|| super::test_name::of_stack(report)),
            pid: process.and_then(|process| process.pid),
            host: process.and_then(|process| process.host.as_ref()?.os.clone()),
            python: report.python.first().and_then(|python| python.version.clone()),
            time: process.and_then(|process| process.crash_time.clone()),
            place: signature::place(report),
            ..Record::failed(path, Status::Ok, None)
        }
    }

    /// Of a file without a signature.
    pub fn failed(path: &str, status: Status, error: Option<String>) -> Record {
        Record {
            schema: SCHEMA.to_string(),
            path: path.to_string(),
            status,
            error,
            ..Record::default()
        }
    }
}
