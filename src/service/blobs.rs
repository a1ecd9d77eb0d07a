//! Where frames, recordings and packs lie: one interface over a directory or an object store.
//! Everything in it is sealed ([`super::sealing`]) and named by what it is.
//!
//! A blob is there whole and on the disk, or not at all: a directory writes under another name,
//! syncs, links the name and syncs the directory. None is ever written over.

use std::sync::Arc;

use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use sha2::{Digest, Sha256};

use super::sealing::{self, SealingKey};
use crate::domain::entropy::Entropy;
use crate::domain::fact::Hash;

/// A place for blobs; clones share it.
#[derive(Clone, Debug)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
}

/// What was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Bytes there, sealed.
    pub bytes: u64,
    /// SHA-256 of them.
    pub sha256: Hash,
}

/// Why a blob was not put, got or deleted.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The place is full.
    #[error("there is no room for another blob")]
    Full(#[source] object_store::Error),
    /// There is none of this name.
    #[error("the blob is not there")]
    Absent,
    /// There is one of this name.
    #[error("a blob of this name is there already")]
    Taken,
    /// It is not what was put there.
    #[error(transparent)]
    Unopened(#[from] sealing::Unopened),
    /// The name has parts that no name may have.
    #[error("this is no name of a blob")]
    Name(#[from] object_store::path::Error),
    /// The place does not work.
    #[error("blobs cannot be used")]
    Io(#[source] object_store::Error),
}

impl Blobs {
    /// The blobs of a directory, which must be there and for this user alone.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn in_directory(directory: &std::path::Path) -> Result<Self, BlobError> {
        let store = LocalFileSystem::new_with_prefix(directory).map_err(BlobError::Io)?;
        let store = store.with_fsync(true);
        Ok(Self {
            store: Arc::new(store),
        })
    }

    /// Blobs that end with the process, for commands that keep none.
    pub fn in_memory() -> Self {
        Self::over(Arc::new(InMemory::new()))
    }

    /// The blobs of any store: another one than a directory is opened in the shell.
    pub fn over(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }

    /// Seals a text and puts it; its name is the associated text, so no blob passes for another.
    ///
    /// # Errors
    /// See [`BlobError`]; [`BlobError::Full`] tells that the disk is.
    pub async fn put_sealed(
        &self,
        name: &str,
        key: &SealingKey,
        plaintext: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Stored, BlobError> {
        let sealed = sealing::seal(key, name.as_bytes(), plaintext, entropy);
        self.put(name, sealed).await
    }

    /// Puts what is sealed already.
    ///
    /// # Errors
    /// See [`BlobError`].
    pub async fn put(&self, name: &str, sealed: Vec<u8>) -> Result<Stored, BlobError> {
        let path = Path::parse(name)?;
        let stored = Stored {
            bytes: sealed.len() as u64,
            sha256: Sha256::digest(&sealed).into(),
        };
        let options = PutOptions::from(PutMode::Create);
        let payload = PutPayload::from(sealed);
        match self.store.put_opts(&path, payload, options).await {
            Ok(_) => Ok(stored),
            Err(error) => Err(said(error)),
        }
    }

    /// Gets a text that [`Self::put_sealed`] put under this name.
    ///
    /// # Errors
    /// See [`BlobError`].
    pub async fn get_opened(&self, name: &str, key: &SealingKey) -> Result<Vec<u8>, BlobError> {
        let sealed = self.get(name).await?;
        Ok(sealing::open(key, name.as_bytes(), sealed)?)
    }

    /// Gets a blob as it lies there.
    ///
    /// # Errors
    /// See [`BlobError`].
    pub async fn get(&self, name: &str) -> Result<Vec<u8>, BlobError> {
        let path = Path::parse(name)?;
        let got = self.store.get(&path).await.map_err(said)?;
        Ok(got.bytes().await.map_err(said)?.into())
    }

    /// Deletes a blob; one that is not there is deleted already.
    ///
    /// # Errors
    /// See [`BlobError`].
    pub async fn delete(&self, name: &str) -> Result<(), BlobError> {
        let path = Path::parse(name)?;
        match self.store.delete(&path).await.map_err(said) {
            Ok(()) | Err(BlobError::Absent) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "the rest is of one kind to us"
)]
fn said(error: object_store::Error) -> BlobError {
    if matches!(error, object_store::Error::NotFound { .. }) {
        BlobError::Absent
    } else if matches!(error, object_store::Error::AlreadyExists { .. }) {
        BlobError::Taken
    } else if is_full(&error) {
        BlobError::Full(error)
    } else {
        BlobError::Io(error)
    }
}

/// Whether a disk without room lies under an error.
fn is_full(error: &object_store::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(found) = cause {
        let kind = found
            .downcast_ref::<std::io::Error>()
            .map(std::io::Error::kind);
        if matches!(
            kind,
            Some(std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
        ) {
            return true;
        }
        cause = found.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Entropy for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(3);
        }
    }

    #[tokio::test]
    async fn a_blob_is_sealed_on_the_disk_and_opens_under_its_own_name_alone() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::in_directory(folder.path()).unwrap();
        let key = SealingKey::new([1; 32]);
        let put = blobs.put_sealed("a/b/1", &key, b"a face", &Fixed).await;
        let stored = put.unwrap();
        let raw = std::fs::read(folder.path().join("a/b/1")).unwrap();
        assert!(!raw.windows(6).any(|part| part == b"a face"));
        assert_eq!(raw.len() as u64, stored.bytes);
        assert_eq!(stored.sha256, <Hash>::from(Sha256::digest(&raw)));
        assert_eq!(blobs.get_opened("a/b/1", &key).await.unwrap(), b"a face");

        std::fs::rename(folder.path().join("a/b/1"), folder.path().join("a/b/2")).unwrap();
        let moved = blobs.get_opened("a/b/2", &key).await;
        assert!(matches!(moved, Err(BlobError::Unopened(_))));
        let gone = blobs.get_opened("a/b/1", &key).await;
        assert!(matches!(gone, Err(BlobError::Absent)));
    }

    #[tokio::test]
    async fn a_blob_is_never_written_over_and_may_be_deleted_twice() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::in_directory(folder.path()).unwrap();
        let key = SealingKey::new([1; 32]);
        blobs
            .put_sealed("one", &key, b"first", &Fixed)
            .await
            .unwrap();
        let second = blobs.put_sealed("one", &key, b"second", &Fixed).await;
        assert!(matches!(second, Err(BlobError::Taken)));
        assert_eq!(blobs.get_opened("one", &key).await.unwrap(), b"first");
        blobs.delete("one").await.unwrap();
        blobs.delete("one").await.unwrap();
        assert!(matches!(blobs.get("one").await, Err(BlobError::Absent)));
    }

    #[tokio::test]
    async fn a_name_leads_out_of_the_directory_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::in_directory(folder.path()).unwrap();
        for name in ["../out", "/etc/passwd/../x", "a//b"] {
            let refused = blobs.put(name, vec![1]).await;
            assert!(matches!(refused, Err(BlobError::Name(_))), "{name}");
        }
    }

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        let error = |kind| object_store::Error::Generic {
            store: "test",
            source: Box::new(std::io::Error::from(kind)),
        };
        let full = said(error(std::io::ErrorKind::StorageFull));
        assert!(matches!(full, BlobError::Full(_)));
        let broken = said(error(std::io::ErrorKind::PermissionDenied));
        assert!(matches!(broken, BlobError::Io(_)));
    }
}
