//! The media threads: each has a socket, TCP connections and a shard, and is woken by datagrams,
//! orders, deadlines and what the others hand over.

mod bell;
mod handover;
mod keeper;
mod taps;

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;

use self::bell::Bell;
use self::handover::{Handover, PARCELS_MAX, between};
use self::keeper::Keeper;
use self::taps::TapThread;
use super::door::{Door, door};
use super::streams::Streams;
use super::udp::{BatchSocket, RECEIVE_MAX, bind};
use crate::hub::media::{MediaReceiver, MediaSenders, media_queue};
use crate::hub::taps::TapLines;
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

/// What the media threads are started with.
pub struct MediaConfig {
    /// Where the first listens for UDP, and each further one a port higher; port 0 takes free ones.
    /// Nowhere without one: clients then come through the door.
    pub address: Option<SocketAddr>,
    /// How many there are, from 1 to [`crate::media::placement::SHARDS_MAX`].
    pub threads: usize,
    /// Our certificate, shared by all.
    pub identity: Arc<Identity>,
    /// Bounds of each.
    pub limits: ShardLimits,
}

/// The running media threads; dropping it says good-bye to all clients and waits for their end.
pub struct MediaHandle {
    senders: MediaSenders,
    taps: TapLines,
    door: Door,
    local_addrs: Vec<Option<SocketAddr>>,
    fingerprint: Fingerprint,
    stop: Arc<AtomicBool>,
    bells: Vec<Arc<Bell>>,
    /// The threads hold the other end as long as they run.
    life: Life,
    threads: Vec<JoinHandle<()>>,
}

/// Tells whether all threads run.
#[derive(Clone)]
struct Life(Vec<Weak<()>>);

impl Life {
    fn is_whole(&self) -> bool {
        self.0.iter().all(|thread| thread.strong_count() > 0)
    }
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
    handover: Handover,
    commands: MediaReceiver,
    events: mpsc::Sender<Event>,
    backlog: VecDeque<Event>,
    stop: Arc<AtomicBool>,
    bell: Arc<Bell>,
}

/// What a thread is made of, before it runs.
struct Parts {
    shard: ShardConfig,
    socket: Option<UdpSocket>,
    streams: Streams,
    handover: Handover,
    commands: MediaReceiver,
    events: mpsc::Sender<Event>,
    stop: Arc<AtomicBool>,
    bell: Arc<Bell>,
}

impl MediaThread {
    /// Binds the sockets and starts the threads, whose news come in one queue.
    ///
    /// # Errors
    ///
    /// When an address cannot be bound or the system has no thread left.
    pub fn start(config: MediaConfig) -> io::Result<(MediaHandle, mpsc::Receiver<Event>)> {
        let fingerprint = config.identity.fingerprint();
        let bells: Vec<Arc<Bell>> = (0..=config.threads)
            .map(|_| Bell::new().map(Arc::new))
            .collect::<io::Result<_>>()?;
        let (door, arrivals) = door(bells.iter().take(config.threads).map(knock_of));
        let (events, receiver) = mpsc::channel(EVENTS_MAX);
        let stop = Arc::new(AtomicBool::new(false));
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        let shard = ShardConfig {
            identity: config.identity,
            epoch: (Instant::now(), unix.unwrap_or_default()),
            limits: config.limits,
        };
        let (mut senders, mut local_addrs, mut parts) = (Vec::new(), Vec::new(), Vec::new());
        let mut handovers = between(&bells);
        let handover = handovers.pop().ok_or(io::ErrorKind::InvalidInput)?;
        let each = bells.iter().zip(handovers).zip(arrivals);
        for (number, ((bell, handover), arrivals)) in each.enumerate() {
            let address = config.address.map(|first| own_address(first, number));
            let socket = address.map(bind).transpose()?;
            local_addrs.push(socket.as_ref().map(UdpSocket::local_addr).transpose()?);
            let (sender, commands) = media_queue(knock_of(bell));
            senders.push(sender);
            parts.push(Parts {
                shard: shard.clone(),
                socket,
                streams: Streams::new(arrivals)?,
                handover,
                commands,
                events: events.clone(),
                stop: Arc::clone(&stop),
                bell: Arc::clone(bell),
            });
        }
        let tap_bell = &bells[config.threads];
        let (tap_sender, commands) = media_queue(knock_of(tap_bell));
        let lines = TapLines::default();
        let taps = TapThread {
            handover,
            commands,
            lines: lines.clone(),
            bell: Arc::clone(tap_bell),
            stop: Arc::clone(&stop),
        };
        let mut handle = MediaHandle {
            senders: MediaSenders::new(senders, tap_sender),
            taps: lines,
            door,
            local_addrs,
            fingerprint,
            stop,
            bells,
            life: Life(Vec::new()),
            threads: Vec::new(),
        };
        for (number, parts) in parts.into_iter().enumerate() {
            // Where one cannot start, dropping the handle ends the others.
            let alive = Arc::new(());
            handle.life.0.push(Arc::downgrade(&alive));
            handle.threads.push(Self::spawn(number, parts, alive)?);
        }
        let alive = Arc::new(());
        handle.life.0.push(Arc::downgrade(&alive));
        handle.threads.push(taps.spawn(alive)?);
        Ok((handle, receiver))
    }

