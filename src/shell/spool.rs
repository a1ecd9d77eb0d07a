//! The spool: a file that keeps what lessons' rooms saw while the database is away.
//!
//! After [`MAGIC`] the file is a row of frames: length of the payload (u32, big-endian), the first
//! eight bytes of the payload's SHA-256, the payload. A payload is a sighting as JSON, or empty,
//! which says that one sighting more has been taken in. So the file is only ever appended to until
//! nothing waits, and then cut to its beginning. A frame that is not whole ends the file: it is
//! what a power cut left of the last write.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use super::data_dir::create_private;
use crate::service::classroom::Sighting;

/// How the file begins.
const MAGIC: &[u8] = b"mingtang spool 1\n";
/// Directory of the spool within the data directory.
const FOLDER: &str = "spool";
/// The spool's file.
const FILE: &str = "sightings";
/// Length and checksum before a payload.
const HEAD_BYTES: usize = 4 + SUM_BYTES;
/// Bytes of a checksum.
const SUM_BYTES: usize = 8;
/// Longest payload; a presence of 4,000 people takes a sixth of it. Longer ones are not kept.
const PAYLOAD_BYTES_MAX: usize = 4 << 20;

/// How much a spool keeps. At either bound nothing more is kept until it has been emptied.
#[derive(Clone, Copy, Debug)]
pub struct SpoolBounds {
    /// Size of the file.
    pub bytes_max: u64,
    /// Time from the first sighting to the last.
    pub span_max: TimeDelta,
}

impl Default for SpoolBounds {
    /// Half a gigabyte (3,000 learners for two hours, or 400 for the whole time) and 12 hours, the
    /// longest lesson.
    fn default() -> Self {
        Self {
            bytes_max: 512 << 20,
            span_max: TimeDelta::hours(12),
        }
    }
}

