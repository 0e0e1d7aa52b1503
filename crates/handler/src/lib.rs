//! The in-process half of coldframe: the code that runs inside a program that dies.
//!
//! [`IMAGE`] is the finished shared library, built by this package's build script from `so/main.rs` and the
//! same modules that are compiled here. They are part of this library too so that they are linted, documented
//! and unit-tested as ordinary code; nothing but [`wire`], [`annotations::Page`] and [`IMAGE`] is meant to be used from
//! outside.
//!
//! Main types: [`wire::CrashRequest`], [`wire::FixedRecord`].
//!
//! Invariant: no allocation, no lock, no libc call and no thread-local variable in anything a signal handler reaches.
#![no_std]
#![allow(
    unsafe_code,
    reason = "a signal handler is raw system calls and shared statics; each block names its invariant"
)]

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
compile_error!("the handler knows Linux on x86_64 only");

pub mod altstack;
pub mod annotations;
pub mod chain;
pub mod demand;
pub mod disposition;
pub mod exits;
pub mod fault;
pub mod gate;
pub mod handler;
pub mod image;
pub mod interpose;
pub mod record;
pub mod serve;
pub mod settings;
pub mod spawn;
pub mod sys;
pub mod text;
pub mod threads;
pub mod wire;

/// The handler as a shared library, byte for byte as it is written to disk for `LD_PRELOAD`.
pub static IMAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/libcoldframe_handler.so"));

/// The file name under which [`IMAGE`] is stored. The helper lies beside it (see [`settings::HELPER_NAME`]).
pub const IMAGE_NAME: &str = "libcoldframe_handler.so";
