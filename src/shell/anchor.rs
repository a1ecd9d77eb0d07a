//! The ledger's anchor: which checkpoint is the newest, in a file outside of the database.
//!
//! Whoever has the database can cut off the end of the ledger, checkpoints and all, and nothing in
//! what is left tells. This file does, so it is never set back: when the ledger has not the
//! checkpoint that it names, it stays until a person has looked.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::domain::fact::checkpoint::Anchor;
use crate::service::{self, Context, ledger};
use crate::shell::data_dir::write_private;
use crate::shell::foundation::whole;
use crate::shell::keys;

/// The anchor's file, beside the keys.
const FILE: &str = "ledger.anchor";
/// Between two checkpoints while streams grow: facts older than this, and a little for the signing,
/// cannot be written anew unnoticed.
pub const SIGN_PAUSE: Duration = Duration::from_secs(10);

/// Why the newest checkpoint is not signed or not anchored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error(transparent)]
    Service(#[from] service::Error),
    /// The ledger is not the one that was signed last.
    #[error(
        "the ledger has not checkpoint {number}, which {path} names: look at it with \
         `mingtang ledger verify`, and remove the file once you know why"
    )]
    OtherLedger {
        /// Of the anchor.
        number: u64,
        /// The file.
        path: PathBuf,
    },
    /// The file is not what we once wrote.
    #[error("{path} is damaged: restore it from a backup")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read or written.
    #[error("cannot use {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// The anchor of a data directory.
#[derive(Clone, Debug)]
pub struct AnchorFile {
    path: PathBuf,
}

impl AnchorFile {
    /// The one of this data directory.
    pub fn of(data_dir: &Path) -> Self {
        Self {
            path: data_dir.join(keys::FOLDER).join(FILE),
        }
    }

    /// What it names; nothing before the first checkpoint.
    ///
    /// # Errors
    /// When it is damaged or cannot be read.
    pub fn read(&self) -> Result<Option<Anchor>, Error> {
        match std::fs::read_to_string(&self.path) {
            Ok(text) => text.parse().map(Some).map_err(|_| Error::Damaged {
                path: self.path.clone(),
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(self.io(source)),
        }
    }

    /// Signs where the ledger stands and anchors it.
    ///
    /// # Errors
    /// When the database is away, when it is not the ledger that was anchored, or when the file
    /// cannot be written.
    pub async fn sign(&self, context: &Context) -> Result<(), Error> {
        let newest = ledger::checkpoint(context).await?;
        let known = self.read()?.unwrap_or_default();
        if known == newest {
            return Ok(());
        }
        if !ledger::holds(context, &known).await? {
            return Err(Error::OtherLedger {
                number: known.number,
                path: self.path.clone(),
            });
        }
        write_private(&self.path, format!("{newest}\n").as_bytes())
            .map_err(|source| self.io(source))
    }

    /// Signs and anchors for ever.
    pub async fn keep_signing(self, context: Context) {
        loop {
            if let Err(error) = self.sign(&context).await {
                let error = whole(&error);
                tracing::error!(
                    error,
                    "the ledger's newest facts are not signed and anchored"
                );
            }
            tokio::time::sleep(SIGN_PAUSE).await;
        }
    }

    fn io(&self, source: std::io::Error) -> Error {
        Error::Io {
            path: self.path.clone(),
            source,
        }
    }
}
