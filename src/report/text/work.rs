//! What workers of pools and executors were given to do.

use super::escape::clip;
use crate::report::model::{Work, WorkItem, WorkKind};

/// Such as `worker of a ThreadPoolExecutor, idle`.
pub(super) fn describe(work: &Work) -> String {
    let mut text = match &work.kind {
        WorkKind::ExecutorThread => "worker of a ThreadPoolExecutor".to_string(),
        WorkKind::ExecutorProcess => "worker of a ProcessPoolExecutor".to_string(),
        WorkKind::Pool => "worker of a multiprocessing pool".to_string(),
        WorkKind::Process => "multiprocessing process".to_string(),
        WorkKind::Other(word) => format!("worker of {}", clip(word, 40)),
    };
    if work.item.is_none() && work.kind != WorkKind::Process {
        text.push_str(", idle");
    }
    if let Some(process) = &work.process {
        text.push_str(&format!(", {}", clip(process, 40)));
    }
    if let Some(method) = &work.start_method {
        text.push_str(&format!(" by {}", clip(method, 20)));
    }
    text
}

/// Such as `resize('photo', quality=9)`.
pub(in crate::report) fn call(item: &WorkItem, width: usize) -> String {
    let function = clip(&item.function, 80);
    let arguments = clip(&item.arguments.join(", "), width.max(40));
    match item.is_batch {
        true => format!("{function} for each of {arguments}"),
        false => format!("{function}({arguments})"),
    }
}
