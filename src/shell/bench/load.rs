//! The load: one thread that plays the publisher and all subscribers over real sockets.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use super::client::{LoadClient, LoadIdentity, Remote};
use super::forward::ForwardOptions;
use super::server::ServerProcess;
use super::signalling::{Offer, PUBLISHER_SSRC, Role, Signalling, VP8_PAYLOAD_TYPE};

/// Joins under way at one time.
const JOINS_IN_FLIGHT: u16 = 16;
/// Longest wait for all clients to connect, and for the first packet at each.
const CONNECT_DEADLINE: Duration = Duration::from_secs(60);
/// Left out at the beginning: caches warm, key frames are asked for, rates settle.
const WARM_UP: Duration = Duration::from_secs(1);
/// After the last packet, so that what is on the way can arrive.
const DRAIN: Duration = Duration::from_millis(200);
/// Between a subscriber's receiver reports.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Between rounds of timers of all clients.
const TICK_INTERVAL: Duration = Duration::from_millis(10);
/// VP8 payload descriptor (start of partition 0) and a key frame's first bytes (RFC 7741).
const VP8_KEY_FRAME: [u8; 11] = [0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0];
const RTP_HEADER_BYTES: usize = 12;
const STAMP_BYTES: usize = 8;
/// Latency samples kept: every packet of an hour would not fit, so one in some is taken.
const SAMPLES_MAX: usize = 200_000;

/// Publisher (first) and subscribers, and where their packets are awaited.
pub struct Load {
    identity: LoadIdentity,
    clients: Vec<Client>,
    poll: OwnedFd,
    origin: Instant,
    sequence: u16,
    next_tick: Instant,
    latencies: Vec<Duration>,
    sampling: bool,
}

struct Client {
    connection: LoadClient,
    media_ssrc: u32,
    highest_sequence: u32,
    received: u64,
    next_report: Instant,
}

/// What one measured stretch showed.
pub struct Measured {
    /// Length of the stretch.
    pub elapsed: Duration,
    /// Packets the publisher sent.
    pub sent: u64,
    /// Packets that subscribers decrypted, of those sent in the stretch.
    pub delivered: u64,
    /// CPU time of the server process.
    pub cpu: Duration,
    /// CPU time of its media threads.
    pub media_cpu: Duration,
    /// Sampled latencies, ascending.
    pub latencies: Vec<Duration>,
}

impl Load {
    /// No clients yet.
    pub fn new() -> anyhow::Result<Self> {
        // SAFETY: a fresh descriptor that nobody else owns; checked before it is taken.
        let poll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if poll < 0 {
            return Err(std::io::Error::last_os_error().into());
        }
        let now = Instant::now();
        Ok(Self {
            identity: LoadIdentity::generate()?,
            clients: Vec::new(),
            // SAFETY: as above.
            poll: unsafe { OwnedFd::from_raw_fd(poll) },
            origin: now,
            sequence: 0,
            next_tick: now,
            latencies: Vec::new(),
            sampling: false,
        })
    }

    /// Adds `count` clients of a role, some in flight at a time, and waits for their connections.
    pub fn join(
        &mut self,
        runtime: &tokio::runtime::Runtime,
        server: SocketAddr,
        role: Role,
        count: u16,
    ) -> anyhow::Result<()> {
        let first = self.clients.len();
        for batch in (0..count).step_by(usize::from(JOINS_IN_FLIGHT)) {
            let batch_end = count.min(batch + JOINS_IN_FLIGHT);
            let offers: Vec<Offer> = (batch..batch_end)
                .map(|index| Offer {
                    role,
                    ufrag: format!("load{:04x}", first + usize::from(index)),
                    fingerprint: self.identity.fingerprint.clone(),
                })
                .collect();
            for (ufrag, remote) in runtime.block_on(signal(server, offers))? {
                self.connect(remote, ufrag)?;
            }
            self.await_setup()?;
        }
        Ok(())
    }

