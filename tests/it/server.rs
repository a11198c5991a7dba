//! A server on loopback that misbehaves as it is told.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use pgbundle::store::place::Place;

/// What the server does with one request; the last of a list is done for all that follow.
#[derive(Clone, Copy, Debug)]
pub enum Behaviour {
    /// As RFC 9110 has it.
    Good,
    /// Good, but closes after that many bytes of the body.
    Cut(usize),
    /// Sends 200 and everything, whatever range is asked for.
    IgnoresRange,
    /// Answers a range with another one.
    WrongRange,
    /// Sends the headers and half of the body, and then nothing.
    Stalls,
    /// Says nothing at all.
    Mute,
    /// Announces that many bytes more than it has.
    Announces(usize),
    /// Announces nothing and sends that many bytes more.
    SendsMore(usize),
    /// Sends other bytes of the same length.
    Alters,
    /// Answers with a status and nothing else.
    Status(u16),
}

/// A server on loopback that ends with its value.
pub struct Server {
    address: String,
    stop: Arc<AtomicBool>,
    requests: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(files: &[(&str, &[u8])], behaviours: &[Behaviour]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let stop = Arc::new(AtomicBool::new(false));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let files: BTreeMap<String, Vec<u8>> = files
            .iter()
            .map(|(name, bytes)| (format!("/{name}"), bytes.to_vec()))
            .collect();
        let behaviours = behaviours.to_vec();
        let (stopped, seen) = (stop.clone(), requests.clone());
        let thread = thread::spawn(move || {
            thread::scope(|scope| {
                for (number, stream) in listener.incoming().enumerate() {
                    if stopped.load(Ordering::SeqCst) {
                        break;
                    }
                    let behaviour = behaviours[number.min(behaviours.len() - 1)];
                    let (files, seen, stopped) = (&files, &seen, &stopped);
                    scope.spawn(move || answer(stream.unwrap(), behaviour, files, seen, stopped));
                }
            });
        });
        Self {
            address,
            stop,
            requests,
            thread: Some(thread),
        }
    }

    pub fn place(&self, path: &str) -> Place {
        Place::parse(&self.root()).join(path)
    }

    pub fn root(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the loop; one that has ended already refuses, which is as good.
        drop(TcpStream::connect(&self.address));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// Answers one request and closes. The client may go away at any time.
fn answer(
    mut stream: TcpStream,
    behaviour: Behaviour,
    files: &BTreeMap<String, Vec<u8>>,
    seen: &Mutex<Vec<String>>,
    stopped: &AtomicBool,
) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut path, mut from) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        if let Some(rest) = line.strip_prefix("GET ") {
            path = rest.split(' ').next().unwrap().to_owned();
        }
        if let Some(range) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            from = range.trim_end_matches('-').parse().unwrap();
        }
    }
    seen.lock().unwrap().push(format!("{path} from {from}"));
    let (head, body, hold) = reply(behaviour, files.get(&path), from);
    let sent = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(&body));
    let begun = Instant::now();
    while sent.is_ok() && hold && !stopped.load(Ordering::SeqCst) && begun.elapsed().as_secs() < 20
    {
        thread::sleep(Duration::from_millis(20));
    }
}

fn reply(behaviour: Behaviour, file: Option<&Vec<u8>>, from: usize) -> (String, Vec<u8>, bool) {
    let status = |number: u16| {
        (
            format!("HTTP/1.1 {number} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
            Vec::new(),
            false,
        )
    };
    let Some(whole) = file else {
        return status(404);
    };
    let head = |from: usize, length: Option<usize>| {
        let mut head = match from {
            0 => "HTTP/1.1 200 OK\r\n".to_owned(),
            _ => format!(
                "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{}/{}\r\n",
                whole.len() - 1,
                whole.len()
            ),
        };
        if let Some(length) = length {
            head.push_str(&format!("Content-Length: {length}\r\n"));
        }
        head + "Connection: close\r\n\r\n"
    };
    let rest = whole[from.min(whole.len())..].to_vec();
    let good = head(from, Some(rest.len()));
    match behaviour {
        Behaviour::Good => (good, rest, false),
        Behaviour::Cut(at) => (good, rest[..at.min(rest.len())].to_vec(), false),
        Behaviour::IgnoresRange => (head(0, Some(whole.len())), whole.clone(), false),
        Behaviour::WrongRange => (
            head(from + 1, Some(rest.len() - 1)),
            rest[1..].to_vec(),
            false,
        ),
        Behaviour::Stalls => (good, rest[..rest.len() / 2].to_vec(), true),
        Behaviour::Mute => (String::new(), Vec::new(), true),
        Behaviour::Announces(more) => (head(from, Some(rest.len() + more)), rest, false),
        Behaviour::SendsMore(more) => (head(from, None), [rest, vec![0; more]].concat(), false),
        Behaviour::Alters => (good, rest.iter().map(|byte| byte ^ 1).collect(), false),
        Behaviour::Status(number) => status(number),
    }
}
