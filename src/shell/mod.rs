//! The outside world: the only layer with sockets, threads, tasks, clock, chance and environment.
#![allow(clippy::disallowed_methods, reason = "the shell is where these belong")]

pub mod anchor;
pub mod announcer;
pub mod bench;
pub mod calibrate;
pub mod classroom;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connections;
pub mod data_dir;
pub mod doctor;
pub mod door;
pub mod entropy;
pub mod eyes;
pub mod foundation;
pub mod keys;
pub mod media;
pub mod memory;
pub mod models;
pub mod plane;
pub mod postgres;
pub mod rooms;
pub mod serve;
pub mod shutdown;
pub mod simulate;
pub mod spool;
pub mod streams;
pub mod telemetry;
pub mod tls;
pub mod typefaces;
pub mod udp;
pub mod user;
pub mod webhooks;
pub mod workers;
