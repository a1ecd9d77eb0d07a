//! How a client is reached: a UDP address, or a TCP connection of its own.

use std::net::SocketAddr;

/// A way to a client. Of two ways, each is verified, nominated and forgotten by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Remote {
    /// Datagrams.
    Udp(SocketAddr),
    /// Frames (RFC 4571).
    Tcp(Connection),
}

/// A TCP connection that a client has opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Connection {
    /// Given by whoever accepts connections, and never given again by the same thread.
    pub number: u64,
    /// Where it comes from.
    pub client: SocketAddr,
}

impl Remote {
    /// The client's address as we see it.
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Udp(address) => *address,
            Self::Tcp(connection) => connection.client,
        }
    }
}
