//! Entry of the capture helper, which the handler starts as `coldframe capture-helper PID TID ADDRESS`.

use std::io::Write;

use serde_json::json;

use super::channel::{DeliverError, Delivery, deliver};
use super::request::Request;

/// Captures process `pid`, whose thread `tid` crashed and left its request at address `request`. Returns the exit
/// status: 0 when the report was delivered or printed, 1 when the request cannot be used, upon which the handler writes
/// its own record.
#[must_use]
pub fn main(pid: i32, tid: i32, request: u64) -> i32 {
    let mut stderr = std::io::stderr().lock();
    let request = match Request::read(pid, tid, request) {
        Ok(request) => request,
        Err(error) => {
            let _ = writeln!(stderr, "coldframe: {error}");
            return 1;
        }
    };
    let report = json!({
        "schema": "coldframe-report/1",
        "crash": {
            "pid": request.pid,
            "tid": request.tid,
            "signal": request.signal,
            "code": request.code,
            "address": request.address.map(|address| format!("{address:#x}")),
            "pc": format!("{:#x}", request.registers[16]),
            "sender": request.sender.map(|sender| json!({"pid": sender.pid, "uid": sender.uid})),
            "program": request.program,
        },
    });
    let delivery = Delivery {
        pid,
        dump: None,
        report_json: report.to_string().into_bytes(),
    };
    match deliver(&delivery) {
        // A stopped supervisor has the report and prints it when it goes on.
        Ok(()) | Err(DeliverError::NotAcknowledged) => 0,
        Err(_) => i32::from(writeln!(stderr, "{report}").is_err()),
    }
}
