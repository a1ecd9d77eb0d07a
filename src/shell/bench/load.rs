//! The load: one thread that plays all participants over real sockets.

use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::sync::mpsc;

use super::client::{Attention, LoadClient, LoadIdentity};
use super::feedback::Feedback;
use super::participant::{Pace, Participant, Stream};
use super::server::Process;
use super::signalling::{Backend, Joined, Kind, Offer, Part, Published, SignalError, Wish};
use crate::shell::connections::raise_file_limit;

/// Longest wait for all clients to connect, and for the first packet at each.
const CONNECT_DEADLINE: Duration = Duration::from_secs(60);
/// Left out at the beginning: caches warm, key frames are asked for, rates settle.
const WARM_UP: Duration = Duration::from_secs(1);
/// After the last packet, so that what is on the way can arrive.
const DRAIN: Duration = Duration::from_millis(200);
/// Between rounds of timers of all clients, and the longest wait for a new one to be noticed.
const TICK_INTERVAL: Duration = Duration::from_millis(10);
/// Latency samples kept: every packet of an hour would not fit.
const SAMPLES_MAX: usize = 200_000;
/// Signalled participants that wait for their connection; their tasks wait at this bound.
const LANDINGS_MAX: usize = 64;
/// Tokens live so long, seconds.
const TOKEN_SECONDS: i64 = 7_200;

/// Who is to come in, and what for.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// Which room.
    pub room: String,
    /// What it does there; streams get their SSRCs on the way.
    pub part: Part,
    /// How fast it sends, in the order of what it publishes.
    pub paces: Vec<Pace>,
    /// Streams that it waits for.
    pub expected: usize,
    /// How closely it looks at them.
    pub attention: Attention,
}

impl Invitation {
    /// Somebody who publishes these and receives nothing.
    pub fn publisher(room: &str, streams: &[(Kind, Pace)]) -> Self {
        let publishes = streams
            .iter()
            .map(|(kind, _)| Published {
                kind: *kind,
                ssrc: 0,
            })
            .collect();
        Self {
            room: room.to_owned(),
            part: Part {
                publishes,
                ..Part::default()
            },
            paces: streams.iter().map(|(_, pace)| *pace).collect(),
            expected: 0,
            attention: Attention::Whole,
        }
    }

    /// Somebody who receives so much and publishes nothing.
    pub fn subscriber(room: &str, audios: usize, videos: usize) -> Self {
        Self {
            room: room.to_owned(),
            part: Part {
                audios,
                videos,
                ..Part::default()
            },
            paces: Vec::new(),
            expected: audios + videos,
            attention: Attention::Whole,
        }
    }
}

/// A participant whose signalling is done, or failed.
struct Landing {
    invitation: Invitation,
    ufrag: String,
    invited: Instant,
    joined: Result<Joined, SignalError>,
}

/// What one measured stretch showed.
pub struct Measured {
    /// Length of the stretch.
    pub elapsed: Duration,
    /// Packets that were sent.
    pub sent: u64,
    /// Packets that subscribers got, of those sent in the stretch; retransmissions apart.
    pub delivered: u64,
    /// Retransmissions that subscribers got.
    pub repairs: u64,
    /// CPU time of the server process.
    pub cpu: Duration,
    /// CPU time of its media threads.
    pub media_cpu: Duration,
    /// Sampled latencies, ascending.
    pub latencies: Vec<Duration>,
}

/// All participants, and where their packets are awaited.
pub struct Load {
    backend: Backend,
    runtime: tokio::runtime::Runtime,
    identity: LoadIdentity,
    participants: Vec<Option<Participant>>,
    senders: Vec<usize>,
    poll: OwnedFd,
    origin: Instant,
    next_tick: Instant,
    playing: bool,
    samples: Vec<Duration>,
    sampling: bool,
    landings: (mpsc::Sender<Landing>, mpsc::Receiver<Landing>),
    invited: u32,
    under_way: usize,
    next_ssrc: u32,
    /// From a participant's first connectivity check to the end of its DTLS handshake.
    pub setups: Vec<Duration>,
    /// From a participant's first connectivity check until all its streams flowed.
    pub setups_to_media: Vec<Duration>,
    /// From the beginning of a participant's signalling until all its streams flowed.
    pub joins: Vec<Duration>,
    /// Why participants could not come in.
    pub refused: Vec<String>,
}

