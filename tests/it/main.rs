//! One binary for all integration tests: a module per part, each against its own database.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "helpers of tests are tests"
)]

mod embedded_postgres;
mod ledger;
mod outbox;
mod postgres;
mod support;
