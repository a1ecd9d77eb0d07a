//! HTTP connections: how many there may be, and how long a silent one is kept.
//!
//! A connection counts from its acceptance to its end, upgraded or not. Beyond the bound a new one
//! is closed at once; those that stand go on. Where there is a [`Door`], connections that begin as
//! media do leave through it, and stay counted.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::accept::Accept;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use hyper_util::rt::TokioTimer;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::door::{Door, Place};

use super::memory;

/// Connections at once, if the system allows as many files: all learners of a large class with an
/// event stream and a signalling socket each, twice over.
pub const CONNECTIONS_MAX: usize = 16_384;
/// Files that are no connections: database, media sockets, recordings, logs.
pub const OTHER_FILES: usize = 256;
/// How long a client may take to send the head of a request, and to begin the next one.
pub const HEAD_MAX: Duration = Duration::from_secs(15);
/// How long a client may take for its TLS handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// After so long without a word the system asks whether the other end still lives.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
/// A client that acknowledges or takes nothing for so long is cut off (RFC 5482).
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(60);

/// Between two looks at how many connections are left.
const LOOK: Duration = Duration::from_secs(5);
/// So many connections more or fewer than before leave memory behind that is worth giving back.
const CHANGED: usize = 50;
/// A change of so many between two looks says that the coming and going is not over.
const CALM: usize = 10;

/// How many connections there are and may be.
#[derive(Clone, Debug)]
pub struct Connections {
    free: Arc<Semaphore>,
    max: usize,
    head_max: Duration,
    door: Option<Door>,
}

impl Connections {
    /// With a bound of at least one, and how long the head of a request may take.
    pub fn new(max: usize, head_max: Duration) -> Self {
        let max = max.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(max)),
            max,
            head_max,
            door: None,
        }
    }

    /// Lets media through on the port that serves HTTP.
    pub fn with_door(self, door: Door) -> Self {
        let door = Some(door);
        Self { door, ..self }
    }

    /// As many as files allow, and at most [`CONNECTIONS_MAX`].
    pub fn within_file_limit() -> Self {
        let files = raise_file_limit().unwrap_or(1_024);
        let max = files.saturating_sub(OTHER_FILES).min(CONNECTIONS_MAX);
        Self::new(max, HEAD_MAX)
    }

    /// A place for one more, if there is one.
    pub fn place(&self) -> Option<Place> {
        let place = Arc::clone(&self.free).try_acquire_owned().ok();
        if place.is_none() {
            metrics::counter!("mingtang_http_connections_refused_total").increment(1);
        }
        place
    }

    /// How many stand at present.
    pub fn open(&self) -> usize {
        self.max - self.free.available_permits().min(self.max)
    }

    /// The bound.
    pub fn max(&self) -> usize {
        self.max
    }

    /// Gives memory back to the system after the start, and after crowds have come or gone, until
    /// dropped. The allocator would keep what they took in pieces between what lives on.
    pub async fn upkeep(self) {
        let (mut at_last_look, mut most, mut settled) = (0, 0, None);
        loop {
            tokio::time::sleep(LOOK).await;
            let open = self.open();
            let calm = open.abs_diff(at_last_look) < CALM;
            at_last_look = open;
            most = most.max(open);
            let changed = settled.is_none_or(|known: usize| {
                most.abs_diff(known).max(known.abs_diff(open)) >= CHANGED
            });
            if calm && changed {
                memory::give_back();
                (most, settled) = (open, Some(open));
            }
        }
    }

    /// Serves a router until the handle says to stop.
    ///
    /// # Errors
    ///
    /// When the listener cannot be used.
    pub async fn serve(
        self,
        listener: TcpListener,
        tls: Option<RustlsConfig>,
        router: Router,
        handle: Handle<SocketAddr>,
    ) -> io::Result<()> {
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        listener.set_nonblocking(true)?;
        let mut server = axum_server::from_tcp(listener)?.handle(handle);
        let mut http = server.http_builder().http1();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.head_max);
        let (head_max, gate) = (self.head_max, Gate(self));
        match tls {
            None => {
                server
                    .map(|_| Patience { gate, head_max })
                    .serve(service)
                    .await
            }
            Some(config) => {
                let tls = RustlsAcceptor::new(config).handshake_timeout(HANDSHAKE_MAX);
                let gate = tls.acceptor(gate);
                server
                    .map(|_| Patience { gate, head_max })
                    .serve(service)
                    .await
            }
        }
    }
}

/// Lets connections in while there is room.
#[derive(Clone, Debug)]
struct Gate(Connections);