impl Load {
    /// Nobody yet.
    pub fn new(backend: Backend) -> anyhow::Result<Self> {
        raise_file_limit();
        // SAFETY: a fresh descriptor that nobody else owns; checked before it is taken.
        let poll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if poll < 0 {
            return Err(std::io::Error::last_os_error().into());
        }
        let now = Instant::now();
        Ok(Self {
            backend,
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()?,
            identity: LoadIdentity::generate()?,
            participants: Vec::new(),
            senders: Vec::new(),
            // SAFETY: as above.
            poll: unsafe { OwnedFd::from_raw_fd(poll) },
            origin: now,
            next_tick: now,
            playing: false,
            samples: Vec::new(),
            sampling: false,
            landings: mpsc::channel(LANDINGS_MAX),
            invited: 0,
            under_way: 0,
            next_ssrc: 0x4d54_0000,
            setups: Vec::new(),
            setups_to_media: Vec::new(),
            joins: Vec::new(),
            refused: Vec::new(),
        })
    }

    /// Participants that are in.
    pub fn present(&self) -> impl Iterator<Item = &Participant> {
        self.participants.iter().flatten()
    }

    /// Joins that are neither done nor refused.
    pub fn under_way(&self) -> usize {
        self.under_way
    }

    /// Begins a join; it goes on in [`Self::run`].
    pub fn invite(&mut self, mut invitation: Invitation) {
        self.invited += 1;
        self.under_way += 1;
        for stream in &mut invitation.part.publishes {
            self.next_ssrc += 1;
            stream.ssrc = self.next_ssrc;
        }
        let ufrag = format!("load{:06x}", self.invited);
        let offer = Offer {
            room: invitation.room.clone(),
            part: invitation.part.clone(),
            ufrag: ufrag.clone(),
            fingerprint: self.identity.fingerprint.clone(),
        };
        let (backend, landing) = (self.backend.clone(), self.landings.0.clone());
        let expires_at = chrono::Utc::now().timestamp() + TOKEN_SECONDS;
        let invited = Instant::now();
        self.runtime.spawn(async move {
            let joined = backend.join(offer, expires_at).await;
            let landed = Landing {
                invitation,
                ufrag,
                invited,
                joined,
            };
            // Nobody waits any more when the load ended.
            let _ = landing.send(landed).await;
        });
    }

    /// Brings `count` participants in, so many in flight at a time, and waits for their
    /// connections.
    pub fn join(
        &mut self,
        invitation: &Invitation,
        count: usize,
        in_flight: usize,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + CONNECT_DEADLINE;
        let mut left = count;
        while left > 0 || self.under_way > 0 {
            while left > 0 && self.under_way < in_flight {
                left -= 1;
                self.invite(invitation.clone());
            }
            if let Some(reason) = self.refused.pop() {
                anyhow::bail!("a participant could not join: {reason}");
            }
            if Instant::now() > deadline {
                anyhow::bail!("not every participant connected within 60 s");
            }
            self.turn(deadline)?;
        }
        Ok(())
    }

    /// Lets the participant that has been here longest, except for those before `first`, leave.
    pub fn dismiss_oldest(&mut self, first: usize) {
        let present = self.participants.iter().enumerate().skip(first);
        let oldest = present
            .filter_map(|(place, participant)| Some((participant.as_ref()?.invited, place)))
            .min();
        if let Some((_, place)) = oldest {
            self.dismiss(place);
        }
    }

    /// Lets everybody leave.
    pub fn dismiss_all(&mut self) {
        for place in 0..self.participants.len() {
            self.dismiss(place);
        }
    }

    fn dismiss(&mut self, place: usize) {
        if let Some(participant) = self.participants[place].take() {
            if participant.connection.setup.is_none() {
                self.under_way -= 1;
            }
            self.senders.retain(|sender| *sender != place);
            // A full queue belongs to signalling that is gone.
            let _ = participant.wishes.try_send(Wish::Leave);
        }
    }

