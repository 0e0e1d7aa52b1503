//! The COLDFRAME_* variables.

/// Who may set a variable: its value is believed only as far as that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setter {
    /// The person who runs coldframe. Read by `run` and `analyze`.
    User,
    /// `coldframe run`, for the processes it starts. They can change it, so it carries data, never a program to run.
    Run,
    /// Both: the user's value is the default, `run` passes on what it settled on.
    Both,
}

/// One variable.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// Who may set it.
    pub setter: Setter,
}

/// Dump folder.
pub const DIR: &str = "COLDFRAME_DIR";
/// Cache folder.
pub const CACHE: &str = "COLDFRAME_CACHE";
/// Bound of the cache.
pub const CACHE_MAX: &str = crate::image::CACHE_MAX_VARIABLE;
/// Where the supervisor listens.
pub const SUPERVISOR: &str = "COLDFRAME_SUPERVISOR";
/// Form of the report.
pub const REPORT: &str = "COLDFRAME_REPORT";
/// Whether values of locals are recorded.
pub const LOCALS: &str = "COLDFRAME_LOCALS";
/// What is left out beside the built-in rules.
pub const REDACT: &str = "COLDFRAME_REDACT";
/// Whether the arguments of the command line are recorded.
pub const ARGUMENTS: &str = "COLDFRAME_ARGS";
/// Whether native stacks are reduced to addresses.
pub const SANITIZE_STACKS: &str = "COLDFRAME_SANITIZE_STACKS";
/// Whether exceptions that nobody catches leave a dump.
pub const EXCEPTIONS: &str = "COLDFRAME_EXCEPTIONS";

/// The most dumps in the folder.
pub const MAX_DUMPS: &str = "COLDFRAME_MAX_DUMPS";
/// The most bytes of dumps in the folder.
pub const MAX_BYTES: &str = "COLDFRAME_MAX_BYTES";
/// Programs that are captured.
pub const ONLY: &str = "COLDFRAME_ONLY";
/// Programs that are not.
pub const IGNORE: &str = "COLDFRAME_IGNORE";

/// All variables. The manual and `coldframe --help` show those that users set.
pub const VARIABLES: &[Variable] = &[
    Variable {
        name: DIR,
        meaning: "the folder dumps are written to; in a process, an absolute path there turns capture on [default: ./coldframe-dumps]",
        setter: Setter::Both,
    },
    Variable {
        name: CACHE,
        meaning: "the folder for the extracted handler and for cached symbols",
        setter: Setter::User,
    },
    Variable {
        name: CACHE_MAX,
        meaning: "how much the cache keeps, in bytes or with K, M or G behind the number [default: 512M]",
        setter: Setter::User,
    },
    Variable {
        name: SUPERVISOR,
        meaning: "NAME:TOKEN of the abstract socket on which the supervisor takes reports",
        setter: Setter::Run,
    },
    Variable {
        name: REPORT,
        meaning: "the report's form: short, full, json or none [default: short]",
        setter: Setter::Both,
    },
    Variable {
        name: LOCALS,
        meaning: "0: values of local variables are neither recorded nor shown",
        setter: Setter::Both,
    },
    Variable {
        name: REDACT,
        meaning: "a regular expression: values with such a name or text are left out, beside those that always are",
        setter: Setter::Both,
    },
    Variable {
        name: ARGUMENTS,
        meaning: "0: arguments of the command line are neither recorded nor shown",
        setter: Setter::Both,
    },
    Variable {
        name: SANITIZE_STACKS,
        meaning: "1: of native stacks, addresses alone are recorded",
        setter: Setter::Both,
    },
    Variable {
        name: EXCEPTIONS,
        meaning: "1: Python exceptions that nobody catches leave a dump; needs what `run --on-exception` puts into PYTHONPATH",
        setter: Setter::Run,
    },
    Variable {
        name: MAX_DUMPS,
        meaning: "how many dumps and records the folder keeps; the oldest are removed first [default: 1000]",
        setter: Setter::Both,
    },
    Variable {
        name: MAX_BYTES,
        meaning: "how many bytes of them, or with K, M or G behind the number [default: 4G]",
        setter: Setter::Both,
    },
    Variable {
        name: ONLY,
        meaning: "file names of the programs that are captured, separated by colons; * at the end of one matches the rest",
        setter: Setter::Both,
    },
    Variable {
        name: IGNORE,
        meaning: "the same of programs that are not captured",
        setter: Setter::Both,
    },
];
