//! Where the frames of a thread lie: one stretch of memory for each stack that it runs on.

use crate::addr::{Addr, AddrRange};
use crate::source::streams::NativeStep;

/// The largest frame that is believed. Beyond it a smashed stack has misled the unwinder.
const MAX_FRAME: u64 = 8 << 20;
/// The most that lies between a signal frame and the code it interrupted, on the same stack: the red zone,
/// and the registers (AT_MINSIGSTKSZ, 12 KiB with AVX-512 and AMX).
const MAX_SIGNAL_GAP: u64 = 16 * 1024;

/// The stretches from `sp` on that hold these frames, innermost first; empty ones where a stack pointer leads
/// nowhere.
///
/// They end at the highest CFA in use, and not where the mapping ends: the alternate stack of faulthandler lies in
/// the malloc heap, and the rest of the heap is not stack.
pub fn extents(sp: Addr, steps: &[NativeStep]) -> Vec<AddrRange> {
    let mut list: Vec<AddrRange> = Vec::new();
    let mut current = AddrRange { start: sp, end: sp };
    let mut after_trampoline = false;
    for step in steps {
        // On the same stack, frames follow each other upwards. What a signal interrupted may be on another,
        // which lies anywhere.
        let gap = if after_trampoline { MAX_SIGNAL_GAP } else { MAX_FRAME };
        after_trampoline = step.is_signal_trampoline;
        if step.sp < current.start || step.sp.0.saturating_sub(current.end.0) > gap {
            list.push(current);
            current = AddrRange {
                start: step.sp,
                end: step.sp,
            };
        }
        let frame = step.cfa.0.saturating_sub(step.sp.0);
        let end = if frame <= MAX_FRAME { step.cfa } else { step.sp };
        current.end = current.end.max(end).max(step.sp);
    }
    list.push(current);
    list
}
