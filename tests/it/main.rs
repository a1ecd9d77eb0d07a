//! One binary for all integration tests: a module per part, each against its own database.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "helpers of tests are tests"
)]

mod auth;
mod bad_input;
mod bench;
mod binary;
mod classroom;
mod corpus;
mod embedded_postgres;
mod events;
mod ledger;
mod library;
mod logs;
mod media;
mod outbox;
mod people;
mod postgres;
mod recording;
mod rooms;
mod routes;
mod server;
mod server_api;
mod signalling;
mod simulate;
mod support;
mod waiting;
mod whip;
