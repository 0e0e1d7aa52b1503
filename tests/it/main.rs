//! The one integration test binary. Each test gets a folder of its own; what a machine lacks is reported as a SKIP line,
//! and is a failure where COLDFRAME_REQUIRE_TOOLS=1 is set.

// Folders, tools, and running coldframe.
mod support;

// Real crashes: Python and C, threads, stack overflows, handlers that were there before or came after.
mod crashes;
// Crashes where system calls, descriptors, memory, privileges or the helper are missing.
mod denied;
// What the handler library needs from the programs it is loaded into.
mod handler_symbols;
// Files that others planted, replaced or can write to.
mod install;
// Programs that are not Python, sanitizers, other libcs, roots without anything.
mod preload_harmless;
// `run` ends as its command did, and is not in its way.
mod run_status;