    fn spawn(number: usize, parts: Parts, alive: Arc<()>) -> io::Result<JoinHandle<()>> {
        let thread = std::thread::Builder::new().name(format!("media-{number}"));
        thread.spawn(move || {
            // Unwinding drops it too.
            let _alive = alive;
            let Ok(socket) = parts.socket.map(BatchSocket::new).transpose() else {
                return;
            };
            let thread = Self {
                shard: Keeper::new(parts.shard),
                socket,
                streams: parts.streams,
                batch: SendBatch::default(),
                handover: parts.handover,
                commands: parts.commands,
                events: parts.events,
                backlog: VecDeque::new(),
                stop: parts.stop,
                bell: parts.bell,
            };
            thread.run();
        })
    }

    fn run(mut self) {
        let mut busy = false;
        while !self.stop.load(Ordering::Acquire) {
            let datagrams = busy || self.wait();
            busy = self.turn(Instant::now(), datagrams);
        }
        let now = Instant::now();
        self.shard.run(now, |shard| shard.close(now));
        self.send(now);
        self.hand_out();
    }

    /// Does what there is to do, and looks for datagrams if there may be some; true when more is
    /// likely to wait already.
    fn turn(&mut self, now: Instant, datagrams: bool) -> bool {
        self.bell.silence();
        let mut orders = 0;
        while orders < COMMANDS_PER_TURN
            && let Some(command) = self.commands.try_next()
        {
            self.shard
                .run(now, |shard| shard.handle_command(now, command));
            orders += 1;
        }
        let many = datagrams && self.receive(now);
        let Self { shard, streams, .. } = self;
        let ready = shard.run(now, |shard| streams.receive(now, shard));
        // After a panic the rest is still to be read.
        let ready = ready.unwrap_or(true);
        let parcels = self.unpack(now);
        let Self {
            shard, handover, ..
        } = self;
        shard.run(now, |shard| shard.handle_timeout(now));
        shard.run(now, |shard| {
            shard.relay(now, |to, relayed, payload| {
                handover.send(to, relayed, payload)
            });
        });
        handover.ring();
        self.send(now);
        self.hand_out();
        orders == COMMANDS_PER_TURN || many || ready || parcels
    }

    /// Takes what other threads handed over; true when more is likely to wait.
    fn unpack(&mut self, now: Instant) -> bool {
        let mut parcels = 0;
        while parcels < PARCELS_MAX
            && let Some(parcel) = self.handover.next()
        {
            self.shard.run(now, |shard| {
                shard.handle_relayed(now, &parcel.relayed, parcel.payload());
            });
            parcels += 1;
        }
        parcels == PARCELS_MAX
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

    /// Sleeps until a datagram, an order or a deadline; true for a datagram. Whom another thread
    /// woke is spared a look at its socket.
    fn wait(&self) -> bool {
        let deadlines = [self.shard.next_timeout(), self.streams.next_timeout()];
        let retry = (!self.backlog.is_empty()).then_some(BACKLOG_PAUSE);
        let deadline = deadlines.into_iter().flatten().min();
        let until = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let timeout = until.into_iter().chain(retry).min();
        let bell = self.bell.descriptor();
        let socket = self.socket.as_ref().map_or(bell, BatchSocket::descriptor);
        wait_readable([socket, bell, self.streams.descriptor()], timeout)
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
    /// Sends orders to the threads.
    pub fn senders(&self) -> &MediaSenders {
        &self.senders
    }

    /// Where the frames of taps go.
    pub fn taps(&self) -> &TapLines {
        &self.taps
    }

    /// Where connections of clients without UDP go.
    pub fn door(&self) -> &Door {
        &self.door
    }

    /// Where each thread listens for UDP, if it does.
    pub fn local_addrs(&self) -> &[Option<SocketAddr>] {
        &self.local_addrs
    }

    /// Whether all threads still carry media.
    pub fn is_running(&self) -> bool {
        self.life.is_whole()
    }

    /// [`MediaHandle::is_running`] for somebody who does not hold the handle.
    pub fn watch(&self) -> impl Fn() -> bool + Send + Sync + use<> {
        let life = self.life.clone();
        move || life.is_whole()
    }

    /// What session descriptions announce.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

impl Drop for MediaHandle {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.bells.iter().for_each(|bell| bell.ring());
        for thread in self.threads.drain(..) {
            // A thread that panicked has told so by itself.
            let _ = thread.join();
        }
    }
}

fn knock_of(bell: &Arc<Bell>) -> Arc<dyn Fn() + Send + Sync> {
    let bell = Arc::clone(bell);
    Arc::new(move || bell.ring())
}

/// The address of one thread: ports count up from that of the first.
fn own_address(mut first: SocketAddr, number: usize) -> SocketAddr {
    if first.port() != 0 {
        first.set_port(first.port().saturating_add(number as u16));
    }
    first
}

/// Sleeps until there is something at a descriptor; true when there may be at the first.
fn wait_readable(descriptors: [RawFd; 3], timeout: Option<Duration>) -> bool {
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
    let found = unsafe { libc::ppoll(waited.as_mut_ptr(), 3, timeout, std::ptr::null()) };
    found < 0 || waited[0].revents != 0
}

#[cfg(test)]
mod tests;
