//! What every command that touches the data stands on: data directory, Postgres, schema, keys.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::domain::library::bounds::LibraryBounds;
use crate::service::blobs::{BlobError, Blobs};
use crate::service::library::Library;
use crate::service::{Context, Failure};
use crate::shell::clock::SystemClock;
use crate::shell::config::Config;
use crate::shell::data_dir::{self, DataDir, create_private};
use crate::shell::entropy::OsEntropy;
use crate::shell::keys::{self, ApiKey};
use crate::shell::postgres::{self, Postgres, RunningPostgres};
use crate::shell::workers::BlockingThreads;
use crate::store::Store;

/// Directory of recordings, frames and packs, for the server's user alone.
const BLOBS_FOLDER: &str = "blobs";

/// An open database with the keys that go with it. Call [`Foundation::close`] when done.
#[derive(Debug)]
pub struct Foundation {
    /// What use cases stand on.
    pub context: Context,
    /// The server's own API key.
    pub api_key: ApiKey,
    /// The data directory's absolute path.
    pub data_dir: PathBuf,
    database: Database,
    _charge: Option<DataDir>,
}

/// Where the database is.
#[derive(Debug)]
enum Database {
    /// Named by the configuration.
    Outside,
    /// Our private one.
    Own(Postgres),
    /// The private one of a server that runs beside this command.
    Beside(RunningPostgres),
}

impl Database {
    fn url<'a>(&'a self, config: &'a Config) -> &'a str {
        match self {
            Self::Outside => config.database_url.as_deref().unwrap_or_default(),
            Self::Own(postgres) => postgres.url(),
            Self::Beside(postgres) => postgres.url(),
        }
    }
}

/// Why a command has nothing to stand on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] data_dir::Error),
    /// The private Postgres.
    #[error(transparent)]
    Postgres(#[from] postgres::Error),
    /// The secrets.
    #[error(transparent)]
    Keys(#[from] keys::Error),
    /// The database.
    #[error(transparent)]
    Store(#[from] Failure),
    /// The place of the blobs.
    #[error("cannot use {path}")]
    Blobs {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: BlobError,
    },
}

/// The blobs of a data directory.
fn blobs(data_dir: &Path) -> Result<Blobs, Error> {
    let path = data_dir.join(BLOBS_FOLDER);
    create_private(&path).map_err(|source| data_dir::Error::Io {
        path: path.clone(),
        source,
    })?;
    Blobs::in_directory(&path).map_err(|source| Error::Blobs { path, source })
}

/// An error and what lies under it, each after a colon.
pub fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl Foundation {
    /// Takes charge of the data directory, as the one server on it.
    pub async fn take(config: &Config) -> Result<Self, Error> {
        let charge = DataDir::take(&config.data_dir)?;
        let database = match &config.database_url {
            Some(_) => Database::Outside,
            None => Database::Own(Postgres::start(
                charge.path(),
                config.database_connections_max,
            )?),
        };
        let path = charge.path().to_path_buf();
        Self::open(config, path, database, Some(charge)).await
    }

    /// Opens the data of a server that may or may not be running.
    pub async fn beside(config: &Config) -> Result<Self, Error> {
        if config.database_url.is_none()
            && let Some(running) = Postgres::running(&config.data_dir)
        {
            let path = config.data_dir.clone();
            return Self::open(config, path, Database::Beside(running), None).await;
        }
        if config.database_url.is_some() {
            let path = config.data_dir.clone();
            return Self::open(config, path, Database::Outside, None).await;
        }
        Self::take(config).await
    }

    async fn open(
        config: &Config,
        data_dir: PathBuf,
        database: Database,
        charge: Option<DataDir>,
    ) -> Result<Self, Error> {
        let keys = keys::load_or_create(&data_dir, &OsEntropy)?;
        let url = database.url(config);
        let store = Store::connect(url, config.database_connections_max).await?;
        store.migrate().await?;
        let mut context = Context::new(
            Arc::new(SystemClock),
            Arc::new(OsEntropy),
            store,
            Arc::new(keys.signing),
            Arc::new(BlockingThreads),
        );
        context.library = Library::at(&data_dir.join("library"), library_bounds(config));
        context.blobs = blobs(&data_dir)?;
        Ok(Self {
            context,
            api_key: keys.api,
            data_dir,
            database,
            _charge: charge,
        })
    }

    /// Ends the connections, and the private Postgres if it is ours.
    pub async fn close(self) {
        self.context.store.close().await;
        match self.database {
            Database::Own(postgres) => {
                // Waiting for a process blocks this thread; at the end there is nothing else to do.
                postgres.stop();
            }
            Database::Outside | Database::Beside(_) => {}
        }
    }
}

fn library_bounds(config: &Config) -> LibraryBounds {
    LibraryBounds {
        upload_bytes_max: u64::from(config.upload_mib_max) << 20,
        library_bytes_max: u64::from(config.library_gib_max) << 30,
        ..LibraryBounds::default()
    }
}
