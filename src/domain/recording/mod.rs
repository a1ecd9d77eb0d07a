//! The recording of a room's session: when it runs, what its ledger says, and what is owed of it.
//!
//! Each track that is published while it runs gets a chain of entries ([`chain`]): every live
//! second is in a segment, in a gap with its cause, or in an open incident.

pub mod chain;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::id::{AccountId, LessonId, RecordedTrackId, RecordingId, UnitId};
use super::refusal::{Refusal, RefusalKind};
use chain::Head;

/// Longest segment: what a crash may cost at most.
pub const SEGMENT_MAX: TimeDelta = TimeDelta::seconds(10);

/// Tracks of one recording; a further one is an incident ([`IncidentKind::TooManyTracks`]).
pub const TRACKS_MAX: usize = 1_000;

/// The heads of the chains go into the ledger this often.
pub const MARK_EVERY: TimeDelta = TimeDelta::seconds(60);

/// How long what is recorded may stay unwritten: a longest segment, and time to write it.
pub const LAG_MAX: TimeDelta = TimeDelta::seconds(30);

/// Longest reason of a pause, characters.
const REASON_CHARS_MAX: usize = 200;

/// A recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    id: RecordingId,
    lesson: LessonId,
    unit: UnitId,
    started_at: DateTime<Utc>,
    state: RecordingState,
    pauses: Vec<Pause>,
    incidents: Vec<Incident>,
}

/// Where a recording stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "phase")]
pub enum RecordingState {
    /// It records.
    Running,
    /// Staff paused it.
    Paused {
        /// Since when.
        since: DateTime<Utc>,
    },
    /// It is over, and the recorder writes what it still has.
    Ending {
        /// When it was ended.
        at: DateTime<Utc>,
        /// Why.
        cause: EndCause,
    },
    /// Everything is written.
    Ended {
        /// When it was ended.
        at: DateTime<Utc>,
        /// Why.
        cause: EndCause,
    },
}

/// Why a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    /// Staff ended it.
    Stopped,
    /// What it recorded was over.
    SessionOver,
}

/// A pause, for the list of gaps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// From when.
    pub from: DateTime<Utc>,
    /// Until when, once it is over.
    pub to: Option<DateTime<Utc>>,
    /// What staff said.
    pub reason: String,
}

/// What goes wrong with a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentKind {
    /// No room on the disk.
    StorageFull,
    /// The disk does not work.
    StorageFailed,
    /// The recorder does not keep up.
    Overload,
    /// Beyond [`TRACKS_MAX`].
    TooManyTracks,
    /// The server was not running.
    RecorderRestarted,
}

/// Something that went wrong, from when until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// What.
    pub incident: IncidentKind,
    /// From when.
    pub from: DateTime<Utc>,
    /// Until when, once it is over.
    pub to: Option<DateTime<Utc>>,
}

/// Incidents of one recording that are kept; the ledger has all.
const INCIDENTS_MAX: usize = 1_000;

/// What somebody or something asks of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordingCommand {
    /// Staff pauses it.
    Pause {
        /// Why.
        reason: String,
    },
    /// Staff goes on.
    Resume,
    /// Staff ends it.
    Stop,
    /// What it records is over.
    SessionOver,
    /// Everything is written.
    Written,
    /// Something goes wrong.
    Trouble(IncidentKind),
    /// It goes right again.
    Relief(IncidentKind),
    /// The server is back.
    RecorderReturned {
        /// The last moment that anything was written of.
        since: DateTime<Utc>,
    },
}

/// Where the chain of a track stands, for the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Which.
    pub track: RecordedTrackId,
    /// How many entries it has.
    pub entries: u64,
    /// Hash of the last, hexadecimal.
    pub head: String,
}

/// A fact with whoever brought it about; nobody when it was the server itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedRecordingFact {
    /// Who.
    pub by: Option<AccountId>,
    /// What.
    #[serde(flatten)]
    pub fact: RecordingFact,
}

