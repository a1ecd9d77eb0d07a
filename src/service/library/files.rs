//! Files of the library: written for this user alone, and on the disk before anybody is told.

use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tokio::fs;
use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;

use crate::service::{Context, Failure};

/// Bytes that are read at once while a file is hashed.
const READ_BYTES: usize = 256 * 1024;

/// A file that grows at its end.
#[derive(Debug)]
pub(super) struct Growing {
    file: fs::File,
}

impl Growing {
    /// Opens, or makes, a file and cuts off what is beyond `length`: bytes that nobody was told of.
    /// Fails when the file is shorter.
    pub(super) async fn open(path: &Path, length: u64) -> Result<Self, Failure> {
        let failed = |source| Failure::new("open the file of an upload", source);
        if let Some(folder) = path.parent() {
            make_folder(folder).await?;
        }
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(path).await.map_err(failed)?;
        if file.metadata().await.map_err(failed)?.len() < length {
            let message = "it is shorter than what was acknowledged";
            return Err(Failure::new("open the file of an upload", message));
        }
        file.set_len(length).await.map_err(failed)?;
        let end = std::io::SeekFrom::Start(length);
        tokio::io::AsyncSeekExt::seek(&mut file, end)
            .await
            .map_err(failed)?;
        Ok(Self { file })
    }

    /// Adds bytes.
    pub(super) async fn add(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = self.file.write_all(bytes).await;
        written.map_err(|source| Failure::new("write to an upload", source))
    }

    /// Returns when everything added is on the disk.
    pub(super) async fn sync(&mut self) -> Result<(), Failure> {
        let failed = |source| Failure::new("put an upload on the disk", source);
        self.file.flush().await.map_err(failed)?;
        self.file.sync_data().await.map_err(failed)
    }
}

/// Makes a folder, and those above it, for this user alone, lasting.
pub(super) async fn make_folder(folder: &Path) -> Result<(), Failure> {
    let failed = |source| Failure::new("make a folder of the library", source);
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(folder).await.map_err(failed)?;
    if let Some(above) = folder.parent() {
        let opened = fs::File::open(above).await.map_err(failed)?;
        opened.sync_all().await.map_err(failed)?;
    }
    Ok(())
}

/// Removes a file or a folder with all that is in it; it may be gone already.
pub(super) async fn remove(path: &Path) -> Result<(), Failure> {
    let removed = match fs::metadata(path).await {
        Ok(known) if known.is_dir() => fs::remove_dir_all(path).await,
        Ok(_) => fs::remove_file(path).await,
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::new("remove a file of the library", error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The names in a folder; none when there is no such folder.
pub(super) async fn names(folder: &Path) -> Result<Vec<String>, Failure> {
    let failed = |source| Failure::new("read a folder of the library", source);
    let mut entries = match fs::read_dir(folder).await {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    while let Some(entry) = entries.next_entry().await.map_err(failed)? {
        names.extend(entry.file_name().into_string());
    }
    Ok(names)
}

/// SHA-256 of a file, hexadecimal, computed off the tasks' threads.
pub(super) async fn digest(context: &Context, path: PathBuf) -> Result<String, Failure> {
    let (sender, receiver) = oneshot::channel();
    context.workers.run(Box::new(move || {
        // Who asked may be gone.
        let _ = sender.send(hashed(&path));
    }));
    let hashed = receiver.await;
    let hashed = hashed.map_err(|source| Failure::new("hear from a hashing thread", source))?;
    hashed.map_err(|source| Failure::new("read an upload", source))
}

fn hashed(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(format!("{:x}", hasher.finalize()));
        }
        hasher.update(&buffer[..count]);
    }
}
