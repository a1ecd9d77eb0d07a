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

/// Begins to collect figures; once per process. The handle renders them.
pub fn figures() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new().install_recorder()
}
