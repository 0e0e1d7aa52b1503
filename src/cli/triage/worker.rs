//! Files are analysed in processes of their own: one that makes the analysis crash, hang or eat memory costs one row.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use coldframe::report::Report;
use coldframe::triage::{Record, Status};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, setrlimit};
use serde::{Deserialize, Serialize};

use super::super::{analyze, chain};

/// Memory one analysis may take, in bytes, files it maps not counted.
const MEMORY: u64 = 2 << 30;

/// What an answer may take: reports of many threads have megabytes.
const ANSWER: usize = 256 << 20;

/// How files are analysed.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long one file may take.
    pub timeout: Duration,
    /// How many at the same time.
    pub jobs: usize,
}

/// One line to a worker.
#[derive(Serialize, Deserialize)]
struct Question {
    path: PathBuf,
    with_report: bool,
}

/// One line from it.
#[derive(Serialize, Deserialize)]
struct Answer {
    record: Record,
    report: Option<Report>,
}

/// Analyses the files that standard input names (for `coldframe triage`)
#[derive(Debug, Args)]
pub struct TriageWorker {}

impl TriageWorker {
    pub(in crate::cli) fn run(&self) -> anyhow::Result<ExitCode> {
        setrlimit(Resource::RLIMIT_DATA, MEMORY, MEMORY).context("cannot limit memory")?;
        let mut out = std::io::stdout().lock();
        for line in std::io::stdin().lock().lines() {
            let question: Question = serde_json::from_str(&line?)?;
            let mut answer = serde_json::to_string(&question.answer())?;
            answer.push('\n');
            out.write_all(answer.as_bytes())?;
            out.flush()?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Question {
    fn answer(self) -> Answer {
        let path = self.path.display().to_string();
        match analyze::report_of(&self.path) {
            Ok(report) => Answer {
                record: Record::of(&path, &report),
                report: self.with_report.then_some(report),
            },
            Err(error) => Answer {
                record: Record::failed(&path, Status::Error, Some(chain(&error))),
                report: None,
            },
        }
    }
}

/// The records of files, in their order.
pub fn analyze_all(files: &[PathBuf], options: &Options, done: &(dyn Fn() + Sync)) -> Vec<Record> {
    let answers = ask_all(files, false, options, done);
    answers.into_iter().map(|answer| answer.record).collect()
}

/// The full reports of files, in their order.
pub fn reports(files: &[PathBuf], options: &Options) -> Vec<Option<Report>> {
    let answers = ask_all(files, true, options, &|| {});
    answers.into_iter().map(|answer| answer.report).collect()
}

fn ask_all(files: &[PathBuf], with_report: bool, options: &Options, done: &(dyn Fn() + Sync)) -> Vec<Answer> {
    let next = AtomicUsize::new(0);
    let answers = Mutex::new(Vec::with_capacity(files.len()));
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.clamp(1, files.len().max(1)) {
            scope.spawn(|| {
                let mut worker = None;
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(path) = files.get(index) else { break };
                    let answer = ask(&mut worker, path, with_report, options.timeout);
                    answers
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((index, answer));
                    done();
                }
            });
        }
    });
    let mut answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// Asks a worker, a new one where there is none. One that fails is not asked again.
fn ask(worker: &mut Option<Worker>, path: &Path, with_report: bool, timeout: Duration) -> Answer {
    let answer = (|| {
        let worker = match worker {
            Some(worker) => worker,
            None => worker.insert(Worker::start(Command::new("/proc/self/exe").arg("triage-worker"))?),
        };
        worker.ask(path, with_report, Instant::now() + timeout)
    })();
    answer.unwrap_or_else(|failure| {
        let ended = worker.take().map(|mut worker| worker.end());
        let (status, why) = match failure {
            Failure::Timeout => (
                Status::Timeout,
                format!("its analysis took longer than {} s", timeout.as_secs()),
            ),
            Failure::Ended => (
                Status::Error,
                format!("its analysis ended early: {}", ended.unwrap_or_default()),
            ),
            Failure::Io(error) => (Status::Error, format!("cannot run its analysis: {error}")),
        };
        Answer {
            record: Record::failed(&path.display().to_string(), status, Some(why)),
            report: None,
        }
    })
}

enum Failure {
    Timeout,
    Ended,
    Io(std::io::Error),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::Ended,
            _ => Failure::Io(error),
        }
    }
}

/// A process that analyses files.
struct Worker {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<std::process::ChildStdout>,
}

impl Worker {
    fn start(command: &mut Command) -> Result<Worker, Failure> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(questions), Some(answers)) => Ok(Worker {
                child,
                questions,
                answers: BufReader::new(answers),
            }),
            _ => Err(Failure::Ended),
        }
    }

    fn ask(&mut self, path: &Path, with_report: bool, deadline: Instant) -> Result<Answer, Failure> {
        let question = Question {
            path: path.to_path_buf(),
            with_report,
        };
        let mut line = serde_json::to_string(&question).map_err(std::io::Error::from)?;
        line.push('\n');
        self.questions.write_all(line.as_bytes())?;
        let line = self.line(deadline)?;
        serde_json::from_slice(&line).map_err(|error| Failure::Io(error.into()))
    }

    /// One line of the answer, at most [`ANSWER`] bytes of it, before the deadline.
    fn line(&mut self, deadline: Instant) -> Result<Vec<u8>, Failure> {
        let mut line = Vec::new();
        loop {
            if self.answers.buffer().is_empty() {
                let left = deadline.saturating_duration_since(Instant::now());
                let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
                let mut fds = [PollFd::new(self.answers.get_ref().as_fd(), PollFlags::POLLIN)];
                match poll(&mut fds, timeout) {
                    Ok(0) => return Err(Failure::Timeout),
                    Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                    Err(error) => return Err(Failure::Io(error.into())),
                }
            }
            let chunk = self.answers.fill_buf()?;
            if chunk.is_empty() || line.len() > ANSWER {
                return Err(Failure::Ended);
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let length = end.unwrap_or(chunk.len());
            line.extend_from_slice(&chunk[..length]);
            self.answers.consume(length + usize::from(end.is_some()));
            if end.is_some() {
                return Ok(line);
            }
        }
    }

    /// Ends it, and says how it had ended.
    fn end(&mut self) -> String {
        let _ = self.child.kill();
        self.child
            .wait()
            .map_or_else(|error| error.to_string(), |status| status.to_string())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(program: &str, argument: &str) -> Failure {
        let mut worker =
            Some(Worker::start(Command::new(program).arg(argument)).unwrap_or_else(|_| panic!("{program}")));
        let deadline = Instant::now() + Duration::from_millis(200);
        let worker = worker.as_mut().unwrap();
        match worker.ask(Path::new("x"), false, deadline) {
            Err(failure) => failure,
            Ok(_) => panic!("{program} answered"),
        }
    }

    #[test]
    fn one_that_hangs_is_given_up() {
        assert!(matches!(failure("sleep", "60"), Failure::Timeout));
    }

    #[test]
    fn one_that_ends_is_noticed() {
        let died = failure("sh", "-ckill -KILL $$");
        assert!(matches!(died, Failure::Ended));
    }

    #[test]
    fn one_that_talks_nonsense_is_not_believed() {
        assert!(matches!(failure("echo", "hello"), Failure::Io(_) | Failure::Ended));
    }
}
