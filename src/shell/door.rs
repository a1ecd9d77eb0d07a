//! The door for media by TCP (RFC 6544): tells such connections from HTTP by their first byte, and
//! hands them to the media thread of the transport that their first frame names.
//!
//! A length (RFC 4571) of a binding request begins with a byte below [`FIRST_BYTES_END`]; a TLS
//! handshake begins with 22, an HTTP method with a letter. So one port serves all three.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

use super::connections::Connections;
use crate::domain::id::ShardId;
use crate::media::framing::FRAME_BYTES_MAX;
use crate::media::placement::shard_of;
use crate::media::transport::{ParsedBinding, STUN_HEADER_BYTES};

/// Connections that wait for one media thread; further ones are closed.
pub const ARRIVALS_MAX: usize = 1_024;
/// How long a client may take for its first frame.
pub const FIRST_FRAME_MAX: Duration = Duration::from_secs(10);
/// First bytes of a first frame are below this.
const FIRST_BYTES_END: u8 = 8;

const _: () = assert!((FIRST_BYTES_END as usize) << 8 <= FRAME_BYTES_MAX);

/// Its place in the count of connections, kept as long as it lives.
pub type Place = OwnedSemaphorePermit;

/// A connection whose first frame is a binding request, authentic or not.
pub struct Arrival {
    /// The connection, with nothing read beyond the frame.
    pub socket: std::net::TcpStream,
    /// Where it comes from.
    pub client: SocketAddr,
    /// The shard that it is for.
    pub shard: ShardId,
    /// The frame.
    pub first: Vec<u8>,
    /// Its place.
    pub place: Place,
}

/// A media thread's end of the door.
pub struct Arrivals(Receiver<Arrival>);

/// Lets connections through to the media threads; clones are the same door.
#[derive(Clone)]
pub struct Door {
    /// By shard.
    entries: Arc<[Entry]>,
}

struct Entry {
    arrivals: SyncSender<Arrival>,
    knock: Arc<dyn Fn() + Send + Sync>,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Door(..)")
    }
}

/// A door to as many threads as there are `knocks`; a thread's is called after each arrival for it
/// and may not block.
pub fn door(
    knocks: impl IntoIterator<Item = Arc<dyn Fn() + Send + Sync>>,
) -> (Door, Vec<Arrivals>) {
    let ends = knocks.into_iter().map(|knock| {
        let (arrivals, receiver) = sync_channel(ARRIVALS_MAX);
        (Entry { arrivals, knock }, Arrivals(receiver))
    });
    let (entries, arrivals): (Vec<_>, Vec<_>) = ends.unzip();
    let entries = entries.into();
    (Door { entries }, arrivals)
}

impl Arrivals {
    /// The next connection, if one waits.
    pub fn next(&self) -> Option<Arrival> {
        self.0.try_recv().ok()
    }
}

impl Door {
    /// Whether a connection that begins so wants to come through here.
    pub fn is_for(first: u8) -> bool {
        first < FIRST_BYTES_END
    }

    /// Reads the first frame and lets the connection through; anything else closes it.
    pub async fn pass(self, stream: TcpStream, place: Place) {
        let arrived = tokio::time::timeout(FIRST_FRAME_MAX, arrive(stream, place)).await;
        let Ok(Ok(arrival)) = arrived else {
            metrics::counter!("mingtang_media_tcp_refused_total").increment(1);
            return;
        };
        self.hand_over(arrival);
    }

    /// Gives a connection to its media thread, or to the first when it names none, which turns it
    /// away like any stranger. Where too many wait, it is closed instead.
    pub(super) fn hand_over(&self, arrival: Arrival) {
        let named = self.entries.get(usize::from(arrival.shard.0));
        if let Some(entry) = named.or_else(|| self.entries.first())
            && entry.arrivals.try_send(arrival).is_ok()
        {
            (entry.knock)();
        }
    }

    /// Lets connections to a port of its own through, and nothing else, within the same bound.
    ///
    /// # Errors
    ///
    /// When the listener cannot be used.
    pub async fn serve(self, listener: TcpListener, connections: Connections) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // No descriptor is left; some connection will end.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            if let Some(place) = connections.place() {
                tokio::spawn(self.clone().pass(stream, place));
            }
        }
    }
}

async fn arrive(mut stream: TcpStream, place: Place) -> io::Result<Arrival> {
    let length = usize::from(stream.read_u16().await?);
    if !(STUN_HEADER_BYTES..=FRAME_BYTES_MAX).contains(&length) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut first = vec![0; length];
    stream.read_exact(&mut first).await?;
    let Some(binding) = ParsedBinding::parse(&first) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let shard = shard_of(binding.local_ufrag()).unwrap_or_default();
    Ok(Arrival {
        shard,
        client: stream.peer_addr()?,
        socket: stream.into_std()?,
        first,
        place,
    })
}
