//! Why there was no helper, in words, and what to do about it.

use std::io;

use coldframe_handler::wire::{HelperFailure, NO_ROOM, NOT_PERMITTED, OUT_OF_TIME};

use super::Record;

impl Record {
    /// What kept the helper from making a dump.
    #[must_use]
    pub fn reason(&self) -> String {
        let detail = self.failure_detail;
        let error = || io::Error::from_raw_os_error(detail);
        match self.failure {
            Some(HelperFailure::NoPath) => {
                "the handler was loaded by a relative path and cannot find the helper".into()
            }
            Some(HelperFailure::Clone) => format!("the helper could not be started: {}", error()),
            Some(HelperFailure::Exec) => format!("the helper could not be executed: {}", error()),
            Some(HelperFailure::Exited) if detail == OUT_OF_TIME => "the helper did not finish in time".into(),
            Some(HelperFailure::Exited) if detail == NOT_PERMITTED => "the helper may not read the process".into(),
            Some(HelperFailure::Exited) if detail == NO_ROOM => "too little memory was left for the helper".into(),
            Some(HelperFailure::Exited) => {
                format!("the helper could not read the process, and ended with status {detail}")
            }
            Some(HelperFailure::Killed) => format!("the helper was killed by signal {detail}"),
            Some(HelperFailure::TimedOut) => "the helper did not finish in time".into(),
            None => "the helper failed for a reason that this version does not know".into(),
        }
    }

    /// What would let the next crash be captured.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match (self.failure, self.failure_detail) {
            (Some(HelperFailure::NoPath), _) => {
                "start the program with `coldframe run`, or an absolute path in LD_PRELOAD"
            }
            (Some(HelperFailure::Clone), libc::EAGAIN | libc::ENOMEM) => {
                "room for one more process: ulimit -u, the pids and memory limits of the cgroup"
            }
            (Some(HelperFailure::Clone), _) => "let the seccomp profile permit clone and execve",
            (Some(HelperFailure::Exec), libc::ENOENT) => {
                "the helper must lie beside the handler, where the program sees it too (chroot); `coldframe run` puts it there"
            }
            (Some(HelperFailure::Exec), libc::EPERM) => "let the seccomp profile permit execve",
            (Some(HelperFailure::Exec), libc::EACCES) => {
                "let the program's user execute the helper: permissions of its folder, noexec"
            }
            (Some(HelperFailure::Exec), _) => "start the program with `coldframe run`, which checks the helper",
            (Some(HelperFailure::Exited), OUT_OF_TIME) => {
                "try again when the machine is less loaded, with a dump folder on a local disk"
            }
            (Some(HelperFailure::Exited), NO_ROOM) | (Some(HelperFailure::Killed), libc::SIGKILL) => {
                "more memory for the cgroup: the kernel kills what exceeds it"
            }
            (Some(HelperFailure::Exited), _) => {
                "allow ptrace (kernel.yama.ptrace_scope, seccomp profile, --cap-add SYS_PTRACE); a process that set \
                 PR_SET_DUMPABLE to 0 is never read; the helper's own message is on the program's standard error"
            }
            (Some(HelperFailure::Killed), libc::SIGSYS) => "let the seccomp profile permit ptrace and process_vm_readv",
            (Some(HelperFailure::Killed | HelperFailure::TimedOut), _) => {
                "try again when the machine is less loaded, with a dump folder on a local disk"
            }
            (None, _) => "the coldframe that was installed there knows it",
        }
    }
}
