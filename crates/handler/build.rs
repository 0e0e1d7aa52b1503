//! Builds `libcoldframe_handler.so` from `so/main.rs` with the compiler that builds this package.
//!
//! No nested cargo: it would wait for the lock that the outer one holds, and `cargo package` drops folders that
//! have their own manifest. `-nostdlib` is what keeps the library free of DT_NEEDED and of symbol versions, so
//! that it loads under musl and under any glibc.

use std::env;
use std::path::PathBuf;
use std::process::{Command, exit};

fn main() {
    println!("cargo::rerun-if-changed=so");
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");

    let variable = |name: &str| {
        env::var(name).unwrap_or_else(|_| {
            eprintln!("cargo did not set {name}");
            exit(1)
        })
    };
    let output = PathBuf::from(variable("OUT_DIR")).join("libcoldframe_handler.so");
    let mut rustc = Command::new(variable("RUSTC"));
    rustc
        .args([
            "--edition=2024",
            "--crate-type=cdylib",
            "--crate-name=coldframe_handler",
            "-Dwarnings",
        ])
        .args([
            "-Cpanic=abort",
            "-Copt-level=s",
            "-Clto=fat",
            "-Ccodegen-units=1",
            "-Cstrip=debuginfo",
        ])
        // A thread that waits in the handler is unwound like any other, which needs its tables.
        .args(["-Coverflow-checks=off", "-Cforce-unwind-tables=yes"])
        .args(["-Clink-arg=-nostdlib"])
        .arg("-Clink-arg=-Wl,-z,now,-z,nodelete,--hash-style=gnu,-soname,libcoldframe_handler.so")
        .args(["--target", &variable("TARGET"), "-o"])
        .arg(&output)
        .arg("so/main.rs")
        // Flags meant for the outer build (coverage, sanitizers, target-cpu) would pull a runtime into the library.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    match rustc.status() {
        Ok(status) if status.success() => {}
        Ok(status) => {
            eprintln!("building libcoldframe_handler.so from so/main.rs failed: {status}");
            exit(1)
        }
        Err(error) => {
            eprintln!("cannot run {rustc:?}: {error}");
            exit(1)
        }
    }
}
