//! What happens in rooms goes to other programs: a writer puts events into the database, and one
//! task per endpoint sends what waits there.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::redirect::Policy;
use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinHandle, JoinSet};

use crate::domain::delivery::pause_after;
use crate::http::livekit::webhook::Watch;
use crate::media::room::RoomFact;
use crate::service::call::Call;
use crate::service::webhooks::{self, Courier, Endpoint, Event, NotAccepted, Posting, Round};
use crate::service::{Context, Error};
use crate::shell::config::Config;
use crate::shell::foundation::whole;

/// Events that wait to be written, mostly because Postgres is away; what finds no place is lost.
const UNWRITTEN_MAX: usize = 4_096;
/// Events written in one transaction.
const BATCH_MAX: usize = 256;
/// After so many written events, what is too much is given up.
const PRUNE_AFTER: usize = 1_000;
/// Between two looks for what is too old.
const UPKEEP: Duration = Duration::from_secs(600);
/// Before writing is tried again (Postgres away).
const FAILURE_PAUSE: Duration = Duration::from_secs(1);
/// An idle endpoint's events are looked for this often, should another process have written them.
const LOOK_MAX: Duration = Duration::from_secs(5);
/// An endpoint must be reached within this.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// It must have answered within this.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// Where facts of rooms become events; dropping it lets the writer end.
#[derive(Debug)]
pub struct News {
    watch: Watch,
    unwritten: mpsc::Sender<Event>,
}

impl News {
    /// Takes note of a fact without waiting.
    pub fn note(&mut self, room: &str, fact: &RoomFact) {
        let Some(event) = self.watch.note(room, fact) else {
            return;
        };
        if self.unwritten.try_send(event).is_err() {
            tracing::warn!("a webhook event found no place and is lost");
            metrics::counter!("mingtang_webhook_events_lost_total").increment(1);
        }
    }
}

/// The endpoints of a configuration.
pub fn endpoints(config: &Config) -> Vec<Endpoint> {
    let Some(key) = &config.webhook_key else {
        return Vec::new();
    };
    let urls = config.webhook_urls.iter().zip(1..);
    let endpoints = urls.map(|(url, number)| Endpoint {
        number,
        url: url.clone(),
        key: key.clone(),
    });
    endpoints.collect()
}

/// Starts to write and send; the writer's own handle ends after the [`News`] are dropped and all
/// of them are written.
///
/// # Errors
/// When the HTTP client cannot be made, or the database is away.
pub async fn start(
    context: &Context,
    call: &Arc<Call>,
    endpoints: Vec<Endpoint>,
    tasks: &mut JoinSet<()>,
) -> Result<(News, JoinHandle<()>), Error> {
    webhooks::begin(context, &endpoints).await?;
    let courier: Arc<dyn Courier> = Arc::new(Post::new()?);
    let (unwritten, queue) = mpsc::channel(UNWRITTEN_MAX);
    let bells: Vec<Arc<Notify>> = endpoints.iter().map(|_| Arc::default()).collect();
    for (endpoint, bell) in endpoints.iter().zip(&bells) {
        let sender = Sender {
            context: context.clone(),
            call: Arc::clone(call),
            courier: Arc::clone(&courier),
            endpoint: endpoint.clone(),
            bell: Arc::clone(bell),
        };
        tasks.spawn(sender.run());
    }
    tasks.spawn(upkeep(context.clone(), endpoints.clone()));
    let written = tokio::spawn(write(context.clone(), endpoints, queue, bells));
    let (clock, entropy) = (Arc::clone(&context.clock), Arc::clone(&context.entropy));
    let watch = Watch::new(Arc::clone(call), clock, entropy);
    Ok((News { watch, unwritten }, written))
}

/// Writes events until nobody brings any more.
async fn write(
    context: Context,
    endpoints: Vec<Endpoint>,
    mut queue: mpsc::Receiver<Event>,
    bells: Vec<Arc<Notify>>,
) {
    let mut batch = Vec::new();
    let mut unpruned = 0;
    while queue.recv_many(&mut batch, BATCH_MAX).await > 0 {
        while let Err(error) = webhooks::keep(&context, &endpoints, &batch).await {
            tracing::warn!(error = whole(&error), "webhook events wait to be written");
            tokio::time::sleep(FAILURE_PAUSE).await;
        }
        unpruned += batch.len();
        batch.clear();
        bells.iter().for_each(|bell| bell.notify_one());
        if unpruned >= PRUNE_AFTER {
            prune(&context, &endpoints).await;
            unpruned = 0;
        }
    }
}

async fn upkeep(context: Context, endpoints: Vec<Endpoint>) {
    loop {
        prune(&context, &endpoints).await;
        tokio::time::sleep(UPKEEP).await;
    }
}

async fn prune(context: &Context, endpoints: &[Endpoint]) {
    match webhooks::prune(context, endpoints).await {
        Ok(0) => {}
        Ok(given_up) => {
            tracing::warn!(
                given_up,
                "webhook events that nobody accepted were given up"
            );
            metrics::counter!("mingtang_webhook_events_given_up_total").increment(given_up);
        }
        Err(error) => tracing::warn!(error = whole(&error), "old webhook events stay for now"),
    }
}

/// Sends the events of one endpoint, for ever.
struct Sender {
    context: Context,
    call: Arc<Call>,
    courier: Arc<dyn Courier>,
    endpoint: Endpoint,
    bell: Arc<Notify>,
}

impl Sender {
    async fn run(self) {
        let mut failures = 0;
        loop {
            let why = match self.round().await {
                Ok(Round::Accepted) => {
                    failures = 0;
                    continue;
                }
                Ok(Round::Idle) => {
                    let _ = tokio::time::timeout(LOOK_MAX, self.bell.notified()).await;
                    continue;
                }
                Ok(Round::Held(why)) => why.to_string(),
                Err(error) => whole(&error),
            };
            failures += 1;
            let endpoint = self.endpoint.number;
            tracing::warn!(endpoint, failures, why, "webhook events wait");
            let pause = pause_after(failures).to_std().unwrap_or(FAILURE_PAUSE);
            tokio::time::sleep(pause).await;
        }
    }

    async fn round(&self) -> Result<Round, Error> {
        webhooks::deliver(&self.context, &self.call, &*self.courier, &self.endpoint).await
    }
}

/// Posts over HTTP and HTTPS: to the configured address itself, not through a proxy and not to
/// where a redirect points, and reads no body.
#[derive(Debug)]
pub struct Post(reqwest::Client);

impl Post {
    /// A client that trusts what the machine trusts.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new() -> Result<Self, Error> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("mingtang/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIME_MAX)
            .timeout(ANSWER_TIME_MAX)
            .build();
        let failed = |error| crate::service::Failure::new("make an HTTP client", error);
        Ok(Self(client.map_err(failed)?))
    }
}

impl Courier for Post {
    fn post<'a>(&'a self, url: &'a str, authorization: String, body: String) -> Posting<'a> {
        let request = self
            .0
            .post(url)
            .header(CONTENT_TYPE, "application/webhook+json")
            .header(AUTHORIZATION, authorization)
            .body(body);
        Box::pin(async move {
            // The address of an endpoint may hold a secret.
            let failed = |error: reqwest::Error| NotAccepted(whole(&error.without_url()));
            let answer = request.send().await.map_err(failed)?;
            if answer.status().is_success() {
                return Ok(());
            }
            Err(NotAccepted(format!(
                "it answers {}",
                answer.status().as_u16()
            )))
        })
    }
}