    /// Set-up times of all clients, ascending.
    pub fn setups(&self) -> Vec<Duration> {
        let mut setups: Vec<Duration> = self
            .clients
            .iter()
            .filter_map(|client| client.connection.setup)
            .collect();
        setups.sort_unstable();
        setups
    }

    /// Sends for the warm-up and the measured time; reads the server's accounts around the latter.
    pub fn measure(
        &mut self,
        options: &ForwardOptions,
        server: &ServerProcess,
    ) -> anyhow::Result<Measured> {
        self.warm_up(options)?;
        let received = self.received();
        let (cpu, media_cpu) = (server.cpu_time()?, server.cpu_time_of("media")?);
        let started = Instant::now();
        self.sampling = true;
        let sent = self.send_for(options, Duration::from_secs(options.seconds))?;
        let elapsed = started.elapsed();
        self.sampling = false;
        self.idle(DRAIN)?;
        let cpu = server.cpu_time()?.saturating_sub(cpu);
        let media_cpu = server.cpu_time_of("media")?.saturating_sub(media_cpu);
        self.latencies.sort_unstable();
        Ok(Measured {
            elapsed,
            sent,
            delivered: self.received() - received,
            cpu,
            media_cpu,
            latencies: std::mem::take(&mut self.latencies),
        })
    }

    fn warm_up(&mut self, options: &ForwardOptions) -> anyhow::Result<()> {
        let deadline = Instant::now() + CONNECT_DEADLINE;
        loop {
            self.send_for(options, WARM_UP)?;
            self.idle(DRAIN)?;
            if self
                .clients
                .iter()
                .skip(1)
                .all(|client| client.received > 0)
            {
                return Ok(());
            }
            if Instant::now() > deadline {
                anyhow::bail!("not every subscriber got a packet within 60 s");
            }
        }
    }

    fn send_for(&mut self, options: &ForwardOptions, time: Duration) -> anyhow::Result<u64> {
        let interval = Duration::from_secs_f64(
            f64::from(options.burst) / f64::from(options.packets_per_second),
        );
        let started = Instant::now();
        let (mut next, mut sent) = (started, 0);
        while started.elapsed() < time {
            if Instant::now() >= next {
                next += interval;
                for index in 0..options.burst {
                    self.send_packet(usize::from(options.payload), index + 1 == options.burst);
                    sent += 1;
                }
            }
            self.turn(next)?;
        }
        Ok(sent)
    }

    fn send_packet(&mut self, payload_bytes: usize, last_of_frame: bool) {
        let now = Instant::now() - self.origin;
        let mut packet = vec![0x5a; RTP_HEADER_BYTES + payload_bytes];
        packet[0] = 0x80;
        packet[1] = VP8_PAYLOAD_TYPE | if last_of_frame { 0x80 } else { 0 };
        packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        let timestamp = (now.as_millis() as u32).wrapping_mul(90);
        packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
        packet[8..12].copy_from_slice(&PUBLISHER_SSRC.to_be_bytes());
        let payload = &mut packet[RTP_HEADER_BYTES..];
        payload[..VP8_KEY_FRAME.len()].copy_from_slice(&VP8_KEY_FRAME);
        payload[VP8_KEY_FRAME.len()..][..STAMP_BYTES]
            .copy_from_slice(&(now.as_nanos() as u64).to_be_bytes());
        self.sequence = self.sequence.wrapping_add(1);
        self.clients[0].connection.send_rtp(&packet);
    }

