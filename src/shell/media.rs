//! The media thread: a socket, TCP connections and a shard, woken by datagrams, orders and
//! deadlines.

mod keeper;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;

use self::keeper::Keeper;
use super::door::{Door, door};
use super::streams::Streams;
use super::udp::{BatchSocket, RECEIVE_MAX, bind};
use crate::hub::media::{MediaReceiver, MediaSender, media_queue};
use crate::media::batch::SendBatch;
use crate::media::command::{Event, Fingerprint};
use crate::media::remote::Remote;
use crate::media::shard::{ShardConfig, ShardLimits};
use crate::media::transport::Identity;

/// Events that wait for whoever reads them.
pub const EVENTS_MAX: usize = 8_192;

/// Events that the thread holds back beyond that; see [`MediaThread`].
const BACKLOG_MAX: usize = 65_536;

/// How soon a held back event is tried again.
const BACKLOG_PAUSE: Duration = Duration::from_millis(5);

/// Orders carried out between two looks at the socket.
const COMMANDS_PER_TURN: usize = 256;

/// What a media thread is started with.
pub struct MediaConfig {
    /// Where to listen for UDP; port 0 takes a free one. Nowhere without one: clients then come
    /// through the door.
    pub address: Option<SocketAddr>,
    /// Our certificate, shared by all media threads.
    pub identity: Arc<Identity>,
    /// Bounds.
    pub limits: ShardLimits,
}

/// A running media thread; dropping it says good-bye to all clients and waits for the end.
pub struct MediaHandle {
    sender: MediaSender,
    door: Door,
    local_addr: Option<SocketAddr>,
    fingerprint: Fingerprint,
    stop: Arc<AtomicBool>,
    bell: Arc<Bell>,
    /// The thread holds the other end as long as it runs.
    life: Weak<()>,
    thread: Option<JoinHandle<()>>,
}

/// The thread's own state.
///
/// When nobody reads its events, [`Event::AudioLevels`] and [`Event::Report`] are dropped at
/// [`EVENTS_MAX`] and data messages when as many more are held back as fit; news of transports,
/// encodings and channels is never dropped, and is bounded because every transport has few.
pub struct MediaThread {
    shard: Keeper,
    socket: Option<BatchSocket>,
    streams: Streams,
    batch: SendBatch,
    commands: MediaReceiver,
    events: mpsc::Sender<Event>,
    backlog: VecDeque<Event>,
    stop: Arc<AtomicBool>,
    bell: Arc<Bell>,
}

impl MediaThread {
    /// Binds the socket and starts the thread.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound or the system has no thread left.
    pub fn start(config: MediaConfig) -> io::Result<(MediaHandle, mpsc::Receiver<Event>)> {
        let socket = config.address.map(bind).transpose()?;
        let local_addr = match &socket {
            Some(socket) => Some(socket.local_addr()?),
            None => None,
        };
        let fingerprint = config.identity.fingerprint();
        let bell = Arc::new(Bell::new()?);
        let knocked = Arc::clone(&bell);
        let (sender, commands) = media_queue(Arc::new(move || knocked.ring()));
        let knocked = Arc::clone(&bell);
        let (door, arrivals) = door(Arc::new(move || knocked.ring()));
        let streams = Streams::new(arrivals)?;
        let (events, receiver) = mpsc::channel(EVENTS_MAX);
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, answered) = (Arc::clone(&stop), Arc::clone(&bell));
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let shard = ShardConfig {
            identity: config.identity,
            epoch: (Instant::now(), unix),
            limits: config.limits,
        };
        let name = format!("media-{}", local_addr.map_or(0, |address| address.port()));
        let alive = Arc::new(());
        let life = Arc::downgrade(&alive);
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            // Unwinding drops it too.
            let _alive = alive;
            let Ok(socket) = socket.map(BatchSocket::new).transpose() else {
                return;
            };
            let thread = Self {
                shard: Keeper::new(shard),
                socket,
                streams,
                batch: SendBatch::default(),
                commands,
                events,
                backlog: VecDeque::new(),
                stop: stopped,
                bell: answered,
            };
            thread.run();
        })?;
        let handle = MediaHandle {
            sender,
            door,
            local_addr,
            fingerprint,
            stop,
            bell,
            life,
            thread: Some(thread),
        };
        Ok((handle, receiver))
    }

    fn run(mut self) {
        let mut busy = false;
        while !self.stop.load(Ordering::Acquire) {
            if !busy {
                self.wait();
            }
            busy = self.turn(Instant::now());
        }
        let now = Instant::now();
        self.shard.run(now, |shard| shard.close(now));
        self.send(now);
        self.hand_out();
    }

    /// Does what there is to do; true when more is likely to wait already.
    fn turn(&mut self, now: Instant) -> bool {
        self.bell.silence();
        let mut orders = 0;
        while orders < COMMANDS_PER_TURN
            && let Some(command) = self.commands.try_next()
        {
            self.shard
                .run(now, |shard| shard.handle_command(now, command));
            orders += 1;
        }
        let many = self.receive(now);
        let Self { shard, streams, .. } = self;
        let ready = shard.run(now, |shard| streams.receive(now, shard));
        // After a panic the rest is still to be read.
        let ready = ready.unwrap_or(true);
        shard.run(now, |shard| shard.handle_timeout(now));
        self.send(now);
        self.hand_out();
        orders == COMMANDS_PER_TURN || many || ready
    }

    /// Takes datagrams; true when more are likely to wait.
    fn receive(&mut self, now: Instant) -> bool {
        let Some(socket) = &mut self.socket else {
            return false;
        };
        let datagrams = socket.receive();
        for place in 0..datagrams {
            if let Some((from, datagram)) = socket.datagram(place) {
                let from = Remote::Udp(from);
                self.shard
                    .run(now, |shard| shard.handle_datagram(now, from, datagram));
            }
        }
        datagrams == RECEIVE_MAX
    }

    fn send(&mut self, now: Instant) {
        let Self {
            shard,
            socket,
            streams,
            batch,
            ..
        } = self;
        let mut more = true;
        while more {
            // After a panic there is one client less, so this comes to an end.
            let filled = shard.run(now, |shard| shard.fill(now, batch));
            more = filled.unwrap_or(true);
            streams.send(now, batch);
            match socket {
                Some(socket) => socket.send(batch),
                None => batch.clear(),
            }
        }
    }

    fn hand_out(&mut self) {
        while let Some(event) = self.backlog.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
                self.backlog.push_front(event);
                break;
            }
        }
        while let Some(event) = self.shard.poll_event() {
            let refused = match self.backlog.is_empty() {
                true => self.events.try_send(event),
                false => Err(mpsc::error::TrySendError::Full(event)),
            };
            if let Err(mpsc::error::TrySendError::Full(event)) = refused
                && must_keep(&event, self.backlog.len())
            {
                self.backlog.push_back(event);
            }
        }
    }

    /// Sleeps until a datagram, an order or a deadline.
    fn wait(&self) {
        let deadlines = [self.shard.next_timeout(), self.streams.next_timeout()];
        let retry = (!self.backlog.is_empty()).then_some(BACKLOG_PAUSE);
        let deadline = deadlines.into_iter().flatten().min();
        let until = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let timeout = until.into_iter().chain(retry).min();
        let bell = self.bell.descriptor();
        let socket = self.socket.as_ref().map_or(bell, BatchSocket::descriptor);
        wait_readable([socket, bell, self.streams.descriptor()], timeout);
    }
}

