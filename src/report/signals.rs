//! Names and meanings of deadly signals and their `si_code`s, for the JSON and the text report alike.
//!
//! Numbers are those of Linux on x86_64 and aarch64 (include/uapi/asm-generic/siginfo.h).

/// One signal.
struct Signal {
    number: i32,
    name: &'static str,
    meaning: &'static str,
    /// Whether `si_addr` is set when the kernel sends it.
    has_address: bool,
    codes: &'static [Code],
}

// What the crate libc lacks of them.
/// An integer was divided by zero.
pub const FPE_INTDIV: i32 = 1;
/// The operand of an instruction is illegal.
pub const ILL_ILLOPN: i32 = 2;
/// Nothing is mapped at the address.
pub const SEGV_MAPERR: i32 = 1;
/// What is mapped there does not allow the access.
pub const SEGV_ACCERR: i32 = 2;

/// One value of `si_code`: its number, name and meaning.
type Code = (i32, &'static str, &'static str);

const SIGNALS: &[Signal] = &[
    signal(1, "SIGHUP", "hangup", false, &[]),
    signal(2, "SIGINT", "interrupted", false, &[]),
    signal(3, "SIGQUIT", "quit", false, &[]),
    signal(
        4,
        "SIGILL",
        "illegal instruction",
        true,
        &[
            (1, "ILL_ILLOPC", "illegal opcode"),
            (ILL_ILLOPN, "ILL_ILLOPN", "illegal operand"),
            (3, "ILL_ILLADR", "illegal addressing mode"),
            (4, "ILL_ILLTRP", "illegal trap"),
            (5, "ILL_PRVOPC", "privileged opcode"),
            (6, "ILL_PRVREG", "privileged register"),
            (7, "ILL_COPROC", "coprocessor error"),
            (8, "ILL_BADSTK", "internal stack error"),
        ],
    ),
    signal(
        5,
        "SIGTRAP",
        "trap",
        true,
        &[
            (1, "TRAP_BRKPT", "breakpoint"),
            (2, "TRAP_TRACE", "trace trap"),
            (3, "TRAP_BRANCH", "branch trap"),
            (4, "TRAP_HWBKPT", "hardware breakpoint or watchpoint"),
        ],
    ),
    signal(6, "SIGABRT", "aborted", false, &[]),
    signal(
        7,
        "SIGBUS",
        "bus error",
        true,
        &[
            (1, "BUS_ADRALN", "misaligned address"),
            (
                2,
                "BUS_ADRERR",
                "no memory behind the mapping: a mapped file was cut, or its disk is full",
            ),
            (3, "BUS_OBJERR", "hardware error"),
            (4, "BUS_MCEERR_AR", "memory error of the hardware"),
            (5, "BUS_MCEERR_AO", "memory error of the hardware, noticed in passing"),
        ],
    ),
    signal(
        8,
        "SIGFPE",
        "arithmetic error",
        true,
        &[
            (FPE_INTDIV, "FPE_INTDIV", "integer division by zero"),
            (2, "FPE_INTOVF", "integer overflow"),
            (3, "FPE_FLTDIV", "floating-point division by zero"),
            (4, "FPE_FLTOVF", "floating-point overflow"),
            (5, "FPE_FLTUND", "floating-point underflow"),
            (6, "FPE_FLTRES", "floating-point inexact result"),
            (7, "FPE_FLTINV", "invalid floating-point operation"),
            (8, "FPE_FLTSUB", "subscript out of range"),
        ],
    ),
    signal(9, "SIGKILL", "killed", false, &[]),
    signal(10, "SIGUSR1", "user-defined signal 1", false, &[]),
    signal(
        11,
        "SIGSEGV",
        "segmentation fault",
        true,
        &[
            (SEGV_MAPERR, "SEGV_MAPERR", "address not mapped"),
            (SEGV_ACCERR, "SEGV_ACCERR", "access not permitted"),
            (3, "SEGV_BNDERR", "bounds check failed"),
            (4, "SEGV_PKUERR", "access denied by a protection key"),
            (8, "SEGV_MTEAERR", "memory tag fault, noticed later"),
            (9, "SEGV_MTESERR", "memory tag fault"),
            (10, "SEGV_CPERR", "control protection fault"),
        ],
    ),
    signal(12, "SIGUSR2", "user-defined signal 2", false, &[]),
    signal(13, "SIGPIPE", "broken pipe", false, &[]),
    signal(14, "SIGALRM", "alarm clock", false, &[]),
    signal(15, "SIGTERM", "terminated", false, &[]),
    signal(24, "SIGXCPU", "CPU time limit exceeded", false, &[]),
    signal(25, "SIGXFSZ", "file size limit exceeded", false, &[]),
    signal(
        31,
        "SIGSYS",
        "bad system call",
        true,
        &[
            (1, "SYS_SECCOMP", "system call denied by seccomp"),
            (2, "SYS_USER_DISPATCH", "system call dispatched to the program"),
        ],
    ),
];

