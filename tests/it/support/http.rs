//! A debuginfod server on loopback that behaves as a test wants.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is answered.
#[derive(Clone)]
pub enum Answer {
    /// The whole file.
    File(Arc<Vec<u8>>),
    /// A status without a file.
    Status(u16),
    /// Nothing, for so long.
    Silence(Duration),
    /// Less than the header states, then the connection ends.
    CutShort(Arc<Vec<u8>>),
    /// Some of it, then nothing for so long.
    Hanging(Arc<Vec<u8>>, Duration),
    /// Bytes without a stated length, and without an end.
    Endless,
    /// The same path on the server at this address.
    Redirect(String),
}

/// Answers by path; 404 where there is none.
pub type Answers = HashMap<String, Answer>;

/// A server; its thread ends with the test program.
pub struct Server {
    pub url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn start(answers: Answers) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        let answers = Arc::new(answers);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answers, log) = (answers.clone(), log.clone());
                // Who hangs must not keep others waiting.
                std::thread::spawn(move || serve(stream, &answers, &log));
            }
        });
        Server { url, asked }
    }

    /// The paths asked for since this was last called.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

/// Requests of one connection. A client that goes away ends it.
fn serve(stream: TcpStream, answers: &Answers, log: &Mutex<Vec<String>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let mut request = String::new();
        reader.read_line(&mut request).ok().filter(|read| *read > 0)?;
        let mut header = String::from("-");
        while !header.trim().is_empty() {
            header.clear();
            reader.read_line(&mut header).ok()?;
        }
        let path = request.split(' ').nth(1)?.to_string();
        assert!(request.starts_with("GET "), "{request}");
        log.lock().unwrap().push(path.clone());
        let head = |status: u16, more: &str| format!("HTTP/1.1 {status} Said\r\n{more}\r\n");
        let with_length = |len: usize| head(200, &format!("Content-Length: {len}\r\n"));
        match answers.get(&path).cloned().unwrap_or(Answer::Status(404)) {
            Answer::File(bytes) => {
                stream.write_all(with_length(bytes.len()).as_bytes()).ok()?;
                stream.write_all(&bytes).ok()?;
            }
            Answer::Status(status) => stream
                .write_all(head(status, "Content-Length: 0\r\n").as_bytes())
                .ok()?,
            Answer::Silence(time) => {
                std::thread::sleep(time);
                return None;
            }
            Answer::CutShort(bytes) => {
                stream.write_all(with_length(bytes.len()).as_bytes()).ok()?;
                stream.write_all(&bytes[..bytes.len() / 2]).ok()?;
                return None;
            }
            Answer::Hanging(bytes, time) => {
                stream.write_all(with_length(bytes.len()).as_bytes()).ok()?;
                stream.write_all(&bytes[..bytes.len() / 2]).ok()?;
                std::thread::sleep(time);
                return None;
            }
            Answer::Endless => {
                stream.write_all(head(200, "Connection: close\r\n").as_bytes()).ok()?;
                loop {
                    stream.write_all(&[b'x'; 65_536]).ok()?;
                }
            }
            Answer::Redirect(to) => {
                let more = format!("Location: {to}{path}\r\nContent-Length: 0\r\n");
                stream.write_all(head(302, &more).as_bytes()).ok()?;
            }
        }
    }
}
