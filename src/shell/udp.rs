//! The socket of a media thread: many datagrams per system call, in both directions.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::ptr::null_mut;

use crate::media::batch::{MESSAGES_MAX, Message, SendBatch};

/// Datagrams taken by one call.
pub const RECEIVE_MAX: usize = 64;

/// Bytes of the longest datagram taken; longer ones are dropped.
pub const DATAGRAM_BYTES_MAX: usize = 2048;

/// What the kernel is asked to hold, bytes: 50 ms at 1.3 Gbit/s.
const SOCKET_BUFFER_BYTES: libc::c_int = 8 * 1024 * 1024;

/// How long a full socket is waited for before datagrams are dropped, milliseconds.
const FULL_SOCKET_WAIT_MS: libc::c_int = 2;

/// Room for one control message of two bytes, aligned as `cmsghdr` wants.
type Control = [u64; 4];

/// A bound socket with its buffers. It stays on the thread that made it.
pub struct BatchSocket {
    socket: UdpSocket,
    ipv6: bool,
    incoming: Box<Incoming>,
    outgoing: Box<Outgoing>,
    cuts_runs: Option<bool>,
    dropped: u64,
}

struct Incoming {
    buffers: Vec<[u8; DATAGRAM_BYTES_MAX]>,
    names: [libc::sockaddr_storage; RECEIVE_MAX],
    vectors: [libc::iovec; RECEIVE_MAX],
    headers: [libc::mmsghdr; RECEIVE_MAX],
}

struct Outgoing {
    names: [libc::sockaddr_storage; MESSAGES_MAX],
    vectors: [libc::iovec; MESSAGES_MAX],
    headers: [libc::mmsghdr; MESSAGES_MAX],
    controls: [Control; MESSAGES_MAX],
}

/// Binds a socket for media: large buffers, and datagrams that are never fragmented on the way.
///
/// An IPv6 wildcard takes IPv4 too.
///
/// # Errors
///
/// When the address is taken, not ours, or not permitted.
pub fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::DGRAM, Some(socket2::Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    let socket = UdpSocket::from(socket);
    let fd = socket.as_raw_fd();
    enlarge(fd, libc::SO_RCVBUFFORCE, libc::SO_RCVBUF);
    enlarge(fd, libc::SO_SNDBUFFORCE, libc::SO_SNDBUF);
    // Refused on some systems: then the network may fragment, which browsers' packets never need.
    let _ = option(
        fd,
        libc::IPPROTO_IP,
        libc::IP_MTU_DISCOVER,
        libc::IP_PMTUDISC_PROBE,
    );
    if address.is_ipv6() {
        let probe = libc::IPV6_PMTUDISC_PROBE;
        let _ = option(fd, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, probe);
    }
    Ok(socket)
}

impl BatchSocket {
    /// Gives a bound socket its buffers.
    ///
    /// # Errors
    ///
    /// When the socket has no address.
    pub fn new(socket: UdpSocket) -> io::Result<Self> {
        let ipv6 = socket.local_addr()?.is_ipv6();
        Ok(Self {
            socket,
            ipv6,
            incoming: Incoming::new(),
            outgoing: Outgoing::new(),
            cuts_runs: None,
            dropped: 0,
        })
    }

    /// Its descriptor, for waiting.
    pub fn descriptor(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Datagrams that the kernel did not take.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Takes what is there, at most [`RECEIVE_MAX`] datagrams, without waiting.
    pub fn receive(&mut self) -> usize {
        let incoming = &mut *self.incoming;
        for header in &mut incoming.headers {
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        }
        // SAFETY: every header points at a name and a vector of its own in the same box, every
        // vector at a buffer of its own; all outlive the call and none moves.
        let count = unsafe {
            libc::recvmmsg(
                self.socket.as_raw_fd(),
                incoming.headers.as_mut_ptr(),
                RECEIVE_MAX as libc::c_uint,
                libc::MSG_DONTWAIT,
                null_mut(),
            )
        };
        usize::try_from(count).unwrap_or(0)
    }

    /// The datagram at a place below the count that [`Self::receive`] returned; `None` when it was
    /// too long.
    pub fn datagram(&mut self, place: usize) -> Option<(SocketAddr, &mut [u8])> {
        let incoming = &mut *self.incoming;
        let header = incoming.headers.get(place)?;
        let from = read_name(incoming.names.get(place)?)?;
        if header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
            return None;
        }
        let len = header.msg_len as usize;
        Some((from, incoming.buffers.get_mut(place)?.get_mut(..len)?))
    }

