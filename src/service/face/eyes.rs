//! The eyes of a server: engines for a bounded number of pictures at once, off the tasks' threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, oneshot};

use super::{FaceEngine, NoEngine};
use crate::domain::face::check::Eyesight;
use crate::domain::face::template::Recogniser;
use crate::service::Workers;

/// Pictures that wait or are looked at; a further one is not looked at, and its check is drawn
/// later, never passed.
pub const WAITING_MAX: usize = 64;

/// The engines; clones share them.
#[derive(Clone)]
pub struct Eyes(Arc<Inner>);

struct Inner {
    engines: Mutex<Vec<Box<dyn FaceEngine>>>,
    free: Semaphore,
    waiting: AtomicUsize,
    eyesight: Eyesight,
    recogniser: Option<Recogniser>,
}

/// Too many pictures wait, or the engine broke over this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody has time to look at the picture")]
pub struct Busy;

impl Default for Eyes {
    fn default() -> Self {
        Self::new(vec![Box::new(NoEngine)])
    }
}

impl std::fmt::Debug for Eyes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Eyes({:?})", self.eyesight())
    }
}

impl Eyes {
    /// Of engines with the same networks, at least one: each looks at one picture at a time.
    pub fn new(engines: Vec<Box<dyn FaceEngine>>) -> Self {
        let models = engines.first().map(|engine| engine.models());
        Self(Arc::new(Inner {
            eyesight: models.map_or(Eyesight::Blind, |models| models.eyesight),
            recogniser: models.and_then(|models| models.recogniser.cloned()),
            free: Semaphore::new(engines.len()),
            engines: Mutex::new(engines),
            waiting: AtomicUsize::new(0),
        }))
    }

    /// What they can see.
    pub fn eyesight(&self) -> Eyesight {
        self.0.eyesight
    }

    /// What compares templates, where there are networks.
    pub fn recogniser(&self) -> Option<&Recogniser> {
        self.0.recogniser.as_ref()
    }

    /// Pictures that wait or are looked at.
    pub fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::Relaxed)
    }

    /// Lets an engine do something that computes for long.
    pub async fn look<T: Send + 'static>(
        &self,
        workers: &dyn Workers,
        work: impl FnOnce(&dyn FaceEngine) -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let _place = Place::take(&self.0).ok_or(Busy)?;
        let permit = self.0.free.acquire().await.map_err(|_| Busy)?;
        let lease = Lease::take(&self.0).ok_or(Busy)?;
        let (answer, answered) = oneshot::channel();
        workers.run(Box::new(move || {
            let done = lease.engine.as_ref().map(|engine| work(&**engine));
            drop(lease);
            // Whoever asked may be gone.
            let _ = done.map(|done| answer.send(done));
        }));
        let done = answered.await;
        drop(permit);
        done.map_err(|_| Busy)
    }
}

/// One of the [`WAITING_MAX`] places.
struct Place<'a>(&'a Inner);

impl<'a> Place<'a> {
    fn take(inner: &'a Inner) -> Option<Self> {
        let place = Self(inner);
        let before = inner.waiting.fetch_add(1, Ordering::Relaxed);
        (before < WAITING_MAX).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An engine in use; it comes back also when the work panics.
struct Lease {
    inner: Arc<Inner>,
    engine: Option<Box<dyn FaceEngine>>,
}

impl Lease {
    // An asker who gave up leaves its engine at work and frees its turn: then there is none here.
    fn take(inner: &Arc<Inner>) -> Option<Self> {
        let mut engines = inner.engines.lock().unwrap_or_else(PoisonError::into_inner);
        let engine = engines.pop()?;
        Some(Self {
            inner: Arc::clone(inner),
            engine: Some(engine),
        })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut engines = self
            .inner
            .engines
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        engines.extend(self.engine.take());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Threads of the test's own runtime.
    struct Threads;

    impl Workers for Threads {
        fn run(&self, work: Box<dyn FnOnce() + Send>) {
            drop(tokio::task::spawn_blocking(work));
        }
    }

    #[tokio::test]
    async fn beyond_the_bound_nobody_waits_and_afterwards_all_goes_on() {
        let eyes = Eyes::default();
        let (go, gone) = mpsc::sync_channel::<()>(0);
        let gone = Arc::new(Mutex::new(gone));
        let mut looks = Vec::new();
        for _ in 0..WAITING_MAX {
            let gone = Arc::clone(&gone);
            looks.push(Box::pin(eyes.look(&Threads, move |_| {
                let _ = gone.lock().map(|gone| gone.recv());
            })));
        }
        for look in &mut looks {
            assert!(futures_util::poll!(look.as_mut()).is_pending());
        }
        assert_eq!(eyes.waiting(), WAITING_MAX);
        assert_eq!(eyes.look(&Threads, |_| 1).await, Err(Busy));
        drop(go);
        for look in looks {
            assert_eq!(look.await, Ok(()));
        }
        assert_eq!(eyes.look(&Threads, |_| 1).await, Ok(1));
    }

    #[tokio::test]
    async fn an_engine_that_breaks_over_a_picture_looks_at_the_next() {
        let eyes = Eyes::default();
        let broken = eyes.look(&Threads, |_| panic!("a strange picture")).await;
        assert_eq!(broken, Err::<(), _>(Busy));
        assert_eq!(eyes.look(&Threads, |_| 2).await, Ok(2));
    }
}
