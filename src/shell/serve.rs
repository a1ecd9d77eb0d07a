//! The server: what it stands on, what runs in it, and how it ends.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum_server::Handle;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::domain::classroom::policy::ClassroomPolicy;
use crate::domain::face::check::Eyesight;
use crate::http::{self, App};
use crate::hub::rooms::NamedFact;
use crate::media::signal::LeaveReason;
use crate::service::{Context, Eyes, classroom, demo, recording};
use crate::shell::anchor::AnchorFile;
use crate::shell::classroom::{Attendant, DrainError, deadlines};
use crate::shell::config::{Config, MediaTcp, Tls};
use crate::shell::connections::Connections;
use crate::shell::foundation::{self, Foundation, whole};
use crate::shell::importer::{self, Importer};
use crate::shell::plane::Plane;
use crate::shell::recorder::Recorder;
use crate::shell::spool::{self, SpoolBounds};
use crate::shell::typefaces::Installed;
use crate::shell::{announcer, eyes, library, models, shutdown, telemetry, tls, webhooks};

/// The published password of all demo accounts.
pub const DEMO_PASSWORD: &str = "mingtang-demo";
/// How long open requests may take after the signal to stop.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// How long rooms may take to end, and how long their last facts may take to be stored.
const ROOMS_END_MAX: Duration = Duration::from_secs(3);
/// How long it may take to write the last seconds of recordings.
const RECORDINGS_END_MAX: Duration = Duration::from_secs(10);
/// Between two rounds in which figures are folded together.
const FIGURES_UPKEEP: Duration = Duration::from_secs(5);

