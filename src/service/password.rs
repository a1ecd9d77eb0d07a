//! Password hashing: argon2id, off the tasks' threads, a bounded number at once.
//!
//! Parameters are the OWASP Password Storage Cheat Sheet's first choice for argon2id with 19 MiB
//! (2024): m = 19,456 KiB, t = 2, p = 1. A stored hash names its own parameters (PHC string), so
//! that they can grow later.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::{OnceCell, Semaphore, oneshot};

use super::{Context, Error, Failure};
use crate::domain::refusal::{Refusal, RefusalKind};

/// Memory of one hashing, KiB.
const MEMORY_KIB: u32 = 19_456;

/// Passes over that memory.
const PASSES: u32 = 2;

/// Bytes of salt (RFC 9106 section 3.1 recommends 16).
const SALT_BYTES: usize = 16;

/// Hashings at once: at most 80 MiB and four cores.
const RUNNING_MAX: usize = 4;

/// Callers that wait or run; beyond them sign-in refuses with `server.busy`.
/// 3,000 learners who sign in within a minute stay far below it.
const CALLERS_MAX: usize = 1_024;

/// The gate before the hashing threads; one per server.
#[derive(Debug)]
pub struct Passwords {
    slots: Arc<Semaphore>,
    callers: AtomicUsize,
    decoy: OnceCell<String>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            slots: Arc::new(Semaphore::new(RUNNING_MAX)),
            callers: AtomicUsize::new(0),
            decoy: OnceCell::new(),
        }
    }
}

/// Hashes a password with a fresh salt into a PHC string.
pub async fn hash(context: &Context, password: &str) -> Result<String, Error> {
    let mut salt = [0; SALT_BYTES];
    context.entropy.fill(&mut salt);
    let password = password.to_owned();
    let hashed = compute(context, move || {
        let hash = hasher()?.hash_password_with_salt(password.as_bytes(), &salt)?;
        Ok(hash.to_string())
    });
    hashed
        .await?
        .map_err(|source: BoxedError| Failure::new("hash a password", source).into())
}

/// Whether a password gives this hash.
pub async fn verify(context: &Context, password: &str, hash: &str) -> Result<bool, Error> {
    let (password, hash) = (password.to_owned(), hash.to_owned());
    compute(context, move || {
        hasher().is_ok_and(|hasher| {
            hasher
                .verify_password(password.as_bytes(), hash.as_str())
                .is_ok()
        })
    })
    .await
}

/// Takes as long as [`verify`] and is never true: an unknown username answers no quicker.
pub async fn verify_decoy(context: &Context, password: &str) -> Result<bool, Error> {
    let decoy = context
        .passwords
        .decoy
        .get_or_try_init(|| hash(context, "nobody's"))
        .await?;
    verify(context, password, decoy).await?;
    Ok(false)
}

type BoxedError = Box<dyn std::error::Error + Send + Sync>;

fn hasher() -> Result<Argon2<'static>, BoxedError> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

async fn compute<T: Send + 'static>(
    context: &Context,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let passwords = &context.passwords;
    let _caller = Caller::enter(&passwords.callers)?;
    let slot = passwords.slots.clone().acquire_owned().await;
    let slot = slot.map_err(|source| Failure::new("wait for a hashing thread", source))?;
    let (sender, receiver) = oneshot::channel();
    context.workers.run(Box::new(move || {
        let _ = sender.send(work());
        drop(slot);
    }));
    Ok(receiver
        .await
        .map_err(|source| Failure::new("hear from a hashing thread", source))?)
}

/// One caller counted, until dropped.
struct Caller<'a>(&'a AtomicUsize);

impl<'a> Caller<'a> {
    fn enter(callers: &'a AtomicUsize) -> Result<Self, Refusal> {
        let before = callers.fetch_add(1, Ordering::Relaxed);
        let caller = Self(callers);
        if before < CALLERS_MAX {
            Ok(caller)
        } else {
            Err(busy())
        }
    }
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn busy() -> Refusal {
    Refusal::new(
        RefusalKind::Unavailable,
        "server.busy",
        "服务器繁忙，请稍后再试。",
        "The server is busy. Try again in a moment.",
    )
}
