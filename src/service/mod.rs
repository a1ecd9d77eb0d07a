//! Use cases: load, decide, save with facts, announce. Everything they need is in [`Context`].

pub mod audit;
pub mod auth;
pub mod blobs;
pub mod call;
pub mod classroom;
pub mod demo;
pub mod events;
pub mod evidence;
pub mod face;
pub mod keys;
pub mod ledger;
pub mod library;
pub mod outbox;
pub mod paper;
pub mod password;
pub mod people;
pub mod recording;
pub mod reports;
pub mod sealing;
pub mod setup;
pub mod throttle;
pub mod units;
pub mod webhooks;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, oneshot};

use crate::domain::classroom::policy::ClassroomPolicy;
use crate::domain::entropy::{Clock, Entropy};
use crate::domain::fact::stored_time;
use crate::hub::events::Events;
use crate::store::Store;

pub use crate::store::{Error, Failure};
pub use face::capture::Captures;
pub use face::eyes::Eyes;
pub use keys::Keys;
pub use paper::{NoTypefaces, Typefaces};

/// What a use case stands on. One per server, shared.
#[derive(Clone)]
pub struct Context {
    /// The server's clock.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// The database.
    pub store: Store,
    /// Signing keys.
    pub keys: Arc<Keys>,
    /// Runs work that would hold up other tasks.
    pub workers: Arc<dyn Workers>,
    /// Open event streams.
    pub events: Events,
    /// Topics that actors follow.
    pub topics: Arc<dyn events::Topics>,
    /// Rung after a commit that wrote announcements.
    pub announced: Arc<Notify>,
    /// The figures that new lessons are held by.
    pub classroom_policy: Arc<ClassroomPolicy>,
    /// Where frames, recordings and packs lie.
    pub blobs: blobs::Blobs,
    /// Rung when recordings begin, pause or end.
    pub recorder: Arc<Notify>,
    /// Whether the classroom has still to take in what its rooms saw.
    pub behind: Behind,
    /// What looks at pictures of faces.
    pub eyes: Eyes,
    /// Rung after a commit that wants a look at somebody's camera.
    pub looks: Arc<Notify>,
    /// Enrolments whose pictures are to be taken.
    pub captures: Captures,
    /// Typefaces of printed reports.
    pub typefaces: Arc<dyn Typefaces>,
    /// Other programs that are told what people earned.
    pub endpoints: Arc<Vec<webhooks::Endpoint>>,
    /// Films.
    pub library: library::Library,
    pub(crate) passwords: Arc<password::Passwords>,
    pub(crate) throttle: Arc<throttle::Throttle>,
}

impl Context {
    /// A context with nothing open yet, whose blobs do not last.
    pub fn new(
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        store: Store,
        keys: Arc<Keys>,
        workers: Arc<dyn Workers>,
    ) -> Self {
        Self {
            clock,
            entropy,
            store,
            keys,
            workers,
            events: Events::default(),
            topics: Arc::new(classroom::LessonTopics),
            announced: Arc::default(),
            classroom_policy: Arc::new(ClassroomPolicy::standard()),
            blobs: blobs::Blobs::in_memory(),
            recorder: Arc::default(),
            behind: Behind::default(),
            eyes: Eyes::default(),
            looks: Arc::default(),
            captures: Captures::default(),
            typefaces: Arc::new(NoTypefaces),
            endpoints: Arc::default(),
            library: library::Library::default(),
            passwords: Arc::default(),
            throttle: Arc::default(),
        }
    }

    /// The present moment in the precision that the database keeps.
    pub fn now(&self) -> DateTime<Utc> {
        stored_time(self.clock.now())
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

/// Whether older things wait to be taken in, so that nothing can be decided yet. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Behind(Arc<AtomicBool>);

impl Behind {
    /// Says how it is.
    pub fn set(&self, behind: bool) {
        self.0.store(behind, Ordering::Release);
    }

    /// How it is.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Runs work that computes for long off the tasks' threads, and answers what came of it.
pub(crate) async fn off_tasks<T: Send + 'static>(
    context: &Context,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let (answer, answered) = oneshot::channel();
    context.workers.run(Box::new(move || {
        // Whoever asked may be gone.
        let _ = answer.send(work());
    }));
    let done = answered.await;
    Ok(done.map_err(|source| Failure::new("compute", source))?)
}

/// Threads for work that computes for long. Callers bound what they hand over.
pub trait Workers: Send + Sync {
    /// Runs the work off the tasks' threads, soon.
    fn run(&self, work: Box<dyn FnOnce() + Send>);
}
