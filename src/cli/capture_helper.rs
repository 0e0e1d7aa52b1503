//! `coldframe capture-helper`: started by the handler in a process that is dying, never by a person.

use std::num::ParseIntError;
use std::process::ExitCode;

use clap::Args;
use coldframe::capture::helper;

/// Capture a process that is dying (started by the handler)
#[derive(Debug, Args)]
pub struct CaptureHelper {
    /// The process
    pid: i32,
    /// The thread that crashed
    tid: i32,
    /// Address of the crash request in the process
    #[arg(value_parser = parse_address)]
    request: u64,
}

fn parse_address(text: &str) -> Result<u64, ParseIntError> {
    u64::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16)
}

impl CaptureHelper {
    pub(super) fn run(&self) -> ExitCode {
        ExitCode::from(helper::main(self.pid, self.tid, self.request) as u8)
    }
}
