//! The way of a report from the helper to the supervisor, which prints it.
//!
//! An abstract unix socket: no file to plant or to clean up, and reachable after chroot. A message is the magic number,
//! the token, three numbers (pid, length of the dump's path, length of the report) and the two texts; the answer is one
//! byte, sent once the report is printed, so that it stands there before the command dies.

use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use coldframe_handler::wire::Question;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use thiserror::Error;

use super::environment::SUPERVISOR;

/// How long either side waits for the other.
pub const TIMEOUT: Duration = Duration::from_secs(2);
/// Largest message taken, in bytes.
pub const MAX_MESSAGE: usize = 64 << 20;

const MAGIC: &[u8; 4] = b"CFD1";
const TOKEN_SIZE: usize = 32;
const HEADER_SIZE: usize = MAGIC.len() + TOKEN_SIZE + 3 * 4;
const ACKNOWLEDGED: u8 = 6;
/// More helpers than this at a time wait in the socket's queue.
const MAX_CONNECTIONS: usize = 64;

/// A finished capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The process that crashed, in its own pid namespace.
    pub pid: i32,
    /// The dump, if one could be written.
    pub dump: Option<PathBuf>,
    /// The report, packed ([`crate::report::packed`]).
    pub report: Vec<u8>,
}

/// Why a delivery did not arrive.
#[derive(Debug, Error)]
pub enum DeliverError {
    /// There is no supervisor: COLDFRAME_SUPERVISOR is absent or malformed.
    #[error("no supervisor: {SUPERVISOR} is not NAME:TOKEN")]
    NoSupervisor,
    /// The report is larger than the supervisor takes.
    #[error("the report has {size} bytes, more than the {MAX_MESSAGE} that are taken")]
    TooLarge {
        /// Its size.
        size: usize,
    },
    /// The supervisor cannot be reached, or hung up. The caller prints the report itself.
    #[error("cannot reach the supervisor: {0}")]
    Unreachable(io::Error),
    /// The supervisor has the whole report but is stopped. It prints when it is continued; the caller must not.
    #[error("the supervisor took the report but did not answer in time")]
    NotAcknowledged,
}

/// Sends a delivery to who asked for it.
///
/// # Errors
/// As [`deliver`].
pub fn answer(question: Question, delivery: &Delivery) -> Result<(), DeliverError> {
    deliver_to(&address(&question_name(question), &question_token(question)), delivery)
}

fn address(name: &str, token: &str) -> String {
    format!("{name}:{token}")
}

/// Only who was asked knows the random number in it.
fn question_name(question: Question) -> String {
    format!("coldframe-question-{:016x}", question.0)
}

fn question_token(question: Question) -> String {
    format!("{:0TOKEN_SIZE$x}", question.0)
}

/// Sends a delivery to the supervisor named by the environment and waits until it is printed, for [`TIMEOUT`] at most.
///
/// # Errors
/// See [`DeliverError`]; only after [`DeliverError::NotAcknowledged`] will the supervisor still print it.
pub fn deliver(delivery: &Delivery) -> Result<(), DeliverError> {
    let address = env::var(SUPERVISOR).map_err(|_| DeliverError::NoSupervisor)?;
    deliver_to(&address, delivery)
}

fn deliver_to(address: &str, delivery: &Delivery) -> Result<(), DeliverError> {
    let (name, token) = address.split_once(':').ok_or(DeliverError::NoSupervisor)?;
    if token.len() != TOKEN_SIZE {
        return Err(DeliverError::NoSupervisor);
    }
    let dump = delivery
        .dump
        .as_ref()
        .map(|path| path.as_os_str().as_bytes())
        .unwrap_or_default();
    let size = HEADER_SIZE + dump.len() + delivery.report.len();
    if size > MAX_MESSAGE {
        return Err(DeliverError::TooLarge { size });
    }
    let mut header = Vec::with_capacity(HEADER_SIZE + dump.len());
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(token.as_bytes());
    header.extend_from_slice(&delivery.pid.to_le_bytes());
    header.extend_from_slice(&(dump.len() as u32).to_le_bytes());
    header.extend_from_slice(&(delivery.report.len() as u32).to_le_bytes());
    header.extend_from_slice(dump);

    let connect = || -> io::Result<UnixStream> {
        let stream = UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(stream)
    };
    let mut stream = connect().map_err(DeliverError::Unreachable)?;
    let sent = stream
        .write_all(&header)
        .and_then(|()| stream.write_all(&delivery.report));
    sent.map_err(DeliverError::Unreachable)?;
    let mut answer = [0];
    match stream.read_exact(&mut answer) {
        Ok(()) if answer[0] == ACKNOWLEDGED => Ok(()),
        Ok(()) => Err(DeliverError::Unreachable(ErrorKind::InvalidData.into())),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Err(DeliverError::NotAcknowledged)
        }
        Err(error) => Err(DeliverError::Unreachable(error)),
    }
}

