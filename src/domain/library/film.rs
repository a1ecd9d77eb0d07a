//! A film that staff bring: uploading → uploaded → queued → importing → ready, or refused.
//!
//! How much has come and how far an import is are no facts: the state keeps them, so that a
//! thousand pieces of a large file are not a thousand facts.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::bounds::LibraryBounds;
use super::cut::Cut;
use crate::domain::id::{AccountId, FilmId, UnitId};
use crate::domain::refusal::{Refusal, RefusalKind};

/// Longest title, characters.
pub const TITLE_CHARS_MAX: usize = 100;

/// A film as its facts left it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Film {
    id: FilmId,
    unit: UnitId,
    owner: AccountId,
    title: String,
    length: u64,
    state: FilmState,
}

/// Where a film stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum FilmState {
    /// Its file is coming.
    Uploading {
        /// Bytes that are on the disk.
        received: u64,
        /// Given up at this moment, unless more comes.
        expires_at: DateTime<Utc>,
    },
    /// The file is whole and waits for a server that can import it.
    Uploaded {
        /// Digest of the file, hexadecimal.
        sha256: String,
    },
    /// It waits for its turn.
    Queued {
        /// Digest of the file.
        sha256: String,
        /// Imports that the server's end broke off.
        attempts: u32,
    },
    /// It is being cut.
    Importing {
        /// Digest of the file.
        sha256: String,
        /// Imports that the server's end broke off.
        attempts: u32,
        /// 0 to 99.
        percent: u8,
    },
    /// It can be played.
    Ready {
        /// Digest of the file that came.
        sha256: String,
        /// What was made of it.
        cut: Cut,
    },
    /// It cannot be imported.
    Refused {
        /// Why.
        reason: Unfit,
    },
    /// It is gone.
    Removed,
}

/// Why a file is not taken; the web app has the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unfit {
    /// Neither picture nor sound was found in it.
    NotMedia,
    /// Longer than a film may be.
    TooLong,
    /// Too short to be one.
    TooShort,
    /// The picture is too large or absurdly small.
    Dimensions,
    /// Its import took more of the processor than it may.
    TooCostly,
    /// It broke off or cannot be decoded.
    Broken,
    /// The server died several times while it was imported.
    Crashed,
}

/// What somebody or something asks of a film.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilmCommand {
    /// All bytes are on the disk and have this digest.
    Complete {
        /// Digest of the file, hexadecimal.
        sha256: String,
    },
    /// Nothing came for too long.
    Expire,
    /// There is a server that can import it.
    Queue,
    /// It is its turn.
    Begin,
    /// The server's end broke the import off.
    Interrupt {
        /// The server died, maybe of this film.
        died: bool,
    },
    /// All of it is stored.
    Finish(Cut),
    /// It cannot be imported.
    Refuse(Unfit),
    /// Another title.
    Rename(String),
    /// Take it away.
    Remove,
}

/// A fact with whoever brought it about; nobody when it was the server itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedFilmFact {
    /// Who.
    pub by: Option<AccountId>,
    /// What.
    #[serde(flatten)]
    pub fact: FilmFact,
}

/// What happened to a film.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum FilmFact {
    /// Somebody began to bring it.
    FilmAnnounced {
        /// Its id.
        film: FilmId,
        /// Whose.
        unit: UnitId,
        /// Who brings it.
        owner: AccountId,
        /// Its title.
        title: String,
        /// Bytes of the file.
        length: u64,
        /// Given up at this moment, unless more comes.
        expires_at: DateTime<Utc>,
    },
    /// The file is whole.
    UploadCompleted {
        /// Its digest.
        sha256: String,
    },
    /// Nothing came for too long.
    UploadExpired,
    /// It waits for its turn.
    ImportQueued,
    /// Its import began.
    ImportStarted,
    /// The server's end broke it off.
    ImportInterrupted {
        /// The server died, maybe of this film.
        died: bool,
    },
    /// It can be played.
    ImportFinished {
        /// What was made of it.
        cut: Cut,
    },
    /// It cannot be imported.
    FilmRefused {
        /// Why.
        reason: Unfit,
    },
    /// Another title.
    FilmRenamed {
        /// The new one.
        title: String,
    },
    /// It was taken away.
    FilmRemoved,
}

/// A film to bring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFilm {
    /// Its id.
    pub id: FilmId,
    /// Whose.
    pub unit: UnitId,
    /// Who brings it.
    pub owner: AccountId,
    /// 1 to 100 characters.
    pub title: String,
    /// Bytes of the file.
    pub length: u64,
}

/// What is there already, for the decision whether more is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Unfinished uploads of the same person.
    pub open_uploads: u32,
    /// Bytes of all films and of what unfinished uploads will be.
    pub bytes: u64,
}