    /// Lets the participant at a place end its streams and publish new ones at the same pace.
    pub fn republish(&mut self, place: usize) {
        let now = Instant::now();
        let Some(participant) = self.participants.get_mut(place).and_then(Option::as_mut) else {
            return;
        };
        for stream in &mut participant.streams {
            self.next_ssrc += 1;
            let published = Published {
                ssrc: self.next_ssrc,
                ..stream.published
            };
            *stream = Stream::new(published, stream.pace, now);
        }
        let streams = participant.streams.iter().map(|stream| stream.published);
        let _ = participant
            .wishes
            .try_send(Wish::Republish(streams.collect()));
    }

    /// Sets the pace of everything that is sent.
    pub fn set_pace(&mut self, pace: Pace) {
        for participant in self.participants.iter_mut().flatten() {
            for stream in &mut participant.streams {
                stream.pace = pace;
            }
        }
    }

    /// Sends until everybody got all streams, then for the measured time; reads the server's
    /// accounts around the latter.
    pub fn measure(&mut self, time: Duration, server: Process) -> anyhow::Result<Measured> {
        self.warm_up()?;
        let (sent, received, repairs) = self.counts();
        let (cpu, media_cpu) = (server.cpu_time()?, server.media_cpu_time()?);
        let started = Instant::now();
        self.sampling = true;
        self.play(time)?;
        let elapsed = started.elapsed();
        self.sampling = false;
        self.idle(DRAIN)?;
        let cpu = server.cpu_time()?.saturating_sub(cpu);
        let media_cpu = server.media_cpu_time()?.saturating_sub(media_cpu);
        self.samples.sort_unstable();
        let (sent_after, received_after, repairs_after) = self.counts();
        Ok(Measured {
            elapsed,
            sent: sent_after - sent,
            delivered: received_after - received,
            repairs: repairs_after - repairs,
            cpu,
            media_cpu,
            latencies: std::mem::take(&mut self.samples),
        })
    }

    fn warm_up(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + CONNECT_DEADLINE;
        loop {
            self.play(WARM_UP)?;
            self.idle(DRAIN)?;
            if self
                .present()
                .all(|participant| participant.tally.is_whole())
            {
                return Ok(());
            }
            if Instant::now() > deadline {
                anyhow::bail!("not every participant got all streams within 60 s");
            }
        }
    }

    /// Packets sent, received, and received again by those who are present.
    pub fn counts(&self) -> (u64, u64, u64) {
        self.present().fold((0, 0, 0), |(sent, got, again), one| {
            let streams: u64 = one.streams.iter().map(|stream| stream.sent).sum();
            (
                sent + streams,
                got + one.tally.packets,
                again + one.tally.repairs,
            )
        })
    }

    /// Sends for so long, whatever else there is to do.
    pub fn play(&mut self, time: Duration) -> anyhow::Result<()> {
        self.start_playing();
        let done = self.run(time);
        self.playing = false;
        done
    }

    /// Sends from now on, until [`Self::play`] or [`Self::idle`] is over.
    pub fn start_playing(&mut self) {
        let now = Instant::now();
        let streams = self.participants.iter_mut().flatten();
        let mut streams: Vec<&mut Stream> =
            streams.flat_map(|one| one.streams.iter_mut()).collect();
        let count = streams.len().max(1) as u32;
        for (turn, stream) in (0..).zip(streams.iter_mut()) {
            // Many publishers take turns, as they would by chance.
            stream.next = now + stream.pace.interval() * turn / count;
        }
        self.playing = true;
    }

    /// Sends nothing for so long.
    pub fn idle(&mut self, time: Duration) -> anyhow::Result<()> {
        self.playing = false;
        self.run(time)
    }

