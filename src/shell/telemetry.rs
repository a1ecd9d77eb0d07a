//! Logs to standard error and figures for Prometheus.

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry};

use crate::shell::config::{Config, LogFormat};

/// Begins to write log lines; once per process.
pub fn log(config: &Config) -> Result<(), TryInitError> {
    // The configuration has refused what does not parse.
    let filter: Targets = config.log_level.parse().unwrap_or_default();
    // Postgres tells at every start that what should exist exists.
    let filter = filter.with_target("sqlx::postgres::notice", LevelFilter::WARN);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match config.log_format {
        LogFormat::Text => lines.with_ansi(false).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    Registry::default()
        .with(lines.with_filter(filter))
        .try_init()
}

/// Upper bounds of the classes in which durations are counted, seconds. Quantiles made here instead
/// would keep a sketch per route that grows for hours, and could not be added up over servers.
const SECONDS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0,
];

/// Begins to collect figures; once per process. The handle renders them.
pub fn figures() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new()
        .set_buckets(SECONDS)?
        .install_recorder()
}
