//! One binary for all integration tests: a module per part, each against its own database.

mod ledger;
mod outbox;
mod postgres;
mod support;