/// The supervisor's end. Nothing in it blocks.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    name: String,
    token: String,
    /// Whose helpers are believed, beside root's and this user's.
    peer: Option<u32>,
    connections: Vec<Connection>,
}

#[derive(Debug)]
struct Connection {
    stream: UnixStream,
    received: Vec<u8>,
    deadline: Instant,
}

enum Progress {
    Waiting,
    Complete(Delivery),
    Broken,
}

impl Listener {
    /// Listens on a socket with a random name.
    ///
    /// # Errors
    /// When the system has no sockets or no random numbers to give.
    pub fn new() -> io::Result<Self> {
        Self::named(
            format!("coldframe-{}", random_hex(8)?),
            random_hex(TOKEN_SIZE / 2)?,
            None,
        )
    }

    /// Listens for the answer to a question, of a process of that user.
    ///
    /// # Errors
    /// When the system has no sockets.
    pub fn for_answer(question: Question, uid: u32) -> io::Result<Self> {
        Self::named(question_name(question), question_token(question), Some(uid))
    }

    fn named(name: String, token: String, peer: Option<u32>) -> io::Result<Self> {
        let socket = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            name,
            token,
            peer,
            connections: Vec::new(),
        })
    }

    /// The value of COLDFRAME_SUPERVISOR that leads here.
    #[must_use]
    pub fn address(&self) -> String {
        address(&self.name, &self.token)
    }

    /// What to poll for reading.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let queue = (self.connections.len() < MAX_CONNECTIONS).then_some(self.socket.as_fd());
        queue
            .into_iter()
            .chain(self.connections.iter().map(|connection| connection.stream.as_fd()))
    }

    /// Whether some message has begun and is not complete.
    #[must_use]
    pub fn is_receiving(&self) -> bool {
        !self.connections.is_empty()
    }

    /// Takes what has arrived, hands complete messages to `take` and acknowledges them.
    pub fn receive(&mut self, take: &mut dyn FnMut(&Delivery)) {
        while self.connections.len() < MAX_CONNECTIONS
            && let Ok((stream, _)) = self.socket.accept()
        {
            if stream.set_nonblocking(true).is_ok() && peer_is_trusted(&stream, self.peer) {
                self.connections.push(Connection {
                    stream,
                    received: Vec::new(),
                    deadline: Instant::now() + TIMEOUT,
                });
            }
        }
        let token = self.token.as_bytes();
        self.connections
            .retain_mut(|connection| match connection.progress(token) {
                Progress::Waiting => Instant::now() < connection.deadline,
                Progress::Broken => false,
                Progress::Complete(delivery) => {
                    take(&delivery);
                    // One byte fits into an empty socket buffer. If the helper has gone, nobody misses it.
                    let _ = connection.stream.write(&[ACKNOWLEDGED]);
                    false
                }
            });
    }
}

impl Connection {
    fn progress(&mut self, token: &[u8]) -> Progress {
        let mut block = [0; 1 << 16];
        loop {
            match self.stream.read(&mut block) {
                Ok(0) => return Progress::Broken,
                Ok(count) => self.received.extend_from_slice(&block[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::Waiting,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Progress::Broken,
            }
            match parse(&self.received, token) {
                Progress::Waiting => self.deadline = Instant::now() + TIMEOUT,
                done => return done,
            }
        }
    }
}

fn parse(message: &[u8], token: &[u8]) -> Progress {
    let Some((header, body)) = message.split_at_checked(HEADER_SIZE) else {
        return Progress::Waiting;
    };
    let (magic, header) = header.split_at(MAGIC.len());
    let (sent_token, header) = header.split_at(TOKEN_SIZE);
    if magic != MAGIC || sent_token != token {
        return Progress::Broken;
    }
    let mut numbers = header.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes));
    let (Some(pid), Some(dump_size), Some(report_size)) = (numbers.next(), numbers.next(), numbers.next()) else {
        return Progress::Broken;
    };
    let (dump_size, report_size) = (dump_size as usize, report_size as usize);
    if HEADER_SIZE + dump_size + report_size > MAX_MESSAGE || body.len() > dump_size + report_size {
        return Progress::Broken;
    }
    if body.len() < dump_size + report_size {
        return Progress::Waiting;
    }
    let (dump, report) = body.split_at(dump_size);
    Progress::Complete(Delivery {
        pid: pid as i32,
        dump: (!dump.is_empty()).then(|| OsString::from_vec(dump.to_vec()).into()),
        report: report.to_vec(),
    })
}