/// Why a server did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Data directory, Postgres, keys.
    #[error(transparent)]
    Foundation(#[from] foundation::Error),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// A use case at the start.
    #[error(transparent)]
    Service(#[from] crate::service::Error),
    /// What rooms saw while the database was away.
    #[error(transparent)]
    Spool(#[from] spool::Error),
    /// It cannot be stored.
    #[error("cannot store what rooms saw while the database was away")]
    CatchUp(#[from] DrainError),
    /// The port.
    #[error("cannot listen on {address}; `mingtang doctor` says more")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The media port.
    #[error("cannot open the media port; `mingtang doctor` says more")]
    Media(#[source] std::io::Error),
    /// The HTTP server ended by itself.
    #[error("the HTTP server ended")]
    Http(#[source] std::io::Error),
    /// Logs, figures, signals.
    #[error("cannot {doing}")]
    Setup {
        /// What was being done.
        doing: &'static str,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    fn setup<E: std::error::Error + Send + Sync + 'static>(
        doing: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Setup {
            doing,
            source: Box::new(source),
        }
    }
}

/// Serves until a signal asks to stop.
pub async fn run(config: &Config) -> Result<(), Error> {
    telemetry::log(config).map_err(Error::setup("write logs"))?;
    // Before anything is made, so that a second server learns of a taken port at once.
    let listeners = Listeners::bind(config)?;
    let foundation = Foundation::take(config).await?;
    let served = serve(config, &foundation, listeners).await;
    foundation.close().await;
    served
}

async fn serve(
    config: &Config,
    foundation: &Foundation,
    listeners: Listeners,
) -> Result<(), Error> {
    let figures = telemetry::figures().map_err(Error::setup("collect figures"))?;
    let (context, attendant) = prepared(config, foundation).await?;
    let (plane, facts) =
        Plane::start(config, &context, &foundation.api_key).map_err(Error::Media)?;
    let mut tasks = JoinSet::new();
    tasks.spawn(announcer::run(context.clone()));
    tasks.spawn(announcer::upkeep(context.clone()));
    let anchor = AnchorFile::of(&foundation.data_dir);
    tasks.spawn(anchor.clone().keep_signing(context.clone()));
    tasks.spawn(attendant.clone().catch_up());
    let recording = Recording::start(&context, &plane, &attendant);
    let attending =
        Attending::start(config, &context, &plane, (attendant, facts), &mut tasks).await?;
    keep_going(&context, &plane, &mut tasks);
    tasks.spawn(fold(figures.clone()));
    let importer = start_importer(config, &context).await?;

    let mut app = App::new(context.clone());
    app.demo = config.demo;
    app.secure = config.tls != Tls::Off;
    app.metrics = std::sync::Arc::new(move || figures.render());
    app.ready = plane.readiness();
    app.classrooms = Some(plane.classrooms());
    app.mounted = plane.signalling(&context);

    let certificate = tls::identity(config, &foundation.data_dir, context.now())?;
    let handle = Handle::new();
    let connections = listeners.connections(config, &plane);
    tasks.spawn(connections.clone().upkeep());
    if let Some(listener) = listeners.media {
        let door = plane.door();
        let connections = connections.clone();
        tasks.spawn(async move {
            if let Err(error) = door.serve(listener, connections).await {
                tracing::error!(%error, "media takes no connections");
            }
        });
    }
    let http = listeners.http;
    let mut server = start_http(app, http, certificate, connections, handle.clone()).await?;
    greet(config);
    let ended = tokio::select! {
        asked = shutdown::asked() => asked.map_err(Error::setup("wait for signals")),
        ended = &mut server => return Err(Error::Http(flat(ended).err().unwrap_or_else(no_reason))),
    };
    tracing::info!(signal = ended?, "stopping");
    end_rooms(&plane).await;
    handle.graceful_shutdown(Some(DRAIN_MAX));
    context.events.close();
    if let Err(error) = flat(server.await) {
        tracing::warn!(%error, "the HTTP server did not end well");
    }
    attending.finish().await;
    importer.stop().await;
    recording.finish().await;
    plane.stop();
    tasks.shutdown().await;
    sign_ledger(&context, &anchor).await;
    Ok(())
}

async fn start_importer(config: &Config, context: &Context) -> Result<Importer, Error> {
    let programs = importer::find(config.ffmpeg.as_deref());
    if programs.is_none() {
        tracing::warn!("films cannot be uploaded: there is no ffmpeg; `mingtang doctor` says more");
    }
    Ok(Importer::start(context, programs).await?)
}

/// Folds figures together, for ever.
async fn fold(figures: PrometheusHandle) {
    loop {
        tokio::time::sleep(FIGURES_UPKEEP).await;
        figures.run_upkeep();
    }
}

/// What time and cameras bring, for as long as the server runs.
fn keep_going(context: &Context, plane: &Plane, tasks: &mut JoinSet<()>) {
    tasks.spawn(deadlines(context.clone(), plane.rooms.clone()));
    tasks.spawn(eyes::follow_learners(context.clone(), plane.rooms.clone()));
    tasks.spawn(eyes::take_portraits(context.clone(), plane.rooms.clone()));
    tasks.spawn(eyes::prune(context.clone()));
    tasks.spawn(library::upkeep(context.clone()));
}

async fn end_rooms(plane: &Plane) {
    plane.rooms.close_all(LeaveReason::ServerShutdown).await;
    let ended = timeout(ROOMS_END_MAX, plane.rooms.all_ended());
    if ended.await.is_err() {
        tracing::warn!("rooms take too long to end");
    }
}

/// The tasks that store what rooms tell, which end with nothing left to store.
struct Attending {
    stop: oneshot::Sender<()>,
    attended: JoinHandle<()>,
    written: Option<JoinHandle<()>>,
}

impl Attending {
    async fn start(
        config: &Config,
        context: &Context,
        plane: &Plane,
        (attendant, facts): (Attendant, mpsc::Receiver<NamedFact>),
        tasks: &mut JoinSet<()>,
    ) -> Result<Self, Error> {
        let endpoints = webhooks::endpoints(config);
        let (news, written) = if endpoints.is_empty() {
            (None, None)
        } else {
            let started = webhooks::start(context, &plane.call, endpoints, tasks).await?;
            (Some(started.0), Some(started.1))
        };
        let (stop, stopped) = oneshot::channel();
        let attended = tokio::spawn(attendant.attend(facts, news, stopped));
        Ok(Self {
            stop,
            attended,
            written,
        })
    }

    async fn finish(self) {
        drop(self.stop);
        let all = async {
            let _ = self.attended.await;
            if let Some(written) = self.written {
                let _ = written.await;
            }
        };
        if timeout(ROOMS_END_MAX, all).await.is_err() {
            tracing::warn!("the last facts of rooms were not all stored");
        }
    }
}

/// The recorder, which ends with what it heard written.
struct Recording {
    stop: watch::Sender<bool>,
    recorded: JoinHandle<()>,
}

impl Recording {
    fn start(context: &Context, plane: &Plane, attendant: &Attendant) -> Self {
        let (stop, stopped) = watch::channel(false);
        let bell = attendant.tracks_changed();
        let recorder = Recorder::new(context.clone(), plane.rooms.clone(), bell);
        let recorded = tokio::spawn(recorder.run(stopped));
        Self { stop, recorded }
    }

    async fn finish(self) {
        self.stop.send_replace(true);
        if timeout(RECORDINGS_END_MAX, self.recorded).await.is_err() {
            tracing::warn!("the last seconds of recordings were not all written");
        }
    }
}

/// The context that use cases run in: demo data where asked for, and what an outage or a crash
/// left half done brought in order before anybody can come in.
async fn prepared(config: &Config, foundation: &Foundation) -> Result<(Context, Attendant), Error> {
    let mut context = foundation.context.clone();
    context.eyes = eyes_of(foundation);
    context.typefaces = std::sync::Arc::new(Installed);
    context.endpoints = std::sync::Arc::new(webhooks::endpoints(config));
    if config.demo {
        context.classroom_policy = std::sync::Arc::new(ClassroomPolicy::demo());
        let seeded = demo::seed(&context, DEMO_PASSWORD).await?;
        classroom::seed_demo(&context, &seeded).await?;
    }
    let bounds = SpoolBounds::default();
    let attendant = Attendant::open(context.clone(), &foundation.data_dir, bounds)?;
    let taken = attendant.drain().await?;
    if taken > 0 {
        tracing::info!(
            taken,
            "what rooms saw while the database was away is stored"
        );
    }
    let recovered = classroom::recover(&context).await?;
    if recovered > 0 {
        tracing::info!(
            recovered,
            "attendances left open by the last run were brought in order"
        );
    }
    let interrupted = recording::recover(&context).await?;
    if interrupted > 0 {
        tracing::warn!(interrupted, "recordings that the last run left open go on");
    }
    Ok((context, attendant))
}

/// The networks of the data directory. Without right ones classes go on: pictures are then kept
/// for staff, and nobody passes by them.
fn eyes_of(foundation: &Foundation) -> Eyes {
    let eyes = models::eyes(&foundation.data_dir).unwrap_or_else(|error| {
        let error = whole(&error);
        tracing::error!(
            error,
            "the face networks are not used; `mingtang models verify` says more"
        );
        Eyes::default()
    });
    match eyes.eyesight() {
        Eyesight::Blind => tracing::info!("face check: evidence only, no networks are installed"),
        Eyesight::Faces => tracing::info!("face check: faces; no network sees acts"),
        Eyesight::Contours => tracing::info!("face check: faces and acts"),
    }
    eyes
}

/// The TCP ports.
struct Listeners {
    http: TcpListener,
    /// Where media has a port of its own.
    media: Option<TcpListener>,
}

impl Listeners {
    fn bind(config: &Config) -> Result<Self, Error> {
        let media = match config.media_tcp {
            MediaTcp::Off | MediaTcp::Shared => None,
            MediaTcp::Port(port) => Some(SocketAddr::new(config.media_listen, port)),
        };
        Ok(Self {
            http: listen(config.listen)?,
            media: media.map(listen).transpose()?,
        })
    }

    /// As many as files allow; media comes through the port of HTTP where both share it.
    fn connections(&self, config: &Config, plane: &Plane) -> Connections {
        let connections = Connections::within_file_limit();
        match config.media_tcp {
            MediaTcp::Shared if config.media_tcp_port().is_some() => {
                connections.with_door(plane.door())
            }
            MediaTcp::Off | MediaTcp::Shared | MediaTcp::Port(_) => connections,
        }
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    let refused = |source| Error::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(refused)?;
    listener.set_nonblocking(true).map_err(refused)?;
    Ok(listener)
}

/// Starts to answer requests on a task of its own.
async fn start_http(
    app: App,
    listener: TcpListener,
    certificate: Option<tls::Identity>,
    connections: Connections,
    handle: Handle<SocketAddr>,
) -> Result<JoinHandle<std::io::Result<()>>, Error> {
    let tls = match certificate {
        None => None,
        Some(identity) => Some(tls::server_config(identity).await?),
    };
    tracing::info!(max = connections.max(), "connections are bounded");
    let served = connections.serve(listener, tls, http::router(app), handle);
    Ok(tokio::spawn(served))
}

/// Tells the person at the terminal where to go.
fn greet(config: &Config) {
    let scheme = if config.tls == Tls::Off {
        "http"
    } else {
        "https"
    };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "serving");
    println!(
        "Mingtang {} serves on {scheme}://{}",
        env!("CARGO_PKG_VERSION"),
        config.listen
    );
    if config.demo {
        println!("Demo accounts: admin, officer, teacher, learner1, learner2, learner3");
        println!("Password of all of them: {DEMO_PASSWORD}");
        println!("API key of LiveKit's SDKs: devkey, secret: secret");
    }
    println!("Ctrl-C stops the server.");
}

async fn sign_ledger(context: &Context, anchor: &AnchorFile) {
    match anchor.sign(context).await {
        Ok(()) => tracing::info!("the ledger is signed to its end"),
        Err(error) => tracing::warn!(error = whole(&error), "the ledger's end stays unsigned"),
    }
}

fn flat(ended: Result<std::io::Result<()>, tokio::task::JoinError>) -> std::io::Result<()> {
    ended.unwrap_or_else(|panicked| Err(std::io::Error::other(panicked)))
}

fn no_reason() -> std::io::Error {
    std::io::Error::other("no reason was given")
}
