//! The server's secrets as files in `keys/` of the data directory: made once, never written over.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::entropy::Entropy;
use crate::service::Keys;
use crate::service::keys::SECRET_BYTES;
use crate::shell::data_dir::{create_private, write_private};

/// Directory of the secrets, for the server's user alone.
pub const FOLDER: &str = "keys";
/// HMAC key of access tokens.
const ACCESS_TOKEN_FILE: &str = "access-token.key";
/// Ed25519 seed that signs the ledger's checkpoints.
const LEDGER_FILE: &str = "ledger.key";
/// The key that seals recordings, frames and templates; without it they cannot be opened.
const SEALING_FILE: &str = "sealing.key";
/// The API key with which the server mints media tokens for its own pages.
const API_FILE: &str = "api.key";
/// Length of a generated API key's name after its prefix, bytes of chance.
const API_NAME_BYTES: usize = 9;

/// All secrets of a server.
#[derive(Debug)]
pub struct ServerKeys {
    /// Signing keys of the use cases.
    pub signing: Keys,
    /// The server's own API key.
    pub api: ApiKey,
}

/// A LiveKit API key.
#[derive(Clone)]
pub struct ApiKey {
    /// Its public name.
    pub name: String,
    /// Its secret.
    pub secret: String,
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

/// Why the secrets cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not what we once wrote.
    #[error("{path} is damaged: restore it from a backup")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Others may read it.
    #[error("{path} may be read by other users: chmod 600 {path}")]
    Open {
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

/// Reads the secrets of a data directory; makes those that are missing.
pub fn load_or_create(data_dir: &Path, entropy: &dyn Entropy) -> Result<ServerKeys, Error> {
    let folder = data_dir.join(FOLDER);
    create_private(&folder).map_err(|source| Error::Io {
        path: folder.clone(),
        source,
    })?;
    let access_token = secret(&folder.join(ACCESS_TOKEN_FILE), entropy)?;
    let ledger = secret(&folder.join(LEDGER_FILE), entropy)?;
    let sealing = secret(&folder.join(SEALING_FILE), entropy)?;
    let api = api_key(&folder.join(API_FILE), entropy)?;
    Ok(ServerKeys {
        signing: Keys::new(access_token, ledger, sealing),
        api,
    })
}

fn secret(path: &Path, entropy: &dyn Entropy) -> Result<[u8; SECRET_BYTES], Error> {
    let made = || URL_SAFE_NO_PAD.encode(Keys::secret(entropy));
    let text = read_or_create(path, made)?;
    let bytes = URL_SAFE_NO_PAD.decode(text.trim()).ok();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| Error::Damaged {
            path: path.to_path_buf(),
        })
}

fn api_key(path: &Path, entropy: &dyn Entropy) -> Result<ApiKey, Error> {
    let made = || {
        let mut name = [0; API_NAME_BYTES];
        entropy.fill(&mut name);
        let secret = Keys::secret(entropy);
        format!(
            "MT{}={}",
            URL_SAFE_NO_PAD.encode(name),
            URL_SAFE_NO_PAD.encode(secret)
        )
    };
    let text = read_or_create(path, made)?;
    match text.trim().split_once('=') {
        Some((name, secret)) if !name.is_empty() && !secret.is_empty() => Ok(ApiKey {
            name: name.to_owned(),
            secret: secret.to_owned(),
        }),
        Some(_) | None => Err(Error::Damaged {
            path: path.to_path_buf(),
        }),
    }
}

fn read_or_create(path: &Path, made: impl FnOnce() -> String) -> Result<String, Error> {
    let io = |source| Error::Io {
        path: path.to_path_buf(),
        source,
    };
    match std::fs::metadata(path) {
        Ok(found) if found.permissions().mode() & 0o077 != 0 => Err(Error::Open {
            path: path.to_path_buf(),
        }),
        Ok(_) => std::fs::read_to_string(path).map_err(io),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let text = made();
            write_private(path, format!("{text}\n").as_bytes()).map_err(io)?;
            Ok(text)
        }
        Err(error) => Err(io(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::entropy::OsEntropy;

    fn load(folder: &Path) -> Result<ServerKeys, Error> {
        load_or_create(folder, &OsEntropy)
    }

    #[test]
    fn keys_are_made_once_and_stay() {
        let folder = tempfile::tempdir().expect("a directory");
        let (first, second) = (load(folder.path()), load(folder.path()));
        let (first, second) = (first.expect("made"), second.expect("read"));
        assert_eq!(
            first.signing.ledger_public(),
            second.signing.ledger_public()
        );
        assert_eq!(first.signing.access_token(), second.signing.access_token());
        assert_eq!(first.api.secret, second.api.secret);
        let mode = |name: &str| {
            let path = folder.path().join(name);
            std::fs::metadata(path)
                .expect("it is there")
                .permissions()
                .mode()
                & 0o777
        };
        assert_eq!((mode("keys"), mode("keys/ledger.key")), (0o700, 0o600));
    }

    #[test]
    fn a_damaged_key_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().expect("a directory");
        load(folder.path()).expect("made");
        let path = folder.path().join("keys/ledger.key");
        std::fs::write(&path, "short").expect("written");
        assert!(matches!(load(folder.path()), Err(Error::Damaged { .. })));
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "short");
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().expect("a directory");
        load(folder.path()).expect("made");
        let path = folder.path().join("keys/api.key");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).expect("changed");
        assert!(matches!(load(folder.path()), Err(Error::Open { .. })));
    }
}