/// Whether the other end runs as root or as the user that is expected: `wanted`, or else this one. A child of root may be
/// anyone; there the token alone decides.
fn peer_is_trusted(stream: &UnixStream, wanted: Option<u32>) -> bool {
    let euid = nix::unistd::geteuid().as_raw();
    let is_trusted = |uid| match wanted {
        Some(wanted) => uid == wanted,
        None => euid == 0 || uid == euid,
    };
    getsockopt(stream, PeerCredentials).is_ok_and(|peer| peer.uid() == 0 || is_trusted(peer.uid()))
}

/// Bytes that nobody can guess. By the system call: glibc has a function for it since 2.25 only.
pub(super) fn fill_random(bytes: &mut [u8]) -> io::Result<()> {
    // So few are given whole (getrandom(2)).
    let given = rustix::rand::getrandom(&mut *bytes, rustix::rand::GetRandomFlags::empty())?;
    match given == bytes.len() {
        true => Ok(()),
        false => Err(ErrorKind::UnexpectedEof.into()),
    }
}

fn random_hex(size: usize) -> io::Result<String> {
    let mut bytes = vec![0u8; size];
    fill_random(&mut bytes)?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn receive_one(listener: &mut Listener) -> Vec<Delivery> {
        let mut taken = Vec::new();
        let end = Instant::now() + Duration::from_secs(5);
        while taken.is_empty() && Instant::now() < end {
            listener.receive(&mut |delivery| taken.push(delivery.clone()));
            thread::sleep(Duration::from_millis(1));
        }
        taken
    }

    #[test]
    fn a_delivery_arrives_once_and_is_acknowledged() {
        let mut listener = Listener::new().expect("a socket");
        let address = listener.address();
        let sent = Delivery {
            pid: 42,
            dump: Some("/d/x.dmp".into()),
            report: vec![b'x'; 3 << 20],
        };
        let copy = sent.clone();
        let helper = thread::spawn(move || deliver_to(&address, &copy));
        assert_eq!(receive_one(&mut listener), [sent]);
        assert!(helper.join().expect("no panic").is_ok());
        assert!(!listener.is_receiving());
    }

    #[test]
    fn a_wrong_token_is_turned_away() {
        let mut listener = Listener::new().expect("a socket");
        let address = format!("{}:{}", listener.name, "0".repeat(TOKEN_SIZE));
        let helper = thread::spawn(move || {
            deliver_to(
                &address,
                &Delivery {
                    pid: 1,
                    dump: None,
                    report: vec![],
                },
            )
        });
        while !helper.is_finished() {
            listener.receive(&mut |_| panic!("must not be taken"));
            thread::sleep(Duration::from_millis(1));
        }
        assert!(matches!(
            helper.join().expect("no panic"),
            Err(DeliverError::Unreachable(_))
        ));
    }

    #[test]
    fn sizes_are_bounded_before_anything_is_kept() {
        let mut message = [MAGIC.as_slice(), &[b'0'; TOKEN_SIZE]].concat();
        message.extend_from_slice(&[0; 4]);
        message.extend_from_slice(&[0xff; 8]);
        assert!(matches!(parse(&message, &[b'0'; TOKEN_SIZE]), Progress::Broken));
        assert!(matches!(parse(&message[..20], &[b'0'; TOKEN_SIZE]), Progress::Waiting));
    }

    #[test]
    fn without_a_supervisor_it_says_so() {
        let delivery = Delivery {
            pid: 1,
            dump: None,
            report: vec![],
        };
        assert!(matches!(
            deliver_to("nothing", &delivery),
            Err(DeliverError::NoSupervisor)
        ));
        let nobody = format!("coldframe-nobody:{}", "0".repeat(TOKEN_SIZE));
        assert!(matches!(
            deliver_to(&nobody, &delivery),
            Err(DeliverError::Unreachable(_))
        ));
    }
}
