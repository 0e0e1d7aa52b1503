//! The integration tests: one binary, one module per subject. What a machine lacks is reported as a SKIP line, and is a
//! failure where COLDFRAME_REQUIRE_TOOLS=1 is set.
#![allow(clippy::print_stdout, reason = "SKIP lines are for people")]

/// What `analyze` cannot read.
mod bad_input;
/// Headless Chromium.
mod browser;
/// The cache folder: many users at once, damage, bounds.
mod cache;
/// What `run` leaves for CI systems.
mod ci;
/// Cores that systemd-coredump has stored.
mod coredumpctl;
/// ELF cores: the kernel's and gcore's, compared with our dump of the same crash.
mod cores;
/// Real crashes: Python and C, threads, stack overflows, handlers that were there before or came after.
mod crashes;
/// Debug information from servers.
mod debuginfod;
/// System calls that a sandbox denies, privileges dropped: a record, and the status intact.
mod denied;
/// Dumps of live processes: written, read back, opened by other readers.
mod dump;
/// Hostile variables.
mod environment;
/// Python exceptions that nobody catches.
mod exceptions;
/// Extension modules and their packages.
mod extensions;
mod findings;
/// Minidumps that other programs wrote.
mod foreign_dumps;
/// Comparing output with files under tests/goldens.
mod golden;
/// What the handler library needs from the programs it is loaded into.
mod handler_symbols;
/// Folders, tools, and running coldframe.
mod harness;
/// The generated helpers for gdb and lldb.
mod helpers;
/// The HTML page, in a real browser.
mod html;
/// Images opened from files: symbols, debug files, the symbol cache.
mod images;
/// Files that others planted, replaced or can write to.
mod install;
/// Values of gigabytes.
mod large_values;
/// The built-in table of offsets equals what the builds at hand state.
mod layout;
/// `coldframe layout`: builds by every name, versions, checks, messages.
mod layout_command;
/// Live processes whose files are elsewhere than their paths say, or gone.
mod live_places;
/// Man pages and completions.
mod manual;
/// Every situation in which a process may die: status, dump, time.
mod matrix;
/// Native stacks of real processes, compared with gdb's.
mod native;
/// The same of live CPythons, with their symbols.
mod native_python;
/// Variables of native frames, as gdb has them.
mod native_variables;
/// Values of variables stay where they are.
mod neighbours;
mod no_locals;
/// numpy's arrays and scalars.
mod numpy;
/// The opcodes of each version, and the bytecode that is shown.
mod opcodes;
/// Programs of every kind run as without coldframe.
mod ordinary;
/// The Python package, its pytest plugin.
mod package;
/// Programs that are not Python, sanitizers, other libcs, roots without anything.
mod preload_harmless;
/// Which Pythons are at hand.
mod pythons;
/// `coldframe dump` asks the handler where ptrace is denied.
mod question;
/// The report gets to a person.
mod reach;
/// Records, where no helper could run.
mod record;
mod redaction;
/// The report's text and JSON, from hand-made reports.
mod report;
/// `run` ends as its command did, and is not in its way.
mod run_status;
/// Every sample on every Python, at the crash and from its dump.
mod samples;
/// Debug information in unusual places.
mod split_debug;
/// Processes to look at.
mod support;
/// Rules for the source tree itself.
mod tidy;
/// Pythons, debuggers, and how a test that lacks one says so.
mod tools;
/// Crashes grouped by cause.
mod triage;
/// Dumps that no crash asked for; what `run` does with dumps.
mod triggers;
/// Versions that are not supported, other implementations, builds that say odd things of themselves.
mod unknown_pythons;
/// Virtual environments with packages.
mod venv;
/// Filling the cache beforehand.
mod warm;
/// The wheels.
mod wheel;
