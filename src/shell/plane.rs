//! The media plane of a server: the media thread, the rooms on it, and who may enter them.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::http::lessons::Classrooms;
use crate::http::livekit::{LivekitState, router};
use crate::hub::rooms::{NamedFact, Rooms};
use crate::media::shard::ShardLimits;
use crate::media::transport::Identity;
use crate::service::Context;
use crate::service::call::{Call, Keys};
use crate::service::classroom::LessonRules;
use crate::shell::config::Config;
use crate::shell::keys::ApiKey;
use crate::shell::media::{MediaConfig, MediaHandle, MediaThread};
use crate::shell::rooms::{RoomGround, open};

/// API key of demo servers, the convention of LiveKit's SDKs.
const DEMO_KEY: (&str, &str) = ("devkey", "secret");

/// Everything that carries media, running.
pub struct Plane {
    media: MediaHandle,
    /// The rooms.
    pub rooms: Rooms,
    /// Who may enter them.
    pub call: Arc<Call>,
}

impl Plane {
    /// Binds the media port and starts its thread; also returns what the rooms will tell the use
    /// cases, which somebody must read. Call it within the runtime.
    ///
    /// # Errors
    ///
    /// When no certificate can be made or the port is taken.
    pub fn start(
        config: &Config,
        context: &Context,
        api_key: &ApiKey,
    ) -> std::io::Result<(Self, mpsc::Receiver<NamedFact>)> {
        let identity = Identity::generate().map_err(std::io::Error::other)?;
        let (media, events) = MediaThread::start(MediaConfig {
            address: SocketAddr::new(config.listen.ip(), config.media_port),
            identity: Arc::new(identity),
            limits: ShardLimits::default(),
        })?;
        let port = media.local_addr().port();
        let addresses = config.media_addresses.iter();
        let ground = RoomGround {
            clock: Arc::clone(&context.clock),
            entropy: Arc::clone(&context.entropy),
            candidates: addresses.map(|ip| SocketAddr::new(*ip, port)).collect(),
            fingerprint: media.fingerprint(),
            media: Arc::new(media.sender().clone()),
        };
        let (rooms, facts) = open(ground, events);
        let rules = Arc::new(LessonRules(context.clone()));
        let call = Call::new(api_keys(config, api_key), rules, Arc::clone(&context.clock));
        let plane = Self {
            media,
            rooms,
            call: Arc::new(call),
        };
        Ok((plane, facts))
    }

    /// The routes of LiveKit's signalling.
    pub fn signalling(&self, context: &Context) -> axum::Router {
        router(LivekitState {
            call: Arc::clone(&self.call),
            rooms: self.rooms.clone(),
            clock: Arc::clone(&context.clock),
        })
    }

    /// Tells, as long as anybody asks, whether the media thread runs.
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

    /// Says good-bye to all clients and waits for the media thread.
    pub fn stop(self) {
        drop(self.media);
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
