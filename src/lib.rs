//! Captures, explains and triages the deaths of CPython processes.

pub mod capture;
