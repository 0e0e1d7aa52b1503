//! What was in force for a signal, kept for later.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::sys::{SIG_DFL, SigAction};

/// `SIG_DFL`.
pub const DEFAULT: SigAction = SigAction {
    handler: SIG_DFL,
    flags: 0,
    restorer: 0,
    mask: 0,
};

/// A disposition that one thread may change while the handler of another reads it, which then may get some words of the
/// one before.
pub struct SharedAction {
    handler: AtomicUsize,
    flags: AtomicU64,
    restorer: AtomicUsize,
    mask: AtomicU64,
}

impl SharedAction {
    /// With what it has first.
    pub const fn new(action: &SigAction) -> Self {
        Self {
            handler: AtomicUsize::new(action.handler),
            flags: AtomicU64::new(action.flags),
            restorer: AtomicUsize::new(action.restorer),
            mask: AtomicU64::new(action.mask),
        }
    }

    /// Takes all of it.
    pub fn store(&self, action: &SigAction) {
        self.flags.store(action.flags, Ordering::Relaxed);
        self.restorer.store(action.restorer, Ordering::Relaxed);
        self.mask.store(action.mask, Ordering::Relaxed);
        self.handler.store(action.handler, Ordering::Release);
    }

    /// What was stored last.
    pub fn load(&self) -> SigAction {
        SigAction {
            handler: self.handler.load(Ordering::Acquire),
            flags: self.flags.load(Ordering::Relaxed),
            restorer: self.restorer.load(Ordering::Relaxed),
            mask: self.mask.load(Ordering::Relaxed),
        }
    }
}
