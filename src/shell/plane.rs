//! The media plane of a server: the media threads, the rooms on them, and who may enter them.

use std::net::SocketAddr;
use std::sync::Arc;

use chrono::TimeDelta;
use tokio::sync::mpsc;

use crate::http::lessons::Classrooms;
use crate::http::livekit::{LivekitState, router, twirp};
use crate::hub::rooms::{NamedFact, Rooms};
use crate::media::command::HostCandidates;
use crate::media::placement::Shards;
use crate::media::shard::ShardLimits;
use crate::media::transport::Identity;
use crate::service::Context;
use crate::service::call::{Call, EveryRule, Keys, Relays, RoomAdmin};
use crate::service::classroom::LessonRules;
use crate::service::face::capture::FaceRooms;
use crate::shell::config::{Config, Turn};
use crate::shell::door::Door;
use crate::shell::keys::ApiKey;
use crate::shell::media::{MediaConfig, MediaHandle, MediaThread};
use crate::shell::rooms::{RoomGround, open};

/// API key of demo servers, the convention of LiveKit's SDKs.
const DEMO_KEY: (&str, &str) = ("devkey", "secret");

/// Everything that carries media, running.
pub struct Plane {
    media: MediaHandle,
    is_demo: bool,
    /// The rooms.
    pub rooms: Rooms,
    /// Who may enter them.
    pub call: Arc<Call>,
}

impl Plane {
    /// Binds the UDP ports of media and starts its threads; also returns what the rooms will tell
    /// the use cases, which somebody must read. Call it within the runtime.
    ///
    /// # Errors
    ///
    /// When no certificate can be made or a port is taken.
    pub fn start(
        config: &Config,
        context: &Context,
        api_key: &ApiKey,
    ) -> std::io::Result<(Self, mpsc::Receiver<NamedFact>)> {
        let identity = Identity::generate().map_err(std::io::Error::other)?;
        let address = SocketAddr::new(config.media_listen, config.media_port);
        let (media, events) = MediaThread::start(MediaConfig {
            address: config.media_udp.then_some(address),
            threads: config.media_threads,
            identity: Arc::new(identity),
            limits: ShardLimits::default(),
        })?;
        let sites = media.local_addrs().iter().map(|udp| HostCandidates {
            udp: hosts(config, udp.map(|address| address.port())),
            tcp: hosts(config, config.media_tcp_port()),
        });
        let ground = RoomGround {
            clock: Arc::clone(&context.clock),
            entropy: Arc::clone(&context.entropy),
            shards: Shards::new(sites),
            fingerprint: media.fingerprint(),
            media: Arc::new(media.senders().clone()),
            taps: media.taps().clone(),
        };
        let (rooms, facts) = open(ground, events);
        let rules = Arc::new(EveryRule(vec![
            Arc::new(LessonRules(context.clone())),
            Arc::new(FaceRooms(context.clone())),
        ]));
        let mut call = Call::new(api_keys(config, api_key), rules, Arc::clone(&context.clock));
        if let Some(turn) = &config.turn {
            call = call.with_relays(relays(turn));
        }
        let plane = Self {
            media,
            is_demo: config.demo,
            rooms,
            call: Arc::new(call),
        };
        Ok((plane, facts))
    }

    /// The routes of LiveKit's signalling and server API.
    pub fn signalling(&self, context: &Context) -> axum::Router {
        let signalling = router(LivekitState {
            call: Arc::clone(&self.call),
            rooms: self.rooms.clone(),
            clock: Arc::clone(&context.clock),
            simulates: self.is_demo,
        });
        let admin = RoomAdmin::new(
            Arc::clone(&self.call),
            self.rooms.clone(),
            Arc::clone(&context.clock),
            Arc::clone(&context.entropy),
        );
        signalling.merge(twirp::router(admin))
    }

    /// Where connections of clients without UDP go.
    pub fn door(&self) -> Door {
        self.media.door().clone()
    }

    /// Tells, as long as anybody asks, whether all media threads run.
    pub fn readiness(&self) -> Arc<dyn Fn() -> bool + Send + Sync> {
        Arc::new(self.media.watch())
    }

    /// What lessons need of the plane.
    pub fn classrooms(&self) -> Classrooms {
        Classrooms {
            call: Arc::clone(&self.call),
            rooms: self.rooms.clone(),
        }
    }

    /// Says good-bye to all clients and waits for the media threads.
    pub fn stop(self) {
        drop(self.media);
    }
}

fn hosts(config: &Config, port: Option<u16>) -> Vec<SocketAddr> {
    let at = |port| {
        let addresses = config.media_addresses.iter();
        addresses.map(move |ip| SocketAddr::new(*ip, port))
    };
    port.into_iter().flat_map(at).collect()
}

fn relays(turn: &Turn) -> Relays {
    Relays {
        urls: turn.urls.clone(),
        secret: turn.secret.clone().into_bytes(),
        valid_for: TimeDelta::seconds(turn.credential_seconds.into()),
    }
}

fn api_keys(config: &Config, own: &ApiKey) -> Keys {
    let configured = config.api_keys.iter();
    let mut others: std::collections::BTreeMap<_, _> = configured
        .map(|(name, secret)| (name.clone(), secret.clone().into_bytes()))
        .collect();
    if config.demo {
        others.insert(DEMO_KEY.0.to_owned(), DEMO_KEY.1.into());
    }
    Keys::new((own.name.clone(), own.secret.clone().into_bytes()), others)
}
