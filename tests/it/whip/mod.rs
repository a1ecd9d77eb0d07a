//! WHIP and WHEP from end to end: a client of other make publishes and watches by plain HTTP.

mod client;
mod grants;
mod media;
mod statuses;

use std::net::SocketAddr;
use std::sync::Arc;

use mingtang::http::App;
use mingtang::hub::rooms::NamedFact;
use mingtang::shell::clock::SystemClock;
use mingtang::shell::config::Turn;
use mingtang::shell::keys::ApiKey;
use mingtang::shell::plane::Plane;
use tokio::sync::mpsc;

use crate::support::World;

/// Where the server's clients find a relay.
pub const TURN_URLS: [&str; 2] = [
    "turn:turn.example.org:3478",
    "turns:turn.example.org:443?transport=tcp",
];

/// A whole server by the real clock.
pub struct Server {
    pub plane: Plane,
    pub base: String,
    pub world: World,
    _facts: mpsc::Receiver<NamedFact>,
}

impl Server {
    pub async fn start() -> Self {
        let mut world = World::new().await;
        world.context.clock = Arc::new(SystemClock);
        let context = &world.context;
        let key = ApiKey {
            name: "own".to_owned(),
            secret: "a secret of thirty-two characters".to_owned(),
        };
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut config = crate::media::config(anywhere, true);
        config.turn = Some(Turn {
            urls: TURN_URLS.map(str::to_owned).to_vec(),
            secret: "shared".to_owned(),
            credential_seconds: 600,
        });
        let (plane, facts) = Plane::start(&config, context, &key).unwrap();
        let mut app = App::new(context.clone());
        app.classrooms = Some(plane.classrooms());
        app.mounted = plane.signalling(context);
        let base = crate::server::serve(app).await;
        Self {
            plane,
            base,
            world,
            _facts: facts,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        let (_, address) = self.base.split_once("//").unwrap();
        address.parse().unwrap()
    }

    /// Who is in a room.
    pub async fn people(&self, room: &str) -> Vec<String> {
        let views = self.plane.rooms.participants(room).await;
        let views = views.unwrap_or_default().into_iter();
        views.map(|view| view.identity).collect()
    }
}
