//! One request to a debuginfod server.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::super::ImageError;

/// To whoever answers at all.
const CONNECT: Duration = Duration::from_secs(10);
/// A server may have to unpack a package first; elfutils waits 90 s.
const NO_PROGRESS: Duration = Duration::from_secs(60);
/// One file.
const WHOLE: Duration = Duration::from_secs(240);
/// Debug information of the largest browsers and databases has 4 GB.
const MAX_SIZE: u64 = 8 << 30;

/// What a request may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Without a byte coming in.
    no_progress: Duration,
    /// From the request to the last byte.
    whole: Duration,
    bytes: u64,
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the server does not have it")]
    Absent,
    #[error("the server answered with status {0}")]
    Status(u16),
    #[error("the server sent something else: {0}")]
    WrongFile(#[source] ImageError),
    #[error("it has more than {0} bytes")]
    TooLarge(u64),
    #[error("the connection broke off after {0} bytes")]
    CutShort(u64),
    #[error("there was no answer in time ({0})")]
    Late(String),
    #[error("{0}")]
    Connection(String),
    #[error("it could not be written here: {0}")]
    Store(#[source] io::Error),
    #[error("the time for all requests is used up")]
    NoTimeLeft,
}

impl Failure {
    /// The server knows of that build, and has nothing to give.
    pub fn is_answer(&self) -> bool {
        matches!(self, Failure::Absent | Failure::WrongFile(_))
    }

    /// It will not be better with the next file.
    pub fn is_silence(&self) -> bool {
        matches!(self, Failure::Late(_) | Failure::Connection(_) | Failure::NoTimeLeft)
    }

    /// What a user can do; `None` where a note would say no more than that symbols are missing.
    pub fn remedy(&self) -> Option<&'static str> {
        Some(match self {
            Failure::Absent => return None,
            Failure::Status(_) => "try again later, or --symbols PATH",
            Failure::WrongFile(_) => "tell who runs the server; --symbols PATH",
            Failure::TooLarge(_) => "DEBUGINFOD_MAXSIZE=BYTES",
            Failure::CutShort(_) => "run it again, or --symbols PATH",
            Failure::Late(_) => "DEBUGINFOD_TIMEOUT=SECONDS and DEBUGINFOD_MAXTIME=SECONDS, or --symbols PATH",
            Failure::Connection(_) => {
                "check the address given with --debuginfod or in DEBUGINFOD_URLS, and the network"
            }
            Failure::Store(_) => "room and write permission in the cache folder (COLDFRAME_CACHE)",
            Failure::NoTimeLeft => "run it again: what has come is kept",
        })
    }
}

impl Limits {
    /// As elfutils' own client reads them; 0 or nonsense is the default.
    pub fn from_env() -> Limits {
        let number = |name| -> Option<u64> { std::env::var(name).ok()?.trim().parse().ok().filter(|n| *n > 0) };
        let seconds = |name, default| number(name).map_or(default, Duration::from_secs);
        Limits {
            no_progress: seconds("DEBUGINFOD_TIMEOUT", NO_PROGRESS),
            whole: seconds("DEBUGINFOD_MAXTIME", WHOLE),
            bytes: number("DEBUGINFOD_MAXSIZE").unwrap_or(MAX_SIZE),
        }
    }
}

/// Keeps connections open between requests.
pub(super) struct Client {
    agent: std::cell::OnceCell<ureq::Agent>,
    limits: Limits,
}

impl Client {
    pub fn new(limits: Limits) -> Client {
        Client {
            agent: std::cell::OnceCell::new(),
            limits,
        }
    }

    /// Writes what is at `address` to `file`. `progress` gets the bytes so far, and those of the whole where stated.
    pub fn fetch(
        &self,
        address: &str,
        file: &mut File,
        left: Duration,
        progress: &dyn Fn(u64, Option<u64>),
    ) -> Result<(), Failure> {
        let agent = self.agent.get_or_init(|| self.agent());
        let request = agent
            .get(address)
            .config()
            .timeout_global(Some(self.limits.whole.min(left)))
            .build();
        let response = request.call().map_err(failure)?;
        match response.status().as_u16() {
            200 => {}
            404 => return Err(Failure::Absent),
            status => return Err(Failure::Status(status)),
        }
        let total = response.body().content_length();
        if total.is_some_and(|total| total > self.limits.bytes) {
            return Err(Failure::TooLarge(self.limits.bytes));
        }
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; 64 << 10];
        let mut received = 0;
        loop {
            let read = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(Failure::CutShort(received)),
                Err(error) => return Err(failure(ureq::Error::from(error))),
            };
            received += read as u64;
            if received > self.limits.bytes {
                return Err(Failure::TooLarge(self.limits.bytes));
            }
            file.write_all(buffer.get(..read).unwrap_or_default())
                .map_err(Failure::Store)?;
            progress(received, total);
        }
        match total {
            Some(total) if received < total => Err(Failure::CutShort(received)),
            _ => Ok(()),
        }
    }

    fn agent(&self) -> ureq::Agent {
        ureq::Agent::config_builder()
            .timeout_connect(Some(CONNECT.min(self.limits.no_progress)))
            .timeout_recv_response(Some(self.limits.no_progress))
            .timeout_per_read(Some(self.limits.no_progress))
            .http_status_as_error(false)
            .max_redirects(5)
            .user_agent(concat!("coldframe/", env!("CARGO_PKG_VERSION")))
            .tls_config(TlsConfig::builder().root_certs(root_certificates()).build())
            .build()
            .into()
    }
}

/// Those of the machine, which know a company's own; Mozilla's where there are none, as in small containers.
fn root_certificates() -> RootCerts {
    let own: Vec<_> = rustls_native_certs::load_native_certs().certs;
    if own.is_empty() {
        return RootCerts::WebPki;
    }
    let certificates = own
        .iter()
        .map(|certificate| Certificate::from_der(certificate).to_owned());
    RootCerts::Specific(Arc::new(certificates.collect()))
}

fn failure(error: ureq::Error) -> Failure {
    match error {
        ureq::Error::Timeout(what) => Failure::Late(what.to_string()),
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => Failure::Late("io".to_string()),
        error => Failure::Connection(error.to_string()),
    }
}
