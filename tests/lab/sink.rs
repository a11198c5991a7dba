//! Where everything goes that tries to leave the lab: it is counted, noted and lost.
//!
//! The gateway routes what is not for the lab's subnet into a TUN device that
//! is read here, and on the gateway's port 53 a resolver refuses every question.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::ioctl;

use crate::command::Failure;
use crate::network::{self, Network};

const DEVICE: &str = "sink0";
const PAUSE: Duration = Duration::from_millis(50);

/// The end of every way out.
pub struct Sink {
    seen: Arc<Mutex<Vec<String>>>,
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Sink {
    /// Opens it behind the network's gateway.
    pub fn open(network: &Network, gateway: Ipv4Addr) -> Result<Self, Failure> {
        let (mut device, resolver) = network::inside(&network.path(), || {
            fs::write("/proc/sys/net/ipv4/ip_forward", "1")?;
            Ok((open_device()?, UdpSocket::bind((gateway, 53))?))
        })?;
        network.ip(&["link", "set", DEVICE, "up"])?;
        network.ip(&["route", "add", "default", "dev", DEVICE])?;
        resolver.set_read_timeout(Some(PAUSE))?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let is_over = Arc::new(AtomicBool::new(false));
        let mut buffers = ([0; 65_536], [0; 1_024]);
        let packets = spawn(&seen, &is_over, move || {
            next_packet(&mut device, &mut buffers.0)
        });
        let questions = spawn(&seen, &is_over, move || {
            next_question(&resolver, &mut buffers.1)
        });
        Ok(Self {
            seen,
            is_over,
            threads: vec![packets, questions],
        })
    }

    /// How many packets and questions have come.
    pub fn packets(&self) -> usize {
        lock(&self.seen).len()
    }

    /// All of them, in words.
    pub fn seen(&self) -> Vec<String> {
        lock(&self.seen).clone()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A reader that panicked has said so already, and there is nothing left to save.
            drop(thread.join());
        }
    }
}

fn lock(seen: &Mutex<Vec<String>>) -> MutexGuard<'_, Vec<String>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn spawn(
    seen: &Arc<Mutex<Vec<String>>>,
    is_over: &Arc<AtomicBool>,
    mut next: impl FnMut() -> Option<String> + Send + 'static,
) -> JoinHandle<()> {
    let (seen, is_over) = (Arc::clone(seen), Arc::clone(is_over));
    thread::spawn(move || {
        while !is_over.load(Ordering::Relaxed) {
            if let Some(line) = next() {
                lock(&seen).push(line);
            }
        }
    })
}

fn next_packet(device: &mut File, buffer: &mut [u8]) -> Option<String> {
    match device.read(buffer) {
        Ok(length) => Some(describe(&buffer[..length])),
        Err(cause) if cause.kind() == ErrorKind::WouldBlock => {
            thread::sleep(PAUSE);
            None
        }
        Err(cause) => panic!("the sink's device cannot be read: {cause}"),
    }
}

fn next_question(resolver: &UdpSocket, buffer: &mut [u8]) -> Option<String> {
    let (length, from) = resolver.recv_from(buffer).ok()?;
    let question = &buffer[..length];
    let line = format!("{} asks for {}", from.ip(), asked_name(question));
    if let Some(answer) = refusal(question) {
        // The asker may be gone; it has been noted all the same.
        drop(resolver.send_to(&answer, from));
    }
    Some(line)
}

/// `struct ifreq` (netdevice(7)) as `TUNSETIFF` reads it.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; 16],
    flags: u16,
    rest: [u8; 22],
}

const TUNSETIFF: ioctl::Opcode = ioctl::opcode::write::<i32>(b'T', 202);
const IFF_TUN: u16 = 0x0001;
const IFF_NO_PI: u16 = 0x1000;

#[expect(unsafe_code, reason = "there is no other way to an ioctl")]
fn open_device() -> Result<File, Failure> {
    let device = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open("/dev/net/tun")?;
    let mut name = [0; 16];
    name[..DEVICE.len()].copy_from_slice(DEVICE.as_bytes());
    let request = InterfaceRequest {
        name,
        flags: IFF_TUN | IFF_NO_PI,
        rest: [0; 22],
    };
    // SAFETY: TUNSETIFF reads and writes one `struct ifreq`, for which the value has room.
    unsafe {
        let set = ioctl::Setter::<TUNSETIFF, InterfaceRequest>::new(request);
        ioctl::ioctl(device.as_fd(), set)?;
    }
    // IPv6 on it would speak by itself.
    fs::write(
        format!("/proc/sys/net/ipv6/conf/{DEVICE}/disable_ipv6"),
        "1",
    )?;
    Ok(device)
}

/// Source, destination and ports of an IP packet (RFC 791, RFC 8200).
fn describe(packet: &[u8]) -> String {
    match packet.first().map(|byte| byte >> 4) {
        Some(4) if packet.len() >= 20 => {
            let header = usize::from(packet[0] & 15) * 4;
            let address = |at: usize| {
                let octets: [u8; 4] = packet[at..at + 4].try_into().expect("four bytes");
                IpAddr::from(Ipv4Addr::from(octets))
            };
            described(address(12), address(16), packet[9], packet.get(header..))
        }
        Some(6) if packet.len() >= 40 => {
            let address = |at: usize| {
                let octets: [u8; 16] = packet[at..at + 16].try_into().expect("sixteen bytes");
                IpAddr::from(Ipv6Addr::from(octets))
            };
            described(address(8), address(24), packet[6], packet.get(40..))
        }
        _ => format!("{} bytes that are no IP packet", packet.len()),
    }
}

fn described(from: IpAddr, to: IpAddr, protocol: u8, payload: Option<&[u8]>) -> String {
    let port = payload
        .and_then(|bytes| bytes.get(2..4))
        .map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
    match (protocol, port) {
        (6, Some(port)) => format!("{from} to {to}, TCP port {port}"),
        (17, Some(port)) => format!("{from} to {to}, UDP port {port}"),
        _ => format!("{from} to {to}, protocol {protocol}"),
    }
}

/// The name in a question (RFC 1035, 4.1.2).
fn asked_name(question: &[u8]) -> String {
    let mut labels = Vec::new();
    let mut rest = question.get(12..).unwrap_or_default();
    while let Some((&length, tail)) = rest.split_first() {
        let length = usize::from(length);
        if length == 0 || length > tail.len() {
            break;
        }
        labels.push(String::from_utf8_lossy(&tail[..length]).into_owned());
        rest = &tail[length..];
    }
    labels.join(".")
}

/// The question itself, marked as an answer with code REFUSED (RFC 1035, 4.1.1).
fn refusal(question: &[u8]) -> Option<Vec<u8>> {
    let mut answer = question.to_vec();
    *answer.get_mut(2)? |= 0x80;
    let code = answer.get_mut(3)?;
    *code = (*code & 0xf0) | 5;
    Some(answer)
}