impl Film {
    /// The first fact of a film. Refuses with `film.title`, `upload.length`, `upload.too_many` or
    /// `upload.library_full`.
    pub fn announce(
        new: NewFilm,
        held: Held,
        bounds: &LibraryBounds,
        now: DateTime<Utc>,
    ) -> Result<FilmFact, Refusal> {
        if new.length == 0 || new.length > bounds.upload_bytes_max {
            return Err(wrong_length(bounds));
        }
        if held.open_uploads >= bounds.open_uploads_max {
            return Err(too_many(bounds));
        }
        if held.bytes.saturating_add(new.length) > bounds.library_bytes_max {
            return Err(full());
        }
        Ok(FilmFact::FilmAnnounced {
            film: new.id,
            unit: new.unit,
            owner: new.owner,
            title: checked_title(&new.title)?,
            length: new.length,
            expires_at: expiry(bounds, now),
        })
    }

    /// The film that a first fact makes; `None` of any other fact.
    pub fn from_first(first: &FilmFact) -> Option<Self> {
        let FilmFact::FilmAnnounced {
            film,
            unit,
            owner,
            title,
            length,
            expires_at,
        } = first
        else {
            return None;
        };
        Some(Self {
            id: *film,
            unit: *unit,
            owner: *owner,
            title: title.clone(),
            length: *length,
            state: FilmState::Uploading {
                received: 0,
                expires_at: *expires_at,
            },
        })
    }

    /// What a command brings about. Refuses with `film.title` or `film.state`.
    pub fn decide(
        &self,
        command: &FilmCommand,
        bounds: &LibraryBounds,
        now: DateTime<Utc>,
    ) -> Result<Vec<FilmFact>, Refusal> {
        let fact = match (command, &self.state) {
            (FilmCommand::Complete { sha256 }, FilmState::Uploading { .. }) => {
                FilmFact::UploadCompleted {
                    sha256: sha256.clone(),
                }
            }
            (FilmCommand::Expire, FilmState::Uploading { expires_at, .. }) => {
                if now < *expires_at {
                    return Ok(Vec::new());
                }
                FilmFact::UploadExpired
            }
            (FilmCommand::Queue, FilmState::Uploaded { .. }) => FilmFact::ImportQueued,
            (FilmCommand::Begin, FilmState::Queued { .. }) => FilmFact::ImportStarted,
            (FilmCommand::Interrupt { died }, FilmState::Importing { attempts, .. }) => {
                if *died && attempts + 1 >= bounds.attempts_max {
                    FilmFact::FilmRefused {
                        reason: Unfit::Crashed,
                    }
                } else {
                    FilmFact::ImportInterrupted { died: *died }
                }
            }
            (FilmCommand::Finish(cut), FilmState::Importing { .. }) => {
                FilmFact::ImportFinished { cut: cut.clone() }
            }
            (FilmCommand::Refuse(reason), FilmState::Importing { .. }) => {
                FilmFact::FilmRefused { reason: *reason }
            }
            (FilmCommand::Remove, FilmState::Removed) => return Ok(Vec::new()),
            (FilmCommand::Remove, _) => FilmFact::FilmRemoved,
            (FilmCommand::Rename(title), state) if *state != FilmState::Removed => {
                FilmFact::FilmRenamed {
                    title: checked_title(title)?,
                }
            }
            (_, state) => return Err(wrong_state(state)),
        };
        Ok(vec![fact])
    }

    /// Takes a fact in. A first fact changes nothing here: see [`Film::from_first`].
    pub fn apply(&mut self, fact: &FilmFact) {
        let (sha256, attempts) = self.file();
        self.state = match fact {
            FilmFact::FilmAnnounced { .. } => return,
            FilmFact::FilmRenamed { title } => {
                self.title = title.clone();
                return;
            }
            FilmFact::UploadCompleted { sha256 } => FilmState::Uploaded {
                sha256: sha256.clone(),
            },
            FilmFact::UploadExpired | FilmFact::FilmRemoved => FilmState::Removed,
            FilmFact::ImportQueued => FilmState::Queued { sha256, attempts },
            FilmFact::ImportStarted => FilmState::Importing {
                sha256,
                attempts,
                percent: 0,
            },
            FilmFact::ImportInterrupted { died } => FilmState::Queued {
                sha256,
                attempts: attempts + u32::from(*died),
            },
            FilmFact::ImportFinished { cut } => FilmState::Ready {
                sha256,
                cut: cut.clone(),
            },
            FilmFact::FilmRefused { reason } => FilmState::Refused { reason: *reason },
        };
    }

    /// Takes in that so much is on the disk.
    pub fn receive(&mut self, received: u64, bounds: &LibraryBounds, now: DateTime<Utc>) {
        if let FilmState::Uploading {
            received: known,
            expires_at,
        } = &mut self.state
        {
            *known = received.min(self.length);
            *expires_at = expiry(bounds, now);
        }
    }

    /// Takes in how far its import is.
    pub fn advance(&mut self, done: u8) {
        if let FilmState::Importing { percent, .. } = &mut self.state {
            *percent = done.min(99).max(*percent);
        }
    }

    /// When it wants to be looked at.
    pub fn next_deadline(&self) -> Option<DateTime<Utc>> {
        match self.state {
            FilmState::Uploading { expires_at, .. } => Some(expires_at),
            FilmState::Uploaded { .. }
            | FilmState::Queued { .. }
            | FilmState::Importing { .. }
            | FilmState::Ready { .. }
            | FilmState::Refused { .. }
            | FilmState::Removed => None,
        }
    }