impl<S> Accept<TcpStream, S> for Gate {
    type Stream = Counted;
    type Service = S;
    type Future = std::future::Ready<io::Result<(Counted, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let Some(place) = self.0.place() else {
            return std::future::ready(Err(io::ErrorKind::QuotaExceeded.into()));
        };
        let counted = set_patience(&stream).map(|()| Counted {
            stream: Some((stream, place)),
            door: self.0.door.clone(),
        });
        std::future::ready(counted.map(|stream| (stream, service)))
    }
}

/// Ends connections of clients that say nothing at first: the server tells the protocol's version
/// by the first bytes, and only then does the deadline of a request's head begin. (A server that
/// knows the version beforehand would not, but it also takes no upgrades to WebSocket.)
#[derive(Clone, Debug)]
struct Patience<A> {
    gate: A,
    head_max: Duration,
}

impl<S, A> Accept<TcpStream, S> for Patience<A>
where
    A: Accept<TcpStream, S>,
    A::Future: Send + 'static,
{
    type Stream = FirstWord<A::Stream>;
    type Service = A::Service;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, A::Service)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let (accepted, head_max) = (self.gate.accept(stream, service), self.head_max);
        Box::pin(async move {
            let (stream, service) = accepted.await?;
            let deadline = Some(Box::pin(tokio::time::sleep(head_max)));
            Ok((FirstWord { stream, deadline }, service))
        })
    }
}

/// A stream that fails unless its first bytes come in time.
#[derive(Debug)]
struct FirstWord<S> {
    stream: S,
    deadline: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl<S: AsyncRead + Unpin> AsyncRead for FirstWord<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        match (&mut self.deadline, read.is_pending()) {
            (Some(deadline), true) => deadline
                .as_mut()
                .poll(context)
                .map(|()| Err(io::ErrorKind::TimedOut.into())),
            (_, false) => {
                self.deadline = None;
                read
            }
            (None, true) => read,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FirstWord<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Messages of signalling are small and urgent, and a client that vanished says no farewell.
fn set_patience(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE_AFTER))?;
    set_unacknowledged_max(stream)
}

fn set_unacknowledged_max(stream: &TcpStream) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;
    let millis =
        libc::c_uint::try_from(UNACKNOWLEDGED_MAX.as_millis()).unwrap_or(libc::c_uint::MAX);
    // SAFETY: the option takes one unsigned integer, which lives through the call.
    let set = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_USER_TIMEOUT,
            (&raw const millis).cast(),
            size_of_val(&millis) as libc::socklen_t,
        )
    };
    if set == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// A stream that holds its place in the count as long as it lives. Its first byte decides whether
/// it leaves by the door; here it is at its end then.
#[derive(Debug)]
struct Counted {
    stream: Option<(TcpStream, Place)>,
    door: Option<Door>,
}

impl Counted {
    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        match &mut self.stream {
            Some((stream, _)) => Ok(Pin::new(stream)),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Looks at the first byte once, without taking it.
    fn poll_door(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (Some(door), Some((stream, _))) = (&self.door, &self.stream) else {
            return Poll::Ready(Ok(()));
        };
        let mut first = [0];
        let count = ready!(stream.poll_peek(context, &mut ReadBuf::new(&mut first)))?;
        let leaves = count > 0 && Door::is_for(first[0]);
        let door = leaves.then(|| door.clone());
        self.door = None;
        if let Some(door) = door
            && let Some((stream, place)) = self.stream.take()
        {
            tokio::spawn(door.pass(stream, place));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_door(context))?;
        self.stream()?.poll_read(context, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        let stream = self.stream.as_ref();
        stream.is_some_and(|(stream, _)| stream.is_write_vectored())
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(context)
    }
}

/// Lets this process open as many files as it may, because every connection is one and the usual
/// soft limit of 1,024 suits a server badly; how many that are, if the system says.
pub fn raise_file_limit() -> Option<usize> {
    let mut limit = file_limit()?;
    if limit.rlim_cur < limit.rlim_max {
        let before = limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: the pointer is to a whole structure that outlives the call.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
            tracing::warn!(before, "the limit of open files could not be raised");
            limit.rlim_cur = before;
        }
    }
    usize::try_from(limit.rlim_cur).ok()
}

/// How many files a process of this user may open at most; `None` when the system does not say.
pub fn files_max() -> Option<usize> {
    usize::try_from(file_limit()?.rlim_max).ok()
}

fn file_limit() -> Option<libc::rlimit> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointer is to a whole structure that outlives the call.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } == 0;
    known.then_some(limit)
}
