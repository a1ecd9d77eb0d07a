//! The TCP connections of a media thread: clients whose networks carry no UDP.
//!
//! A connection comes in with its first frame, which must be a client's authenticated binding
//! request; otherwise it is closed at once. It stays as long as the shard knows a client behind it.

use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use super::door::{Arrival, Arrivals, Place};
use crate::media::batch::SendBatch;
use crate::media::framing::{Backlog, Queued, Unframer};
use crate::media::remote::{Connection, Remote};
use crate::media::shard::Shard;

/// Connections looked at in one turn; the others wait for the next.
pub const READY_MAX: usize = 64;
/// Bytes read from one connection in one turn.
const READ_BYTES: usize = 16 * 1024;
/// Bytes that the system may hold unsent for a client, beside what is on its way: what waits
/// longer waits here, where media can be dropped.
const UNSENT_BYTES: libc::c_int = 32 * 1024;
/// Between two looks for connections that nobody is behind.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);
/// A client that takes nothing for so long while something waits is cut off.
const STUCK_MAX: Duration = Duration::from_secs(15);

/// See the module.
pub struct Streams {
    poll: Poll,
    open: HashMap<u64, Stream>,
    arrivals: Arrivals,
    /// Connections with something new to write.
    touched: Vec<u64>,
    /// Connections that must end.
    doomed: Vec<u64>,
    buffer: Box<[u8]>,
    last_number: u64,
    sweep_at: Option<Instant>,
}

struct Stream {
    socket: TcpStream,
    connection: Connection,
    incoming: Unframer,
    outgoing: Backlog,
    /// Since when nothing was taken of what waits; the system tells when there is room again.
    stuck_since: Option<Instant>,
    _place: Place,
}

impl Streams {
    /// No connections yet.
    ///
    /// # Errors
    ///
    /// When the system has no descriptor left.
    pub fn new(arrivals: Arrivals) -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            open: HashMap::new(),
            arrivals,
            touched: Vec::new(),
            doomed: Vec::new(),
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            last_number: 0,
            sweep_at: None,
        })
    }

    /// Readable when a connection wants something.
    pub fn descriptor(&self) -> RawFd {
        self.poll.0.as_raw_fd()
    }

    /// When [`Self::receive`] has something to do anyway; `None` without connections.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.sweep_at
    }

    /// Takes new connections and what came on the others; true when more is likely to wait.
    pub fn receive(&mut self, now: Instant, shard: &mut Shard) -> bool {
        while let Some(arrival) = self.arrivals.next() {
            self.let_in(now, arrival, shard);
        }
        if self.open.is_empty() {
            self.sweep_at = None;
            return false;
        }
        let mut ready = [libc::epoll_event { events: 0, u64: 0 }; READY_MAX];
        let ready = self.poll.ready(&mut ready);
        for event in ready {
            let (events, number) = (event.events, event.u64);
            if events & libc::EPOLLOUT as u32 != 0 {
                self.touched.push(number);
            }
            if events & !(libc::EPOLLOUT as u32) != 0 && !self.read(now, number, shard) {
                self.doomed.push(number);
            }
        }
        let more = ready.len() == READY_MAX;
        self.flush(now);
        self.sweep(now, shard);
        self.close_doomed(now, shard);
        more
    }

    /// Queues a batch's frames and writes what the connections take.
    pub fn send(&mut self, now: Instant, batch: &SendBatch) {
        for (connection, datagram) in batch.frames() {
            let Some(stream) = self.open.get_mut(&connection.number) else {
                continue;
            };
            match stream.outgoing.push(datagram) {
                Queued::Waits => {
                    let last = self.touched.last() == Some(&connection.number);
                    if !last && stream.stuck_since.is_none() {
                        self.touched.push(connection.number);
                    }
                }
                Queued::Dropped => {}
                Queued::Overflow => self.doomed.push(connection.number),
            }
        }
        self.flush(now);
    }

    fn let_in(&mut self, now: Instant, arrival: Arrival, shard: &mut Shard) {
        let Arrival {
            socket,
            client,
            mut first,
            place,
            shard: _,
        } = arrival;
        self.last_number += 1;
        let connection = Connection {
            number: self.last_number,
            client,
        };
        shard.handle_datagram(now, Remote::Tcp(connection), &mut first);
        // What a stranger says is forgotten with its connection.
        if !shard.is_reached_by(connection) || self.admit(&socket, connection.number).is_err() {
            shard.handle_disconnect(now, connection);
            return;
        }
        let stream = Stream {
            socket,
            connection,
            incoming: Unframer::default(),
            outgoing: Backlog::default(),
            stuck_since: None,
            _place: place,
        };
        self.open.insert(connection.number, stream);
        self.sweep_at.get_or_insert(now + SWEEP_PAUSE);
    }

    fn admit(&self, socket: &TcpStream, number: u64) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        limit_unsent(socket)?;
        self.poll.add(socket.as_raw_fd(), number)
    }

    /// Hands over what a connection holds; false when it is over.
    fn read(&mut self, now: Instant, number: u64, shard: &mut Shard) -> bool {
        let Some(stream) = self.open.get_mut(&number) else {
            return true;
        };
        let length = match stream.socket.read(&mut self.buffer) {
            Ok(0) => return false,
            Ok(length) => length,
            Err(error) => return is_passing(&error),
        };
        let from = Remote::Tcp(stream.connection);
        let each = |datagram: &mut [u8]| shard.handle_datagram(now, from, datagram);
        stream
            .incoming
            .take(&mut self.buffer[..length], each)
            .is_ok()
    }

    fn flush(&mut self, now: Instant) {
        for number in std::mem::take(&mut self.touched) {
            if let Some(stream) = self.open.get_mut(&number)
                && stream.write(now, &self.poll).is_err()
            {
                self.doomed.push(number);
            }
        }
    }

    /// Ends connections that nobody is behind any more, or whose clients take nothing.
    fn sweep(&mut self, now: Instant, shard: &Shard) {
        if self.sweep_at.is_none_or(|at| now < at) {
            return;
        }
        self.sweep_at = Some(now + SWEEP_PAUSE);
        let over = self.open.iter().filter(|(_, stream)| {
            let stuck = stream.stuck_since.is_some_and(|at| now >= at + STUCK_MAX);
            stuck || !shard.is_reached_by(stream.connection)
        });
        self.doomed.extend(over.map(|(number, _)| *number));
    }

    fn close_doomed(&mut self, now: Instant, shard: &mut Shard) {
        for number in std::mem::take(&mut self.doomed) {
            // Its end takes it out of the poll.
            if let Some(stream) = self.open.remove(&number) {
                shard.handle_disconnect(now, stream.connection);
            }
        }
    }
}