/// What happened to a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum RecordingFact {
    /// Begun.
    RecordingStarted {
        /// Its id.
        recording: RecordingId,
        /// Of what.
        lesson: LessonId,
        /// Whose.
        unit: UnitId,
        /// Commitment to the key that seals it, hexadecimal.
        key: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// Staff paused it.
    RecordingPaused {
        /// When.
        at: DateTime<Utc>,
        /// Why.
        reason: String,
    },
    /// It goes on.
    RecordingResumed {
        /// When.
        at: DateTime<Utc>,
    },
    /// It is over.
    RecordingStopped {
        /// When.
        at: DateTime<Utc>,
        /// Why.
        cause: EndCause,
    },
    /// Everything is written; marks of all chains went before.
    RecordingEnded {
        /// When.
        at: DateTime<Utc>,
    },
    /// A track is recorded from now on.
    TrackOpened {
        /// Its id.
        track: RecordedTrackId,
        /// Whose: the identity in the room.
        identity: String,
        /// What it shows.
        source: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// Where the chains stand.
    HeadsMarked {
        /// When.
        at: DateTime<Utc>,
        /// Those that grew since they were marked last.
        heads: Vec<Mark>,
    },
    /// Something goes wrong.
    IncidentBegan {
        /// What.
        incident: IncidentKind,
        /// When.
        at: DateTime<Utc>,
    },
    /// It goes right again.
    IncidentEnded {
        /// What.
        incident: IncidentKind,
        /// When.
        at: DateTime<Utc>,
    },
}

impl Recording {
    /// The first fact of a recording.
    pub fn start(
        recording: RecordingId,
        lesson: LessonId,
        unit: UnitId,
        key: String,
        now: DateTime<Utc>,
    ) -> RecordingFact {
        RecordingFact::RecordingStarted {
            recording,
            lesson,
            unit,
            key,
            at: now,
        }
    }

    /// The recording that a first fact makes; `None` for any other fact.
    pub fn from_first(fact: &RecordingFact) -> Option<Self> {
        let RecordingFact::RecordingStarted {
            recording,
            lesson,
            unit,
            at,
            ..
        } = fact
        else {
            return None;
        };
        Some(Self {
            id: *recording,
            lesson: *lesson,
            unit: *unit,
            started_at: *at,
            state: RecordingState::Running,
            pauses: Vec::new(),
            incidents: Vec::new(),
        })
    }

    /// What a command does now. Refuses with `recording.over`, `recording.not_running`,
    /// `recording.not_paused` or `recording.reason`.
    ///
    /// # Errors
    /// The refusal.
    pub fn decide(
        &self,
        command: &RecordingCommand,
        now: DateTime<Utc>,
    ) -> Result<Vec<RecordingFact>, Refusal> {
        match command {
            RecordingCommand::Pause { reason } => self.pause(reason, now).map(|fact| vec![fact]),
            RecordingCommand::Resume => self.resume(now).map(|fact| vec![fact]),
            RecordingCommand::Stop => self.stop(EndCause::Stopped, now),
            RecordingCommand::SessionOver if self.is_over() => Ok(Vec::new()),
            RecordingCommand::SessionOver => self.stop(EndCause::SessionOver, now),
            RecordingCommand::Written => Ok(match self.state {
                RecordingState::Ending { .. } => vec![RecordingFact::RecordingEnded { at: now }],
                RecordingState::Running
                | RecordingState::Paused { .. }
                | RecordingState::Ended { .. } => Vec::new(),
            }),
            RecordingCommand::Trouble(incident) => {
                let (incident, at) = (*incident, now);
                let begins = !self.has_open(incident) && !self.is_ended();
                let began = begins.then_some(RecordingFact::IncidentBegan { incident, at });
                Ok(began.into_iter().collect())
            }
            RecordingCommand::Relief(incident) => {
                let (incident, at) = (*incident, now);
                let ends = self.has_open(incident);
                let ended = ends.then_some(RecordingFact::IncidentEnded { incident, at });
                Ok(ended.into_iter().collect())
            }
            RecordingCommand::RecorderReturned { since } => {
                let incident = IncidentKind::RecorderRestarted;
                let began = RecordingFact::IncidentBegan {
                    incident,
                    at: *since,
                };
                let ended = RecordingFact::IncidentEnded { incident, at: now };
                Ok(vec![began, ended])
            }
        }
    }

    /// Takes a fact in.
    pub fn apply(&mut self, fact: &RecordingFact) {
        match fact {
            RecordingFact::RecordingStarted { .. }
            | RecordingFact::TrackOpened { .. }
            | RecordingFact::HeadsMarked { .. } => {}
            RecordingFact::RecordingPaused { at, reason } => {
                self.state = RecordingState::Paused { since: *at };
                self.pauses.push(Pause {
                    from: *at,
                    to: None,
                    reason: reason.clone(),
                });
            }
            RecordingFact::RecordingResumed { at } => {
                self.state = RecordingState::Running;
                self.end_pause(*at);
            }
            RecordingFact::RecordingStopped { at, cause } => {
                let (at, cause) = (*at, *cause);
                self.state = RecordingState::Ending { at, cause };
                self.end_pause(at);
            }
            RecordingFact::RecordingEnded { at } => {
                if let RecordingState::Ending { at, cause } = self.state {
                    self.state = RecordingState::Ended { at, cause };
                }
                for open in self.incidents.iter_mut().filter(|open| open.to.is_none()) {
                    open.to = Some(*at);
                }
            }
            RecordingFact::IncidentBegan { incident, at } => {
                let (incident, from) = (*incident, *at);
                if self.incidents.len() < INCIDENTS_MAX {
                    let to = None;
                    self.incidents.push(Incident { incident, from, to });
                }
            }
            RecordingFact::IncidentEnded { incident, at } => {
                let open = self.incidents.iter_mut().rev();
                let mut open = open.filter(|open| open.incident == *incident && open.to.is_none());
                if let Some(open) = open.next() {
                    open.to = Some(*at);
                }
            }
        }
    }

    /// Its id.
    pub fn id(&self) -> RecordingId {
        self.id
    }

    /// Of what.
    pub fn lesson(&self) -> LessonId {
        self.lesson
    }

    /// Whose.
    pub fn unit(&self) -> UnitId {
        self.unit
    }

    /// When it began; offsets in its segments count from here.
    pub fn started_at(&self) -> DateTime<Utc> {
        self.started_at
    }

    /// Where it stands.
    pub fn state(&self) -> RecordingState {
        self.state
    }

    /// When it was ended.
    pub fn ended_at(&self) -> Option<DateTime<Utc>> {
        match self.state {
            RecordingState::Ending { at, .. } | RecordingState::Ended { at, .. } => Some(at),
            RecordingState::Running | RecordingState::Paused { .. } => None,
        }
    }

    /// All pauses.
    pub fn pauses(&self) -> &[Pause] {
        &self.pauses
    }

    /// What went wrong.
    pub fn incidents(&self) -> &[Incident] {
        &self.incidents
    }

    /// Nothing more is recorded.
    pub fn is_over(&self) -> bool {
        self.ended_at().is_some()
    }

    fn is_ended(&self) -> bool {
        matches!(self.state, RecordingState::Ended { .. })
    }

    fn has_open(&self, incident: IncidentKind) -> bool {
        let mut incidents = self.incidents.iter();
        incidents.any(|open| open.incident == incident && open.to.is_none())
    }

    fn end_pause(&mut self, at: DateTime<Utc>) {
        if let Some(open) = self.pauses.last_mut() {
            open.to.get_or_insert(at);
        }
    }

    fn pause(&self, reason: &str, at: DateTime<Utc>) -> Result<RecordingFact, Refusal> {
        let reason = reason.trim().to_owned();
        if !(1..=REASON_CHARS_MAX).contains(&reason.chars().count()) {
            return Err(Refusal::new(
                RefusalKind::Invalid,
                "recording.reason",
                "暂停录制须说明原因，不超过 200 个字",
                "pausing a recording needs a reason of at most 200 characters",
            ));
        }
        match self.state {
            RecordingState::Running => Ok(RecordingFact::RecordingPaused { at, reason }),
            RecordingState::Paused { .. } => Err(not_running(
                "录制已经暂停",
                "the recording is paused already",
            )),
            RecordingState::Ending { .. } | RecordingState::Ended { .. } => Err(over()),
        }
    }

    fn resume(&self, at: DateTime<Utc>) -> Result<RecordingFact, Refusal> {
        match self.state {
            RecordingState::Paused { .. } => Ok(RecordingFact::RecordingResumed { at }),
            RecordingState::Running => Err(Refusal::new(
                RefusalKind::Conflict,
                "recording.not_paused",
                "录制没有暂停",
                "the recording is not paused",
            )),
            RecordingState::Ending { .. } | RecordingState::Ended { .. } => Err(over()),
        }
    }

    fn stop(&self, cause: EndCause, at: DateTime<Utc>) -> Result<Vec<RecordingFact>, Refusal> {
        if self.is_over() {
            return Err(over());
        }
        Ok(vec![RecordingFact::RecordingStopped { at, cause }])
    }
}

/// A track as far as it is owed: what completeness is asked of.
#[derive(Clone, Debug)]
pub struct Account<'a> {
    /// Where its chain stands; a sound chain has no hole before that.
    pub head: &'a Head,
    /// It is on; of a track that is off nothing is owed after its chain's end.
    pub is_live: bool,
}