/// Why a sighting is not kept, or not read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A bound of [`SpoolBounds`] is reached.
    #[error("the spool is full")]
    Full,
    /// A sighting of a version that this one does not know.
    #[error("a kept sighting cannot be read")]
    Unreadable(#[source] serde_json::Error),
    /// The file.
    #[error("cannot use the spool {path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// An open spool; one process has one.
#[derive(Debug)]
pub struct Spool {
    file: File,
    path: PathBuf,
    bounds: SpoolBounds,
    /// Where the next frame goes.
    end: u64,
    /// Where to look for the oldest sighting that waits.
    head: u64,
    waiting: u64,
    since: Option<DateTime<Utc>>,
}

/// One frame of the file.
enum Frame {
    Sighting(Vec<u8>),
    Taken,
}

impl Spool {
    /// Opens the spool of a data directory, with what an earlier process left in it. Also returns
    /// how many bytes at the end were no whole frame and are given up.
    ///
    /// # Errors
    /// When the file cannot be made, read or written.
    pub fn open(data_dir: &Path, bounds: SpoolBounds) -> Result<(Self, u64), Error> {
        let folder = data_dir.join(FOLDER);
        let path = folder.join(FILE);
        let io = |source| Error::Io {
            path: path.clone(),
            source,
        };
        create_private(&folder).map_err(io)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io)?;
        File::open(&folder)
            .and_then(|folder| folder.sync_all())
            .map_err(io)?;
        let mut spool = Self {
            file,
            path: path.clone(),
            bounds,
            end: MAGIC.len() as u64,
            head: MAGIC.len() as u64,
            waiting: 0,
            since: None,
        };
        let torn = spool.read_through().map_err(io)?;
        Ok((spool, torn))
    }

    /// True when nothing is kept and the file has been emptied.
    pub fn is_empty(&self) -> bool {
        self.since.is_none()
    }

    /// Sightings that wait.
    pub fn waiting(&self) -> u64 {
        self.waiting
    }

    /// When the first sighting since the file was empty was seen.
    pub fn since(&self) -> Option<DateTime<Utc>> {
        self.since
    }

    /// Keeps a sighting: when this returns, it outlives a kill and a power cut.
    ///
    /// # Errors
    /// [`Error::Full`] at a bound, [`Error::Io`] when the disk does not take it.
    pub fn keep(&mut self, sighting: &Sighting) -> Result<(), Error> {
        let payload = serde_json::to_vec(sighting).map_err(Error::Unreadable)?;
        let since = self.since.unwrap_or(sighting.at);
        let bytes = self.end + (HEAD_BYTES + payload.len()) as u64;
        let full = payload.len() > PAYLOAD_BYTES_MAX
            || bytes > self.bounds.bytes_max
            || sighting.at - since > self.bounds.span_max;
        if full {
            return Err(Error::Full);
        }
        self.append(&payload)?;
        self.since = Some(since);
        self.waiting += 1;
        Ok(())
    }

    /// The oldest sighting that waits.
    ///
    /// # Errors
    /// [`Error::Unreadable`] for one that only [`Spool::taken`] gets past.
    pub fn oldest(&mut self) -> Result<Option<Sighting>, Error> {
        if self.waiting == 0 {
            return Ok(None);
        }
        loop {
            let mut at = &self.file;
            let sought = at.seek(SeekFrom::Start(self.head));
            let frame = sought.and_then(|_| read_frame(&mut at));
            match frame.map_err(|source| self.io(source))? {
                Some(Frame::Sighting(payload)) => {
                    let read = serde_json::from_slice(&payload);
                    return read.map(Some).map_err(Error::Unreadable);
                }
                Some(Frame::Taken) => self.head += HEAD_BYTES as u64,
                None => return Err(self.io(std::io::ErrorKind::UnexpectedEof.into())),
            }
        }
    }

    /// The oldest sighting is taken in, and does not come again.
    ///
    /// # Errors
    /// When the disk does not take the note.
    pub fn taken(&mut self) -> Result<(), Error> {
        let mut length = [0; 4];
        let read = self.file.read_exact_at(&mut length, self.head);
        read.map_err(|source| self.io(source))?;
        self.append(&[])?;
        self.head += HEAD_BYTES as u64 + u64::from(u32::from_be_bytes(length));
        self.waiting -= 1;
        Ok(())
    }

    /// Empties the file once nothing waits; false when something does.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn clear(&mut self) -> Result<bool, Error> {
        if self.waiting > 0 {
            return Ok(false);
        }
        let start = MAGIC.len() as u64;
        let cut = self.file.set_len(start);
        cut.and_then(|()| self.file.sync_all())
            .map_err(|source| self.io(source))?;
        (self.end, self.head, self.since) = (start, start, None);
        Ok(true)
    }

    /// Adds a frame, whole or not at all.
    fn append(&mut self, payload: &[u8]) -> Result<(), Error> {
        let mut frame = Vec::with_capacity(HEAD_BYTES + payload.len());
        frame.extend_from_slice(&(payload.len() as u32).to_be_bytes());
        frame.extend_from_slice(&checksum(payload));
        frame.extend_from_slice(payload);
        let written = self.file.write_all_at(&frame, self.end);
        if let Err(source) = written.and_then(|()| self.file.sync_data()) {
            // What half of it is there must not stand before the next one.
            let _ = self.file.set_len(self.end);
            return Err(self.io(source));
        }
        self.end += frame.len() as u64;
        Ok(())
    }

    /// Finds out what waits, and cuts off an end that is no frame: returns how long that was.
    fn read_through(&mut self) -> std::io::Result<u64> {
        let mut reader = BufReader::new(&self.file);
        let mut start = [0; MAGIC.len()];
        let length = self.file.metadata()?.len();
        if length < MAGIC.len() as u64 {
            self.file.write_all_at(MAGIC, 0)?;
            self.file.set_len(MAGIC.len() as u64)?;
            self.file.sync_all()?;
            return Ok(0);
        }
        reader.read_exact(&mut start)?;
        if start != MAGIC {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        let mut starts = VecDeque::new();
        while let Some(frame) = read_frame(&mut reader)? {
            match frame {
                Frame::Sighting(payload) => {
                    if self.since.is_none() {
                        let first = serde_json::from_slice::<Sighting>(&payload);
                        self.since = first.ok().map(|first| first.at);
                    }
                    starts.push_back(self.end);
                    self.end += (HEAD_BYTES + payload.len()) as u64;
                }
                Frame::Taken => {
                    starts.pop_front();
                    self.end += HEAD_BYTES as u64;
                }
            }
        }
        self.waiting = starts.len() as u64;
        self.head = starts.front().copied().unwrap_or(self.end);
        if self.waiting > 0 {
            // None of them can be read: whoever takes them gets past them one by one.
            self.since = self.since.or(Some(DateTime::UNIX_EPOCH));
        }
        self.file.set_len(self.end)?;
        self.file.sync_all()?;
        Ok(length - self.end)
    }

    fn io(&self, source: std::io::Error) -> Error {
        Error::Io {
            path: self.path.clone(),
            source,
        }
    }
}

/// The next frame, or nothing where the file ends or holds no whole one.
fn read_frame(reader: &mut impl Read) -> std::io::Result<Option<Frame>> {
    let mut head = [0; HEAD_BYTES];
    if !fill(reader, &mut head)? {
        return Ok(None);
    }
    let (length, sum) = head.split_at(4);
    let length = length
        .iter()
        .fold(0, |all, byte| all << 8 | usize::from(*byte));
    if length > PAYLOAD_BYTES_MAX {
        return Ok(None);
    }
    let mut payload = vec![0; length];
    if !fill(reader, &mut payload)? || checksum(&payload) != sum {
        return Ok(None);
    }
    Ok(Some(match length {
        0 => Frame::Taken,
        _ => Frame::Sighting(payload),
    }))
}

/// Reads as much as is wanted; false when there is less.
fn fill(reader: &mut impl Read, bytes: &mut [u8]) -> std::io::Result<bool> {
    match reader.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn checksum(payload: &[u8]) -> [u8; SUM_BYTES] {
    let digest = Sha256::digest(payload);
    let mut sum = [0; SUM_BYTES];
    sum.copy_from_slice(&digest[..SUM_BYTES]);
    sum
}

#[cfg(test)]
mod tests;