impl Stream {
    /// Writes until nothing waits or the connection takes no more.
    fn write(&mut self, now: Instant, poll: &Poll) -> io::Result<()> {
        while !self.outgoing.waiting().is_empty() {
            match self.socket.write(self.outgoing.waiting()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => {
                    self.outgoing.take(taken);
                    self.stuck_since = self.stuck_since.map(|_| now);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return match self.stuck_since.replace(now) {
                        Some(since) => {
                            self.stuck_since = Some(since);
                            Ok(())
                        }
                        None => self.wait_for_room(poll, true),
                    };
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        match self.stuck_since.take() {
            Some(_) => self.wait_for_room(poll, false),
            None => Ok(()),
        }
    }

    fn wait_for_room(&self, poll: &Poll, wait: bool) -> io::Result<()> {
        poll.set(self.socket.as_raw_fd(), self.connection.number, wait)
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

fn limit_unsent(socket: &TcpStream) -> io::Result<()> {
    let bytes = UNSENT_BYTES;
    // SAFETY: the option takes one integer, which lives through the call.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_NOTSENT_LOWAT,
            (&raw const bytes).cast(),
            size_of_val(&bytes) as libc::socklen_t,
        )
    };
    if set == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The system's list of connections that want something.
struct Poll(OwnedFd);

impl Poll {
    fn new() -> io::Result<Self> {
        // SAFETY: a plain system call; the descriptor is ours alone when it succeeds.
        unsafe {
            match libc::epoll_create1(libc::EPOLL_CLOEXEC) {
                -1 => Err(io::Error::last_os_error()),
                poll => Ok(Self(OwnedFd::from_raw_fd(poll))),
            }
        }
    }

    fn add(&self, socket: RawFd, number: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, socket, number, libc::EPOLLIN)
    }

    fn set(&self, socket: RawFd, number: u64, room: bool) -> io::Result<()> {
        let events = if room {
            libc::EPOLLIN | libc::EPOLLOUT
        } else {
            libc::EPOLLIN
        };
        self.control(libc::EPOLL_CTL_MOD, socket, number, events)
    }

    fn control(
        &self,
        operation: libc::c_int,
        socket: RawFd,
        number: u64,
        events: libc::c_int,
    ) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: events as u32,
            u64: number,
        };
        // SAFETY: both descriptors are open, and the event outlives the call.
        let done =
            unsafe { libc::epoll_ctl(self.0.as_raw_fd(), operation, socket, &raw mut event) };
        if done == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    /// What is ready now, without waiting.
    fn ready<'a>(&self, events: &'a mut [libc::epoll_event; READY_MAX]) -> &'a [libc::epoll_event] {
        // SAFETY: the events are ours, as many as told, and outlive the call.
        let count = unsafe {
            libc::epoll_wait(
                self.0.as_raw_fd(),
                events.as_mut_ptr(),
                READY_MAX as libc::c_int,
                0,
            )
        };
        &events[..usize::try_from(count).unwrap_or(0)]
    }
}

#[cfg(test)]
mod tests;