    /// Sends a batch and empties it; what the kernel does not take is dropped and counted.
    pub fn send(&mut self, batch: &mut SendBatch) {
        let mut sent = 0;
        while sent < batch.messages().len() {
            let count = self.send_from(batch, sent);
            if count > 0 {
                let run = batch.messages()[sent..sent + count]
                    .iter()
                    .any(|m| m.segments > 1);
                self.cuts_runs = if run { Some(true) } else { self.cuts_runs };
                sent += count;
                continue;
            }
            let error = io::Error::last_os_error();
            let message = batch.messages()[sent];
            let refused = matches!(error.raw_os_error(), Some(libc::EIO | libc::EINVAL));
            if error.kind() == io::ErrorKind::Interrupted
                || error.kind() == io::ErrorKind::WouldBlock && self.wait_for_room()
            {
                continue;
            }
            if refused && message.segments > 1 {
                self.send_cut(batch, &message);
            } else {
                self.dropped += message.segments as u64;
            }
            sent += 1;
        }
        if self.cuts_runs == Some(false) {
            batch.forbid_runs();
        }
        batch.clear();
    }

    /// The number of messages that the kernel took from `first` on; 0 for an error.
    fn send_from(&mut self, batch: &SendBatch, first: usize) -> usize {
        let outgoing = &mut *self.outgoing;
        let messages = &batch.messages()[first..];
        for (place, message) in messages.iter().enumerate().take(MESSAGES_MAX) {
            outgoing.set(place, message, batch.bytes(message), self.ipv6);
        }
        // SAFETY: `set` pointed the first headers at names, vectors and controls of the same box
        // and at the batch's bytes, which all outlive the call.
        let count = unsafe {
            libc::sendmmsg(
                self.socket.as_raw_fd(),
                outgoing.headers.as_mut_ptr(),
                messages.len().min(MESSAGES_MAX) as libc::c_uint,
                libc::MSG_DONTWAIT,
            )
        };
        usize::try_from(count).unwrap_or(0)
    }

    /// The kernel or the card does not cut this run: cuts it here. If it never cut one, it is not
    /// asked again.
    fn send_cut(&mut self, batch: &SendBatch, message: &Message) {
        self.cuts_runs.get_or_insert(false);
        for datagram in batch.bytes(message).chunks(message.segment.max(1)) {
            let to = widen(message.destination, self.ipv6);
            if self.socket.send_to(datagram, to).is_err() {
                self.dropped += 1;
            }
        }
    }

    fn wait_for_room(&self) -> bool {
        let mut waited = libc::pollfd {
            fd: self.socket.as_raw_fd(),
            events: libc::POLLOUT,
            revents: 0,
        };
        // SAFETY: one descriptor, owned by us.
        unsafe { libc::poll(&raw mut waited, 1, FULL_SOCKET_WAIT_MS) > 0 }
    }
}

impl Incoming {
    fn new() -> Box<Self> {
        // SAFETY: all-zero is a valid value of these C structures.
        let (names, vectors, headers) = unsafe { (zeroed(), zeroed(), zeroed()) };
        let mut incoming = Box::new(Self {
            buffers: vec![[0; DATAGRAM_BYTES_MAX]; RECEIVE_MAX],
            names,
            vectors,
            headers,
        });
        let parts = &mut *incoming;
        for place in 0..RECEIVE_MAX {
            let vector = &mut parts.vectors[place];
            vector.iov_base = parts.buffers[place].as_mut_ptr().cast();
            vector.iov_len = DATAGRAM_BYTES_MAX;
            let header = &mut parts.headers[place].msg_hdr;
            header.msg_iov = &raw mut parts.vectors[place];
            header.msg_iovlen = 1;
            header.msg_name = (&raw mut parts.names[place]).cast();
        }
        incoming
    }
}

