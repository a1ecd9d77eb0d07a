//! Mingtang (明堂): a self-hosted server for the video meetings of community-corrections offices.
//!
//! This file is the map. Layers import downward only; `tests/tidy.rs` holds the law.
//!
//! | layer | module | owns |
//! |---|---|---|
//! | 0 | [`domain`] | rules, typed ids, facts, refusals |
//! | 1 | [`media`] | the SFU as state machines: transport, negotiation, rooms, forwarding |
//! | 2 | [`store`] | all SQL, migrations, outbox, ledger |
//! | 3 | [`hub`] | bounded queues, the live registry, routing between tasks and media threads |
//! | 4 | [`service`] | use cases: load, decide, save with facts, announce |
//! | 5 | [`http`] | routes, extractors, OpenAPI, event stream, LiveKit signalling |
//! | 6 | [`shell`] | sockets, threads, clock, entropy, Postgres, command line |

pub mod domain;
pub mod http;
pub mod hub;
pub mod media;
pub mod service;
pub mod shell;
pub mod store;