    /// Its id.
    pub fn id(&self) -> FilmId {
        self.id
    }

    /// Whose.
    pub fn unit(&self) -> UnitId {
        self.unit
    }

    /// Who brought it.
    pub fn owner(&self) -> AccountId {
        self.owner
    }

    /// Its title.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Bytes of the file.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Where it stands.
    pub fn state(&self) -> &FilmState {
        &self.state
    }

    /// Bytes that have come, and when it is given up; of an upload that is not finished.
    pub fn upload(&self) -> Option<(u64, DateTime<Utc>)> {
        match self.state {
            FilmState::Uploading {
                received,
                expires_at,
            } => Some((received, expires_at)),
            FilmState::Uploaded { .. }
            | FilmState::Queued { .. }
            | FilmState::Importing { .. }
            | FilmState::Ready { .. }
            | FilmState::Refused { .. }
            | FilmState::Removed => None,
        }
    }

    /// What can be played of it.
    pub fn cut(&self) -> Option<&Cut> {
        match &self.state {
            FilmState::Ready { cut, .. } => Some(cut),
            FilmState::Uploading { .. }
            | FilmState::Uploaded { .. }
            | FilmState::Queued { .. }
            | FilmState::Importing { .. }
            | FilmState::Refused { .. }
            | FilmState::Removed => None,
        }
    }

    /// Bytes that it takes or will take; the file goes when the cut is there.
    pub fn bytes(&self) -> u64 {
        match &self.state {
            FilmState::Ready { cut, .. } => cut.bytes,
            FilmState::Refused { .. } | FilmState::Removed => 0,
            FilmState::Uploading { .. }
            | FilmState::Uploaded { .. }
            | FilmState::Queued { .. }
            | FilmState::Importing { .. } => self.length,
        }
    }

    fn file(&self) -> (String, u32) {
        match &self.state {
            FilmState::Queued { sha256, attempts }
            | FilmState::Importing {
                sha256, attempts, ..
            } => (sha256.clone(), *attempts),
            FilmState::Uploaded { sha256 } | FilmState::Ready { sha256, .. } => (sha256.clone(), 0),
            FilmState::Uploading { .. } | FilmState::Refused { .. } | FilmState::Removed => {
                (String::new(), 0)
            }
        }
    }
}

impl FilmState {
    /// The name stored and sent.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Uploading { .. } => "uploading",
            Self::Uploaded { .. } => "uploaded",
            Self::Queued { .. } => "queued",
            Self::Importing { .. } => "importing",
            Self::Ready { .. } => "ready",
            Self::Refused { .. } => "refused",
            Self::Removed => "removed",
        }
    }
}

/// A title without surrounding blanks.
pub fn checked_title(title: &str) -> Result<String, Refusal> {
    let title = title.trim();
    let legal = !title.chars().any(char::is_control);
    if legal && (1..=TITLE_CHARS_MAX).contains(&title.chars().count()) {
        return Ok(title.to_owned());
    }
    Err(Refusal::new(
        RefusalKind::Invalid,
        "film.title",
        "名称应为 1 至 100 个字。",
        "A title has 1 to 100 characters.",
    ))
}

fn expiry(bounds: &LibraryBounds, now: DateTime<Utc>) -> DateTime<Utc> {
    now + TimeDelta::seconds(i64::from(bounds.unfinished_s))
}

/// A file of no bytes, or of more than are taken.
pub fn wrong_length(bounds: &LibraryBounds) -> Refusal {
    let mebibytes = bounds.upload_bytes_max >> 20;
    Refusal {
        kind: RefusalKind::Invalid,
        code: "upload.length",
        zh: format!("视频文件不能为空，也不能超过 {mebibytes} MiB。请压缩后再上传。"),
        en: format!("A file has at least 1 byte and at most {mebibytes} MiB. Compress it first."),
    }
}

fn too_many(bounds: &LibraryBounds) -> Refusal {
    let most = bounds.open_uploads_max;
    Refusal {
        kind: RefusalKind::Limited,
        code: "upload.too_many",
        zh: format!("您有 {most} 个上传尚未完成，请先继续或取消它们。"),
        en: format!("You have {most} unfinished uploads. Go on with them or cancel them first."),
    }
}

fn full() -> Refusal {
    Refusal::new(
        RefusalKind::Limited,
        "upload.library_full",
        "课件库空间不足，请删除不用的视频，或请管理员扩大空间。",
        "The library is full. Remove films that nobody needs, or ask an administrator for space.",
    )
}

fn wrong_state(found: &FilmState) -> Refusal {
    let name = found.name();
    Refusal {
        kind: RefusalKind::Conflict,
        code: "film.state",
        zh: format!("视频当前状态（{name}）不允许此操作，请刷新后再试。"),
        en: format!("The film is {name}, which does not allow this. Reload and try again."),
    }
}

#[cfg(test)]
mod tests;