impl Outgoing {
    fn new() -> Box<Self> {
        // SAFETY: all-zero is a valid value of these C structures.
        let (names, vectors, headers) = unsafe { (zeroed(), zeroed(), zeroed()) };
        Box::new(Self {
            names,
            vectors,
            headers,
            controls: [[0; 4]; MESSAGES_MAX],
        })
    }

    fn set(&mut self, place: usize, message: &Message, bytes: &[u8], ipv6: bool) {
        let name_len = write_name(&mut self.names[place], widen(message.destination, ipv6));
        self.vectors[place] = libc::iovec {
            iov_base: bytes.as_ptr().cast_mut().cast(),
            iov_len: bytes.len(),
        };
        let header = &mut self.headers[place].msg_hdr;
        header.msg_name = (&raw mut self.names[place]).cast();
        header.msg_namelen = name_len;
        header.msg_iov = &raw mut self.vectors[place];
        header.msg_iovlen = 1;
        header.msg_control = null_mut();
        header.msg_controllen = 0;
        if message.segments > 1 {
            let control = &mut self.controls[place];
            header.msg_control = control.as_mut_ptr().cast();
            // SAFETY: the control buffer is aligned and longer than one two-byte message.
            unsafe {
                header.msg_controllen = libc::CMSG_SPACE(2) as usize;
                let first = libc::CMSG_FIRSTHDR(header);
                (*first).cmsg_level = libc::SOL_UDP;
                (*first).cmsg_type = libc::UDP_SEGMENT;
                (*first).cmsg_len = libc::CMSG_LEN(2) as usize;
                libc::CMSG_DATA(first)
                    .cast::<u16>()
                    .write_unaligned(message.segment as u16);
            }
        }
    }
}

/// An IPv6 socket names IPv4 destinations by their mapped form.
fn widen(address: SocketAddr, ipv6: bool) -> SocketAddr {
    match (address, ipv6) {
        (SocketAddr::V4(v4), true) => SocketAddr::from((v4.ip().to_ipv6_mapped(), v4.port())),
        (address, _) => address,
    }
}

fn write_name(name: &mut libc::sockaddr_storage, address: SocketAddr) -> libc::socklen_t {
    let written = socket2::SockAddr::from(address);
    // SAFETY: a socket address is never longer than the storage it is written to.
    unsafe {
        std::ptr::copy_nonoverlapping(
            written.as_ptr().cast::<u8>(),
            std::ptr::from_mut(name).cast::<u8>(),
            written.len() as usize,
        );
    }
    written.len()
}

fn read_name(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let start = std::ptr::from_ref(name);
    match libc::c_int::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says what the storage holds.
            let v4 = unsafe { start.cast::<libc::sockaddr_in>().read() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddr::from((ip, u16::from_be(v4.sin_port))))
        }
        libc::AF_INET6 => {
            // SAFETY: the family says what the storage holds.
            let v6 = unsafe { start.cast::<libc::sockaddr_in6>().read() };
            let ip = IpAddr::V6(Ipv6Addr::from(v6.sin6_addr.s6_addr)).to_canonical();
            Some(SocketAddr::new(ip, u16::from_be(v6.sin6_port)))
        }
        _ => None,
    }
}

/// The privileged option goes beyond the system's limit; the other one up to it.
fn enlarge(fd: RawFd, privileged: libc::c_int, ordinary: libc::c_int) {
    if option(fd, libc::SOL_SOCKET, privileged, SOCKET_BUFFER_BYTES).is_err() {
        let _ = option(fd, libc::SOL_SOCKET, ordinary, SOCKET_BUFFER_BYTES);
    }
}

