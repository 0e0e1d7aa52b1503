//! Threads that wait for each other.

use super::scene::{fits, function, named};
use super::{Conclusion, Scene};
use crate::report::model::{Confidence, Frame, NativeFrame, Thread};

/// Functions of the C and C++ libraries that wait for another thread.
const WAITS: &[&str] = &[
    "__lll_lock_wait*",
    "___pthread_mutex_lock*",
    "__pthread_mutex_lock*",
    "pthread_mutex_lock*",
    "__pthread_mutex_cond_lock*",
    "__pthread_rwlock_*",
    "pthread_rwlock_*",
    "__pthread_cond_wait*",
    "___pthread_cond_wait*",
    "pthread_cond_wait*",
    "__pthread_clockjoin*",
    "pthread_join*",
    "std::condition_variable::wait*",
    "std::mutex::lock*",
];
/// What waits for the GIL itself is none of them.
const GIL: &[&str] = &["take_gil*", "PyEval_*", "PyGILState_Ensure"];
const FOR_GIL: &str = "waiting for the GIL";
const FOR_LOCK: &str = "waiting for a lock";

pub(super) fn apply(scene: &Scene<'_>) -> Option<Conclusion> {
    circle(scene).or_else(|| match scene.crash {
        None => with_gil(scene).or_else(|| all_wait(scene)),
        // What crashed did not hang.
        Some(_) => None,
    })
}

/// Threads each of which waits for what the next one holds, and the last for the first.
fn circle(scene: &Scene<'_>) -> Option<Conclusion> {
    let threads = &scene.report.threads;
    let next = |thread: &Thread| {
        let owner = match &thread.waits_for {
            Some(wait) => wait.owner?,
            None if thread.state.as_deref() == Some(FOR_GIL) => {
                let holds = |other: &&Thread| other.holds_gil == Some(true) && other.interpreter == thread.interpreter;
                threads.iter().find(holds)?.tid
            }
            None => return None,
        };
        threads.iter().find(|other| other.tid == owner)
    };
    let closed = |first: &Thread| {
        let mut members = vec![first.tid];
        let mut current = next(first)?;
        while current.tid != first.tid {
            // A circle that this one only leads to is found from a thread in it.
            if members.contains(&current.tid) {
                return None;
            }
            members.push(current.tid);
            current = next(current)?;
        }
        Some(members)
    };
    let members = threads.iter().find_map(closed)?;
    let members: Vec<&Thread> = members
        .iter()
        .filter_map(|tid| threads.iter().find(|thread| thread.tid == *tid))
        .collect();
    let has_end = members
        .iter()
        .any(|thread| thread.waits_for.as_ref().is_some_and(|wait| wait.timed));
    let confidence = match has_end {
        true => Confidence::Likely,
        false => Confidence::Certain,
    };
    let (title, advice) = match members.as_slice() {
        [_] => (
            "a thread waits for a lock that it holds itself",
            "take the lock once, or use a recursive one",
        ),
        _ => (
            "threads wait for each other in a circle: none of them can go on",
            "take locks in the same order everywhere, and let go of the GIL before native code waits for a lock",
        ),
    };
    let evidence = members.iter().map(|thread| match &thread.waits_for {
        Some(wait) => format!(
            "thread {} waits for the {} at {}, which thread {} holds",
            thread.tid,
            wait.kind.name(),
            wait.address,
            wait.owner.unwrap_or_default()
        ),
        None => format!("thread {} waits for the GIL, which one of them holds", thread.tid),
    });
    let found = Conclusion::new(confidence, title).advise(advice);
    Some(evidence.fold(found, Conclusion::because))
}