    fn idle(&mut self, time: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.turn(until)?;
        }
        Ok(())
    }

    fn await_setup(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + CONNECT_DEADLINE;
        while self
            .clients
            .iter()
            .any(|client| client.connection.setup.is_none())
        {
            if Instant::now() > deadline {
                anyhow::bail!("not every client connected within 60 s");
            }
            self.turn(deadline)?;
        }
        Ok(())
    }

    fn connect(&mut self, remote: Remote, ufrag: String) -> anyhow::Result<()> {
        let now = Instant::now();
        let connection = LoadClient::start(remote, ufrag, &self.identity, now)?;
        let mut interest = libc::epoll_event {
            events: libc::EPOLLIN as u32,
            u64: self.clients.len() as u64,
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
        self.clients.push(Client {
            connection,
            media_ssrc: 0,
            highest_sequence: 0,
            received: 0,
            next_report: now + REPORT_INTERVAL,
        });
        Ok(())
    }

    /// Waits for packets until `until` at most, takes them, and runs the timers that are due.
    fn turn(&mut self, until: Instant) -> anyhow::Result<()> {
        let mut ready: [libc::epoll_event; 64] = [libc::epoll_event { events: 0, u64: 0 }; 64];
        let wait = until
            .min(self.next_tick)
            .saturating_duration_since(Instant::now());
        let milliseconds = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the array is as long as said.
        let count = unsafe {
            libc::epoll_wait(self.poll.as_raw_fd(), ready.as_mut_ptr(), 64, milliseconds)
        };
        for event in &ready[..usize::try_from(count).unwrap_or(0)] {
            self.receive(event.u64 as usize);
        }
        let now = Instant::now();
        if now >= self.next_tick {
            self.next_tick = now + TICK_INTERVAL;
            for client in &mut self.clients {
                client.connection.tick(now, &self.identity);
                client.report(now);
            }
        }
        Ok(())
    }

    fn receive(&mut self, index: usize) {
        let (client, now) = (&mut self.clients[index], Instant::now());
        let (origin, sampling) = (self.origin, self.sampling);
        let (latencies, received) = (&mut self.latencies, &mut client.received);
        let (ssrc, highest) = (&mut client.media_ssrc, &mut client.highest_sequence);
        client
            .connection
            .receive(now, &self.identity, &mut |packet| {
                let stamp = RTP_HEADER_BYTES + VP8_KEY_FRAME.len();
                let Some(bytes) = packet.get(stamp..stamp + STAMP_BYTES) else {
                    return;
                };
                *received += 1;
                *ssrc = u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]);
                *highest = u32::from(u16::from_be_bytes([packet[2], packet[3]]));
                if sampling && latencies.len() < SAMPLES_MAX {
                    let sent = bytes
                        .iter()
                        .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
                    latencies.push(origin.elapsed().saturating_sub(Duration::from_nanos(sent)));
                }
            });
    }

    fn received(&self) -> u64 {
        self.clients.iter().map(|client| client.received).sum()
    }
}

impl Client {
    /// Sends a receiver report (RFC 3550 section 6.4.2) each second once media has come.
    fn report(&mut self, now: Instant) {
        if now < self.next_report || self.media_ssrc == 0 {
            return;
        }
        self.next_report = now + REPORT_INTERVAL;
        let mut report = [0; 32];
        report[..4].copy_from_slice(&[0x81, 201, 0, 7]);
        report[7] = 1;
        report[8..12].copy_from_slice(&self.media_ssrc.to_be_bytes());
        report[16..20].copy_from_slice(&self.highest_sequence.to_be_bytes());
        self.connection.send_rtcp(&report);
    }
}

/// Joins all at once; each socket then lives on in a task of the runtime.
async fn signal(server: SocketAddr, offers: Vec<Offer>) -> anyhow::Result<Vec<(String, Remote)>> {
    let expires_at = chrono::Utc::now().timestamp() + 3600;
    let joins = offers.into_iter().map(|offer| async move {
        let ufrag = offer.ufrag.clone();
        let (signalling, remote) = Signalling::join(server, "bench", offer, expires_at).await?;
        tokio::spawn(signalling.keep());
        anyhow::Ok((ufrag, remote))
    });
    futures_util::future::try_join_all(joins).await
}