/// How much of a track is neither in a segment, nor in a gap with a cause, nor in an open incident;
/// zero is what must hold. What is being recorded may be unwritten for [`LAG_MAX`].
pub fn uncovered(recording: &Recording, track: &Account<'_>, now: DateTime<Utc>) -> TimeDelta {
    if !track.is_live || recording.incidents.iter().any(|open| open.to.is_none()) {
        return TimeDelta::zero();
    }
    let owed_to = match recording.state {
        RecordingState::Ended { at, .. } => at,
        RecordingState::Running | RecordingState::Paused { .. } | RecordingState::Ending { .. } => {
            now - LAG_MAX
        }
    };
    (owed_to - track.head.covered_to).max(TimeDelta::zero())
}

/// There is no such recording, or the actor may not know of it.
pub fn not_found() -> Refusal {
    Refusal::new(
        RefusalKind::NotFound,
        "recording.not_found",
        "没有找到该录制，或您无权查看",
        "there is no such recording, or you may not see it",
    )
}

/// Something is recorded already.
pub fn already_running() -> Refusal {
    Refusal::new(
        RefusalKind::Conflict,
        "recording.running",
        "正在录制，无需再次开始",
        "it is being recorded already",
    )
}

/// There is no recording that a command could be for.
pub fn none_running() -> Refusal {
    not_running("当前没有录制", "nothing is being recorded")
}

fn not_running(zh: &str, en: &str) -> Refusal {
    Refusal::new(RefusalKind::Conflict, "recording.not_running", zh, en)
}

fn over() -> Refusal {
    Refusal::new(
        RefusalKind::Conflict,
        "recording.over",
        "录制已经结束",
        "the recording is over",
    )
}

#[cfg(test)]
mod tests;