    /// Goes on as it is for so long.
    pub fn run(&mut self, time: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.turn(until)?;
        }
        Ok(())
    }

    /// Sends what is due, waits for packets until `until` at most, takes them, and runs the timers
    /// that are due.
    fn turn(&mut self, until: Instant) -> anyhow::Result<()> {
        let mut until = until.min(self.next_tick);
        if self.playing {
            let now = Instant::now();
            for place in &self.senders {
                let sender = self.participants[*place].as_mut();
                let next = sender.and_then(|sender| sender.send_due(now, self.origin));
                until = next.map_or(until, |next| until.min(next));
            }
        }
        let mut ready: [libc::epoll_event; 64] = [libc::epoll_event { events: 0, u64: 0 }; 64];
        self.sleep(until.saturating_duration_since(Instant::now()));
        // SAFETY: the array is as long as said.
        let count = unsafe { libc::epoll_wait(self.poll.as_raw_fd(), ready.as_mut_ptr(), 64, 0) };
        for event in &ready[..usize::try_from(count).unwrap_or(0)] {
            self.receive(event.u64 as usize)?;
        }
        let now = Instant::now();
        if now >= self.next_tick {
            self.next_tick = now + TICK_INTERVAL;
            for participant in self.participants.iter_mut().flatten() {
                participant.tick(now, &self.identity);
            }
            while let Ok(landing) = self.landings.1.try_recv() {
                self.land(landing)?;
            }
        }
        Ok(())
    }

    /// Waits until something can be read, for `time` at most. The wait of `epoll_wait` itself
    /// counts milliseconds, and a load that spun for the rest would compete with the server.
    fn sleep(&self, time: Duration) {
        let mut waited = libc::pollfd {
            fd: self.poll.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        let time = libc::timespec {
            tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: libc::c_long::from(time.subsec_nanos().cast_signed()),
        };
        // SAFETY: one descriptor and one duration, which outlive the call. An interruption only
        // ends the wait early.
        unsafe { libc::ppoll(&raw mut waited, 1, &raw const time, std::ptr::null()) };
    }

    fn land(&mut self, landing: Landing) -> anyhow::Result<()> {
        let joined = match landing.joined {
            Ok(joined) => joined,
            Err(error) => {
                self.under_way -= 1;
                self.refused
                    .push(format!("{:#}", anyhow::Error::new(error)));
                return Ok(());
            }
        };
        let (invitation, now) = (landing.invitation, Instant::now());
        let connection = LoadClient::start(joined.remote, landing.ufrag, &self.identity, now)
            .context("a socket of the load")?;
        let streams = invitation.part.publishes.iter().zip(&invitation.paces);
        let streams: Vec<Stream> = streams
            .map(|(published, pace)| Stream::new(*published, *pace, now))
            .collect();
        let place = self.participants.iter().position(Option::is_none);
        let place = place.unwrap_or(self.participants.len());
        self.listen(&connection, place)?;
        if !streams.is_empty() {
            self.senders.push(place);
        }
        let times = (landing.invited, now);
        let expected = invitation.expected;
        let mut one = Participant::new(connection, joined.wishes, streams, expected, times);
        one.tally.feedback = invitation.part.feedback.then(|| Feedback::new(now));
        if invitation.attention == Attention::Headers {
            one.connection.attend(Attention::Headers)?;
        }
        one.deafens = invitation.attention == Attention::Deaf;
        match self.participants.get_mut(place) {
            Some(free) => *free = Some(one),
            None => self.participants.push(Some(one)),
        }
        Ok(())
    }

    fn listen(&self, connection: &LoadClient, place: usize) -> anyhow::Result<()> {
        let mut interest = libc::epoll_event {
            events: libc::EPOLLIN as u32,
            u64: place as u64,
        };
        // SAFETY: both descriptors are open and the event outlives the call.
        let added = unsafe {
            libc::epoll_ctl(
                self.poll.as_raw_fd(),
                libc::EPOLL_CTL_ADD,
                connection.fd(),
                &mut interest,
            )
        };
        if added < 0 {
            return Err(std::io::Error::last_os_error().into());
        }
        Ok(())
    }

    fn receive(&mut self, place: usize) -> anyhow::Result<()> {
        let now = Instant::now();
        let (samples, sampling) = (&mut self.samples, self.sampling);
        let Some(one) = self.participants.get_mut(place).and_then(Option::as_mut) else {
            return Ok(());
        };
        let before = (one.connection.setup, one.tally.whole);
        one.receive(now, &self.identity, self.origin, &mut |latency| {
            if sampling && samples.len() < SAMPLES_MAX {
                samples.push(latency);
            }
        });
        if let (None, Some(setup)) = (before.0, one.connection.setup) {
            self.under_way -= 1;
            self.setups.push(setup);
        }
        if let (None, Some(whole)) = (before.1, one.tally.whole) {
            self.joins.push(whole - one.invited);
            self.setups_to_media.push(whole - one.connection.started);
            if one.deafens {
                one.connection.attend(Attention::Deaf)?;
            }
        }
        Ok(())
    }
}