/// A thread that holds the GIL waits for something, while others wait for the GIL.
fn with_gil(scene: &Scene<'_>) -> Option<Conclusion> {
    let threads = &scene.report.threads;
    let holder = threads.iter().find(|thread| thread.holds_gil == Some(true))?;
    let natives = natives(holder);
    if natives.iter().any(|frame| fits(&function(frame), GIL)) {
        return None;
    }
    let wait = natives.iter().rposition(|frame| fits(&function(frame), WAITS))?;
    let waiting = threads
        .iter()
        .filter(|thread| thread.state.as_deref() == Some(FOR_GIL))
        .count();
    if waiting == 0 {
        return None;
    }
    let caller = natives.get(wait + 1).map(|frame| format!("{} called it", named(frame)));
    Some(
        Conclusion::new(
            Confidence::Likely,
            "a thread that holds the GIL waits for another thread",
        )
        .because(format!(
            "thread {} holds the GIL and waits in {}",
            holder.tid,
            function(natives[wait])
        ))
        .because_if(caller)
        .because(format!("{waiting} threads wait for the GIL"))
        .advise("let go of the GIL (Py_BEGIN_ALLOW_THREADS) before native code waits for a lock or a thread"),
    )
}

/// All threads that Python knows wait for locks.
fn all_wait(scene: &Scene<'_>) -> Option<Conclusion> {
    let threads = scene.report.threads.iter();
    let known: Vec<&Thread> = threads.filter(|thread| thread.interpreter.is_some()).collect();
    let waits = |thread: &&Thread| thread.state.as_deref() == Some(FOR_LOCK);
    if known.len() < 2 || !known.iter().all(waits) {
        return None;
    }
    Some(
        Conclusion::new(Confidence::Possible, "all threads wait for locks")
            .because(format!("{} threads run Python, and each waits for a lock", known.len()))
            .advise("look at which locks each thread has taken before, by its stack: two threads that take them in another order block each other"),
    )
}

/// The native frames inside of the innermost Python frame.
fn natives(thread: &Thread) -> Vec<&NativeFrame> {
    let frames = thread.frames.iter();
    let natives = frames.map_while(|frame| match frame {
        Frame::Native(native) => Some(native),
        _ => None,
    });
    natives.collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stage;
    use super::*;
    use crate::report::model::LockWait;

    fn stage(frames: &[&str], states: &[&str]) -> Stage {
        let mut stage = Stage::new(0, 0, 0).stack(frames);
        stage.target.facts.crash = None;
        let first = stage.thread();
        (first.interpreter, first.holds_gil) = (Some(0), Some(true));
        for state in states {
            stage.report.threads.push(Thread {
                interpreter: Some(0),
                state: Some((*state).to_string()),
                ..Thread::default()
            });
        }
        stage
    }

    #[test]
    fn the_holder_of_the_gil_waits() {
        let frames = [
            "__lll_lock_wait@/lib/libc.so.6",
            "___pthread_mutex_lock@/lib/libc.so.6",
            "lock@/x/fast.so",
            "py:f@/a.py",
        ];
        let found = stage(&frames, &[FOR_GIL]).apply(apply).unwrap();
        assert_eq!(found.evidence[1], "lock (fast.so) called it");
        assert_eq!(stage(&frames, &["sleeping"]).apply(apply), None);
        assert_eq!(stage(&["work@/x/fast.so"], &[FOR_GIL]).apply(apply), None);
    }

    #[test]
    fn a_circle_is_certain() {
        let mut stage = stage(&["py:f@/a.py"], &[FOR_LOCK, FOR_GIL]);
        let wait = |owner| {
            Some(LockWait {
                owner: Some(owner),
                ..LockWait::default()
            })
        };
        for (thread, tid) in stage.report.threads.iter_mut().zip([7, 8, 9]) {
            thread.tid = tid;
        }
        stage.report.threads[1].waits_for = wait(9);
        assert_eq!(stage.apply(circle), None, "9 waits for 7, which works");
        stage.report.threads[0].waits_for = wait(9);
        let found = stage.apply(circle).unwrap();
        assert_eq!((found.confidence, found.evidence.len()), (Confidence::Certain, 2));
        stage.report.threads[0].waits_for = wait(7);
        assert!(stage.apply(circle).unwrap().title.ends_with("it holds itself"));
    }

    #[test]
    fn all_threads_wait() {
        let mut all = stage(&["py:f@/a.py"], &[FOR_LOCK]);
        assert_eq!(all.apply(apply), None);
        all.thread().state = Some(FOR_LOCK.to_string());
        assert_eq!(all.apply(apply).unwrap().confidence, Confidence::Possible);
    }
}
