//! A lock that no thread can give back, because its owner is not there.
//!
//! `fork` copies the locks of a process, and of its threads only the one that called it (POSIX, `fork`).

use super::{Conclusion, Scene};
use crate::report::model::{Confidence, Thread};

pub(super) fn apply(scene: &Scene<'_>) -> Option<Conclusion> {
    let threads = &scene.report.threads;
    let is_lost = |thread: &&Thread| {
        let wait = thread.waits_for.as_ref();
        wait.is_some_and(|wait| wait.owner.is_none() && !wait.timed)
    };
    let thread = threads.iter().find(is_lost)?;
    let wait = thread.waits_for.as_ref()?;
    Some(
        Conclusion::new(
            Confidence::Likely,
            "a thread waits for a lock whose owner is gone: a fork left it behind, or it ended",
        )
        .because(format!(
            "thread {} waits for the {} at {}, which is held",
            thread.tid,
            wait.kind.name(),
            wait.address
        ))
        .because("no thread of this process holds it")
        .advise("start child processes by \"spawn\" or \"forkserver\", or fork before there are threads; release locks in os.register_at_fork"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;
    use crate::report::model::LockWait;

    #[test]
    fn by_an_owner_that_is_not_there() {
        let mut stage = Stage::new(libc::SIGABRT, 0, 0);
        let found = |stage: &mut Stage, owner| {
            stage.thread().waits_for = Some(LockWait {
                owner,
                ..LockWait::default()
            });
            stage.apply(apply).map(|found| found.confidence)
        };
        assert_eq!(found(&mut stage, Some(7)), None);
        assert_eq!(found(&mut stage, None), Some(Confidence::Likely));
    }
}