/// Whether an event for which there is no room is held back.
fn must_keep(event: &Event, waiting: usize) -> bool {
    match event {
        Event::AudioLevels(_) | Event::Report(_) => false,
        Event::Data { .. } => waiting < BACKLOG_MAX,
        Event::TransportConnected { .. }
        | Event::TransportSilent { .. }
        | Event::TransportHeard { .. }
        | Event::TransportClosed { .. }
        | Event::EncodingStarted { .. }
        | Event::LegHeld { .. }
        | Event::ChannelOpened { .. } => true,
    }
}

impl MediaHandle {
    /// Sends orders to the thread.
    pub fn sender(&self) -> &MediaSender {
        &self.sender
    }

    /// Where connections of clients without UDP go.
    pub fn door(&self) -> &Door {
        &self.door
    }

    /// Where it listens for UDP, if it does.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local_addr
    }

    /// Whether the thread still carries media.
    pub fn is_running(&self) -> bool {
        self.life.strong_count() > 0
    }

    /// [`MediaHandle::is_running`] for somebody who does not hold the handle.
    pub fn watch(&self) -> impl Fn() -> bool + Send + Sync + use<> {
        let life = Weak::clone(&self.life);
        move || life.strong_count() > 0
    }

    /// What session descriptions announce.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

impl Drop for MediaHandle {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.bell.ring();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has told so by itself.
            let _ = thread.join();
        }
    }
}

/// Wakes a sleeping thread; ringing again before it woke costs nothing.
struct Bell {
    event: OwnedFd,
    rung: AtomicBool,
}

impl Bell {
    fn new() -> io::Result<Self> {
        // SAFETY: a plain system call; the descriptor is ours alone when it succeeds.
        let event = unsafe {
            match libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) {
                -1 => return Err(io::Error::last_os_error()),
                event => OwnedFd::from_raw_fd(event),
            }
        };
        Ok(Self {
            event,
            rung: AtomicBool::new(false),
        })
    }

    fn descriptor(&self) -> RawFd {
        self.event.as_raw_fd()
    }

    fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            let one = 1_u64.to_ne_bytes();
            // SAFETY: eight bytes that outlive the call. It fails only when the counter is full,
            // and then the thread wakes anyway.
            unsafe { libc::write(self.descriptor(), one.as_ptr().cast(), one.len()) };
        }
    }

    /// Takes the knock, before the orders are looked at, so that none is missed.
    fn silence(&self) {
        if self.rung.load(Ordering::Acquire) {
            let mut counter = [0_u8; 8];
            // SAFETY: eight bytes that outlive the call; the descriptor never blocks.
            unsafe {
                libc::read(
                    self.descriptor(),
                    counter.as_mut_ptr().cast(),
                    counter.len(),
                )
            };
            self.rung.swap(false, Ordering::AcqRel);
        }
    }
}

fn wait_readable(descriptors: [RawFd; 3], timeout: Option<Duration>) {
    let mut waited = descriptors.map(|fd| libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    });
    let timeout = timeout.map(|timeout| libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(timeout.subsec_nanos().cast_signed()),
    });
    let timeout = timeout
        .as_ref()
        .map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the descriptors are open, the timeout is valid or null, and both outlive the call.
    // An interruption or error only ends the sleep early.
    unsafe { libc::ppoll(waited.as_mut_ptr(), 3, timeout, std::ptr::null()) };
}

#[cfg(test)]
mod tests;
