//! In-process handler.
#![no_std]
