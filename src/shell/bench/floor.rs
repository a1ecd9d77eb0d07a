//! The paced floor: what copying, sealing and sending cost by themselves, woken at the same pace.
//!
//! No SFU can be cheaper on this machine in this minute, so the ratio to it travels to others.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::forward::ForwardOptions;
use crate::media::batch::SendBatch;
use crate::media::remote::Remote;
use crate::media::transport::srtp::{MasterKeys, Profile, Sealer, Srtp};
use crate::shell::udp::{BatchSocket, bind};

/// Wake-ups before the account is read.
const WARM_UP_TURNS: u32 = 50;
/// Wake-ups that are measured.
const TURNS: u32 = 1_000;
const HEADER_BYTES: usize = 12;
/// Room for the authentication tag.
const TAG_BYTES: usize = 16;

/// CPU time per packet to as many destinations as there are subscribers, in bursts as published.
pub fn paced(options: &ForwardOptions) -> anyhow::Result<Duration> {
    let receivers = receivers(options.subscribers)?;
    let destinations = addresses(&receivers)?;
    let trigger = bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let interval =
        Duration::from_secs_f64(f64::from(options.burst) / f64::from(options.packets_per_second));
    let pacer = Pacer::start(receivers, trigger.local_addr()?, interval);
    let mut sender = Sender::new(trigger, destinations, usize::from(options.payload))?;
    for _ in 0..WARM_UP_TURNS {
        sender.turn(options.burst)?;
    }
    let before = own_cpu_time()?;
    for _ in 0..TURNS {
        sender.turn(options.burst)?;
    }
    let spent = own_cpu_time()?.saturating_sub(before);
    pacer.stop();
    Ok(spent / (TURNS * options.burst * u32::from(options.subscribers)))
}

/// One stream to each destination.
struct Sender {
    socket: UdpSocket,
    out: BatchSocket,
    batch: SendBatch,
    streams: Vec<(SocketAddr, Sealer)>,
    payload: Vec<u8>,
    sequence: u64,
}

impl Sender {
    fn new(
        trigger: UdpSocket,
        destinations: Vec<SocketAddr>,
        payload_bytes: usize,
    ) -> anyhow::Result<Self> {
        let material = vec![7; Profile::Gcm.keying_material_bytes()];
        let keys = MasterKeys::split(Profile::Gcm, &material, false);
        let provider = rtc::crypto::default_provider()?;
        let streams = destinations
            .into_iter()
            .zip(1_u32..)
            .map(|(destination, ssrc)| {
                let srtp = keys
                    .as_ref()
                    .and_then(|keys| Srtp::new(provider.clone(), keys));
                srtp.and_then(|srtp| srtp.sealer(ssrc))
                    .map(|sealer| (destination, sealer))
            });
        Ok(Self {
            out: BatchSocket::new(trigger.try_clone()?)?,
            socket: trigger,
            batch: SendBatch::default(),
            streams: streams
                .collect::<Option<_>>()
                .ok_or_else(|| anyhow::anyhow!("no cipher"))?,
            payload: vec![7; payload_bytes],
            sequence: 1_000,
        })
    }

    /// Waits for the trigger, then sends one burst to every destination.
    fn turn(&mut self, burst: u32) -> anyhow::Result<()> {
        let mut wake = [0; 2048];
        self.socket.recv(&mut wake)?;
        let first = self.sequence + 1;
        self.sequence += u64::from(burst);
        let len = HEADER_BYTES + self.payload.len();
        for (destination, sealer) in &mut self.streams {
            for sequence in first..=self.sequence {
                let buffer = match self.batch.room(len + TAG_BYTES) {
                    Some(_) => self.batch.room(len + TAG_BYTES),
                    None => {
                        self.out.send(&mut self.batch);
                        self.batch.room(len + TAG_BYTES)
                    }
                };
                let buffer = buffer.ok_or_else(|| anyhow::anyhow!("a batch without room"))?;
                write_header(buffer, sequence, sealer.ssrc());
                buffer[HEADER_BYTES..len].copy_from_slice(&self.payload);
                if let Some(sealed) = sealer.seal(sequence, buffer, HEADER_BYTES, len) {
                    self.batch.commit(Remote::Udp(*destination), sealed);
                }
            }
        }
        self.out.send(&mut self.batch);
        Ok(())
    }
}

fn write_header(buffer: &mut [u8], sequence: u64, ssrc: u32) {
    buffer[..2].copy_from_slice(&[0x80, 96]);
    buffer[2..4].copy_from_slice(&(sequence as u16).to_be_bytes());
    buffer[4..8].copy_from_slice(&[0; 4]);
    buffer[8..12].copy_from_slice(&ssrc.to_be_bytes());
}

/// Plays the publisher and the subscribers: wakes the sender at the pace, and empties the sockets.
struct Pacer {
    stopped: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Pacer {
    fn start(receivers: Vec<UdpSocket>, wake: SocketAddr, interval: Duration) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopped);
        let thread = std::thread::spawn(move || {
            let mut next = Instant::now();
            let mut buffer = [0; 2048];
            while !stop.load(Ordering::Relaxed) {
                for receiver in &receivers {
                    while receiver.recv(&mut buffer).is_ok() {}
                    if Instant::now() >= next {
                        next += interval;
                        let _ = receivers[0].send_to(&[0; 1228], wake);
                    }
                }
            }
        });
        Self { stopped, thread }
    }

    fn stop(self) {
        self.stopped.store(true, Ordering::Relaxed);
        let _ = self.thread.join();
    }
}

fn receivers(count: u16) -> std::io::Result<Vec<UdpSocket>> {
    (0..count)
        .map(|_| {
            let socket = bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        })
        .collect()
}

fn addresses(sockets: &[UdpSocket]) -> std::io::Result<Vec<SocketAddr>> {
    sockets.iter().map(UdpSocket::local_addr).collect()
}

fn own_cpu_time() -> std::io::Result<Duration> {
    let account = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = account
        .split(' ')
        .next()
        .and_then(|field| field.parse().ok());
    Ok(Duration::from_nanos(nanoseconds.unwrap_or(0)))
}