fn option(fd: RawFd, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    // SAFETY: the value is an int that outlives the call, and its size is told.
    let set = unsafe {
        libc::setsockopt(
            fd,
            level,
            name,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if set == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::remote::Remote;
    use std::time::Duration;

    fn receiver(address: &str) -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind(address).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    }

    fn socket(address: &str) -> BatchSocket {
        BatchSocket::new(bind(address.parse().unwrap()).unwrap()).unwrap()
    }

    fn sent(socket: &mut BatchSocket, batch: &mut SendBatch, to: SocketAddr, sizes: &[usize]) {
        for (n, size) in sizes.iter().enumerate() {
            assert!(batch.push(Remote::Udp(to), &vec![n as u8; *size]));
        }
        socket.send(batch);
        assert!(batch.messages().is_empty());
        assert_eq!(socket.dropped(), 0);
    }

    fn came(receiver: &UdpSocket, sizes: &[usize]) {
        for (n, size) in sizes.iter().enumerate() {
            let mut buffer = [0; 2_048];
            let (len, _) = receiver.recv_from(&mut buffer).unwrap();
            assert_eq!((len, buffer[0]), (*size, n as u8));
        }
    }

    #[test]
    fn a_run_arrives_as_separate_datagrams() {
        let (receiver, to) = receiver("127.0.0.1:0");
        let mut socket = socket("127.0.0.1:0");
        let sizes = [1_200, 1_200, 1_200, 700, 40, 1_100, 1_100];
        sent(&mut socket, &mut SendBatch::default(), to, &sizes);
        came(&receiver, &sizes);
    }

    #[test]
    fn a_run_that_the_kernel_refuses_is_cut_here() {
        let (receiver, to) = receiver("127.0.0.1:0");
        let mut socket = socket("127.0.0.1:0");
        let mut batch = SendBatch::default();
        let sizes = [600, 600, 100];
        for (n, size) in sizes.iter().enumerate() {
            assert!(batch.push(Remote::Udp(to), &vec![n as u8; *size]));
        }
        let run = batch.messages()[0];
        socket.send_cut(&batch, &run);
        came(&receiver, &sizes);
        assert_eq!(socket.cuts_runs, Some(false));
        batch.clear();
        sent(&mut socket, &mut batch, to, &[50]);
        came(&receiver, &[50]);
        assert!(batch.push(Remote::Udp(to), &[1]) && batch.push(Remote::Udp(to), &[1]));
        assert_eq!(batch.messages().len(), 2);
    }

    #[test]
    fn many_datagrams_come_in_one_call_with_their_senders() {
        let mut socket = socket("127.0.0.1:0");
        let to = socket.socket.local_addr().unwrap();
        let (sender, from) = receiver("127.0.0.1:0");
        for n in 0..10_u8 {
            sender.send_to(&[n; 100], to).unwrap();
        }
        sender.send_to(&[0; DATAGRAM_BYTES_MAX + 1], to).unwrap();
        assert_eq!(socket.receive(), 11);
        for n in 0..10 {
            let (sender, datagram) = socket.datagram(n).unwrap();
            assert_eq!((sender, &datagram[..]), (from, &[n as u8; 100][..]));
        }
        assert!(socket.datagram(10).is_none());
        assert_eq!(socket.receive(), 0);
    }

    #[test]
    fn an_ipv6_socket_serves_both_families() {
        let mut both = socket("[::]:0");
        let port = both.socket.local_addr().unwrap().port();
        let loopbacks = ["127.0.0.1", "[::1]"].map(|ip| format!("{ip}:0"));
        for (sender, from) in loopbacks.iter().map(|address| receiver(address)) {
            sender.send_to(b"hello", (from.ip(), port)).unwrap();
            assert_eq!(both.receive(), 1);
            assert_eq!(both.datagram(0).unwrap().0, from);
            sent(&mut both, &mut SendBatch::default(), from, &[9, 9]);
            came(&sender, &[9, 9]);
        }
    }

    #[test]
    fn what_cannot_be_sent_is_dropped_and_the_rest_arrives() {
        let (receiver, to) = receiver("127.0.0.1:0");
        let mut socket = socket("127.0.0.1:0");
        let mut batch = SendBatch::default();
        assert!(batch.push(Remote::Udp("[::1]:9".parse().unwrap()), &[1]));
        assert!(batch.push(Remote::Udp(to), &[0; 30]));
        socket.send(&mut batch);
        assert_eq!(socket.dropped(), 1);
        came(&receiver, &[30]);
    }
}
