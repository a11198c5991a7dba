//! Asking an Ethernet who else has an IPv4 address, by the probes of RFC 5227 (2.1.1).
//!
//! A probe names no sender, so it changes nobody's table of neighbours.

use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, sendto,
    socket_with,
};

const PROBES: usize = 3;
/// How long the answers to one probe may take.
const PATIENCE: Duration = Duration::from_millis(250);
/// `ETH_P_ARP` (linux/if_ether.h).
const ARP: u16 = 0x0806;
/// Ethernet, IPv4, lengths 6 and 4, request (RFC 826).
const REQUEST: [u8; 8] = [0, 1, 8, 0, 6, 4, 0, 1];

/// A hardware address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.map(|byte| format!("{byte:02x}")).join(":"))
    }
}

/// `struct sockaddr_ll` (packet(7)).
#[repr(C)]
struct LinkAddress {
    family: u16,
    protocol: u16,
    interface: u32,
    hardware: u16,
    kind: u8,
    length: u8,
    address: [u8; 8],
}

impl LinkAddress {
    fn everybody(interface: u32) -> Self {
        Self {
            family: AddressFamily::PACKET.as_raw(),
            protocol: ARP.to_be(),
            interface,
            hardware: 0,
            kind: 0,
            length: 6,
            address: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0],
        }
    }
}

#[expect(unsafe_code, reason = "rustix has no address of this family")]
// SAFETY: the pointer is to a whole `sockaddr_ll`, which outlives the call.
unsafe impl SocketAddrArg for LinkAddress {
    unsafe fn with_sockaddr<R>(
        &self,
        f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R,
    ) -> R {
        let length = SocketAddrLen::try_from(size_of::<Self>()).expect("it is 20 bytes long");
        f(std::ptr::from_ref(self).cast(), length)
    }
}

/// Who else on the network of this interface answers for `address`; `own` are this host's.
pub fn other_holder(interface: u32, own: &[Mac], address: Ipv4Addr) -> io::Result<Option<Mac>> {
    let Some(me) = own.first() else {
        return Ok(None);
    };
    let protocol = NonZeroU32::new(u32::from(ARP.to_be())).map(Protocol::from_raw);
    let socket = socket_with(
        AddressFamily::PACKET,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        protocol,
    )?;
    let everybody = LinkAddress::everybody(interface);
    bind(&socket, &everybody)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    for _ in 0..PROBES {
        sendto(
            &socket,
            &probe(*me, address),
            SendFlags::empty(),
            &everybody,
        )?;
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let mut packet = [0; 64];
            match recv(&socket, &mut packet[..], RecvFlags::empty()) {
                Ok((length, _)) => match sender(&packet[..length], address) {
                    Some(mac) if !own.contains(&mac) => return Ok(Some(mac)),
                    _ => {}
                },
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                Err(fault) => return Err(fault.into()),
            }
        }
    }
    Ok(None)
}

fn probe(me: Mac, address: Ipv4Addr) -> Vec<u8> {
    let nobody = [0; 4];
    let parts: [&[u8]; 5] = [&REQUEST, &me.0, &nobody, &[0; 6], &address.octets()];
    parts.concat()
}

/// The hardware address of a packet that claims `address` for its sender.
fn sender(packet: &[u8], address: Ipv4Addr) -> Option<Mac> {
    let is_of_ethernet = packet.get(..6)? == &REQUEST[..6];
    let claims = packet.get(14..18)? == address.octets();
    let mac = packet.get(8..14)?.try_into().ok()?;
    (is_of_ethernet && claims).then_some(Mac(mac))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_counts_when_its_sender_claims_the_address() {
        let (mine, theirs) = (Mac([2; 6]), Mac([0x52, 0x54, 0, 0x77, 0, 0x67]));
        let address = Ipv4Addr::new(192, 168, 60, 103);
        let asked = probe(mine, address);
        assert_eq!(asked.len(), 28);
        assert_eq!(sender(&asked, address), None, "a probe claims nothing");
        let mut answer = asked.clone();
        answer[7] = 2;
        answer[8..14].copy_from_slice(&theirs.0);
        answer[14..18].copy_from_slice(&address.octets());
        assert_eq!(sender(&answer, address), Some(theirs));
        assert_eq!(theirs.to_string(), "52:54:00:77:00:67");
        assert!(sender(&answer, Ipv4Addr::new(192, 168, 60, 104)).is_none());
        assert!(sender(&answer[..17], address).is_none());
    }
}