/// Codes that any signal may carry.
const ANY_SIGNAL: &[Code] = &[
    // The kernel gives no address with it: on x86_64 the usual reason is a non-canonical one.
    (
        128,
        "SI_KERNEL",
        "sent by the kernel: often an address no memory can have",
    ),
    (0, "SI_USER", "sent by kill(2)"),
    (-1, "SI_QUEUE", "sent by sigqueue(3)"),
    (-2, "SI_TIMER", "a timer expired"),
    (-3, "SI_MESGQ", "a message queue changed"),
    (-4, "SI_ASYNCIO", "asynchronous I/O completed"),
    (-5, "SI_SIGIO", "I/O became possible"),
    (-6, "SI_TKILL", "raised by raise(3), abort(3) or tgkill(2)"),
];

const fn signal(
    number: i32,
    name: &'static str,
    meaning: &'static str,
    has_address: bool,
    codes: &'static [Code],
) -> Signal {
    Signal {
        number,
        name,
        meaning,
        has_address,
        codes,
    }
}

/// The name of a signal, for example `SIGSEGV`.
pub fn signal_name(number: i32) -> Option<&'static str> {
    SIGNALS.iter().find(|s| s.number == number).map(|s| s.name)
}

/// What a signal means, by its name.
pub fn signal_meaning(name: &str) -> Option<&'static str> {
    SIGNALS.iter().find(|s| s.name == name).map(|s| s.meaning)
}

/// The name of `code` as a `si_code` of signal `number`; the number itself where it has no name.
pub fn code_name(number: i32, code: i32) -> String {
    codes(SIGNALS.iter().find(|s| s.number == number))
        .find(|&(value, ..)| value == code)
        .map_or_else(|| code.to_string(), |(_, name, _)| name.to_string())
}

/// What a `si_code` means, by the names of signal and code.
pub fn code_meaning(signal: &str, code: &str) -> Option<&'static str> {
    codes(SIGNALS.iter().find(|s| s.name == signal))
        .find(|&(_, name, _)| name == code)
        .map(|(.., meaning)| meaning)
}

/// Whether `si_addr` says anything, for signal `number` with `code`: it does not where a process sent
/// the signal, or where the kernel itself does not know (`SI_KERNEL`).
pub fn has_address(number: i32, code: i32) -> bool {
    (1..128).contains(&code) && SIGNALS.iter().any(|s| s.number == number && s.has_address)
}

fn codes(signal: Option<&'static Signal>) -> impl Iterator<Item = Code> {
    signal.map_or(&[][..], |s| s.codes).iter().chain(ANY_SIGNAL).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_meanings_agree() {
        assert_eq!(signal_name(11), Some("SIGSEGV"));
        assert_eq!(code_name(11, 1), "SEGV_MAPERR");
        assert_eq!(code_meaning("SIGSEGV", "SEGV_MAPERR"), Some("address not mapped"));
        assert_eq!(code_name(7, 1), "BUS_ADRALN");
        assert_eq!(code_name(6, -6), "SI_TKILL");
        assert_eq!(code_name(11, 77), "77");
        assert_eq!(code_meaning("SIGSEGV", "BUS_ADRALN"), None);
        assert_eq!(signal_meaning("SIGFPE"), Some("arithmetic error"));
    }

    #[test]
    fn an_address_is_only_believed_when_the_kernel_gave_one() {
        assert!(has_address(11, 1));
        assert!(!has_address(11, 128), "a general protection fault carries none");
        assert!(!has_address(11, 0), "kill -SEGV carries a pid in its place");
        assert!(!has_address(6, 1));
    }
}
