//! One learner in one lesson of a course: what was handed over, what was watched, where.
//!
//! Two things move while a film plays and are no facts: what was handed over, by the server's own
//! doing ([`Viewing::hand_over`]), and what was watched ([`Viewing::hear`]). What a browser says
//! can only hold back the second: it grows with the server's time, within what was handed over. A
//! playback's end is a fact that has both.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::pacing::{Ahead, MediaSpan, Pace, RESUME_BACK_MS, Served};
use super::sitting::{SITTINGS_MAX, Sitting, too_many_sittings};
use crate::domain::classroom::span::Span;
use crate::domain::id::{AccountId, CourseLessonId, FilmId, LessonId, PlaybackId, ViewingId};
use crate::domain::refusal::{Refusal, RefusalKind};

/// Two words of a browser further apart do not vouch for the time between them.
pub const BEAT_GAP_MAX: TimeDelta = TimeDelta::seconds(15);
/// A playback of which nothing is heard for so long is over.
pub const SILENCE_MAX: TimeDelta = TimeDelta::seconds(60);
/// So near its end a film is watched to its end: players stop a moment early.
pub const END_SLACK_MS: u64 = 2_000;
/// Longest name of a device, bytes.
pub const DEVICE_BYTES_MAX: usize = 64;

/// A viewing as its facts and what was observed left it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewing {
    id: ViewingId,
    account: AccountId,
    lesson: CourseLessonId,
    film: FilmId,
    duration_ms: u64,
    served: Served,
    watched_ms: u64,
    finished_at: Option<DateTime<Utc>>,
    playback: Option<Playback>,
    #[serde(default)]
    sittings: Vec<Sitting>,
}

/// A film that plays on a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Playback {
    /// Its id.
    pub id: PlaybackId,
    /// Random name of the device, made by its browser.
    pub device: String,
    /// When it began.
    pub opened_at: DateTime<Utc>,
    /// Where it began.
    pub resumed_ms: u64,
    pace: Pace,
    heard_at: DateTime<Utc>,
    vouched_at: Option<DateTime<Utc>>,
    #[serde(default)]
    vouched_ms: u64,
}

/// Another playback of the same person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// On which device.
    pub device: String,
    /// When something was last heard of it.
    pub heard_at: DateTime<Utc>,
}

/// What somebody or something asks of a viewing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ViewingCommand {
    /// Play, or go on.
    Start {
        /// Id of the playback.
        playback: PlaybackId,
        /// On which device, 1 to 64 bytes.
        device: String,
        /// The person's other playback, of this or another lesson.
        elsewhere: Option<Elsewhere>,
        /// End it.
        take_over: bool,
        /// How fast the course allows.
        speed_percent: u32,
    },
    /// What is watched from now on counts in this lesson.
    Sit(LessonId),
    /// The learner leaves.
    Stop(PlaybackId),
    /// Another device plays.
    GiveWay,
    /// Look whether it is over.
    Due,
}

/// What happened to a viewing; times are the server's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum ViewingFact {
    /// The learner opened the lesson for the first time.
    ViewingOpened {
        /// Its id.
        viewing: ViewingId,
        /// Whose.
        account: AccountId,
        /// Which lesson.
        lesson: CourseLessonId,
        /// Which film.
        film: FilmId,
        /// How long it is.
        duration_ms: u64,
        /// When.
        at: DateTime<Utc>,
    },
    /// A device plays.
    PlaybackStarted {
        /// Its id.
        playback: PlaybackId,
        /// Which device.
        device: String,
        /// From where.
        resumed_ms: u64,
        /// How fast it may be.
        speed_percent: u32,
        /// When.
        at: DateTime<Utc>,
    },
    /// It plays no longer.
    PlaybackEnded {
        /// Which.
        playback: PlaybackId,
        /// Why.
        cause: EndCause,
        /// What was watched by then, from the beginning.
        watched_ms: u64,
        /// What was handed over by then.
        served: Served,
        /// What was shown by then in the lesson in which it counts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sitting: Option<Sitting>,
        /// When.
        at: DateTime<Utc>,
    },
    /// What is watched from now on counts in this lesson.
    SittingOpened {
        /// Which.
        lesson: LessonId,
        /// When.
        at: DateTime<Utc>,
    },
    /// The film was watched to its end.
    LessonFinished {
        /// When.
        at: DateTime<Utc>,
    },
}

/// Why a playback ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    /// The learner left.
    Stopped,
    /// Another playback of the same person began.
    TakenOver,
    /// Nothing was heard of it.
    Silent,
}

/// A browser's word. It can only hold back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// Where its player is.
    pub position_ms: u64,
    /// It plays and is in the foreground.
    pub watching: bool,
}

/// What a browser's word comes to.
#[derive(Clone, Copy, Debug)]
struct Shown {
    media: MediaSpan,
    real_ms: u64,
    most_ms: u64,
}

impl Viewing {
    /// The first fact of a viewing.
    pub fn open(
        viewing: ViewingId,
        account: AccountId,
        lesson: CourseLessonId,
        (film, duration_ms): (FilmId, u64),
        at: DateTime<Utc>,
    ) -> ViewingFact {
        ViewingFact::ViewingOpened {
            viewing,
            account,
            lesson,
            film,
            duration_ms,
            at,
        }
    }

    /// The viewing that a first fact makes; `None` of any other fact.
    pub fn from_first(first: &ViewingFact) -> Option<Self> {
        let ViewingFact::ViewingOpened {
            viewing,
            account,
            lesson,
            film,
            duration_ms,
            ..
        } = first
        else {
            return None;
        };
        Some(Self {
            id: *viewing,
            account: *account,
            lesson: *lesson,
            film: *film,
            duration_ms: *duration_ms,
            served: Served::default(),
            watched_ms: 0,
            finished_at: None,
            playback: None,
            sittings: Vec::new(),
        })
    }

    /// What a command brings about. Refuses with `playback.device`, `playback.elsewhere` or
    /// `study.sittings`.
    pub fn decide(
        &self,
        command: &ViewingCommand,
        now: DateTime<Utc>,
    ) -> Result<Vec<ViewingFact>, Refusal> {
        let ended = |cause| {
            self.playback
                .iter()
                .map(move |known| self.end(known, cause, now))
        };
        match command {
            ViewingCommand::Start {
                playback,
                device,
                elsewhere,
                take_over,
                speed_percent,
            } => {
                if !(1..=DEVICE_BYTES_MAX).contains(&device.len()) {
                    return Err(no_device());
                }
                let busy = |other: &&Elsewhere| {
                    other.device != *device && now - other.heard_at < SILENCE_MAX
                };
                if !take_over && elsewhere.as_ref().filter(busy).is_some() {
                    return Err(elsewhere_playing());
                }
                let mut facts: Vec<_> = ended(EndCause::TakenOver).collect();
                facts.push(ViewingFact::PlaybackStarted {
                    playback: *playback,
                    device: device.clone(),
                    resumed_ms: self.resume_ms(),
                    speed_percent: *speed_percent,
                    at: now,
                });
                Ok(facts)
            }
            ViewingCommand::Sit(_) if self.sittings.len() >= SITTINGS_MAX => {
                Err(too_many_sittings())
            }
            ViewingCommand::Sit(lesson) => Ok(vec![ViewingFact::SittingOpened {
                lesson: *lesson,
                at: now,
            }]),
            ViewingCommand::Stop(playback) => {
                let running = self.playback.iter().filter(|known| known.id == *playback);
                Ok(running
                    .map(|known| self.end(known, EndCause::Stopped, now))
                    .collect())
            }
            ViewingCommand::GiveWay => Ok(ended(EndCause::TakenOver).collect()),
            ViewingCommand::Due => Ok(self.due(now)),
        }
    }

    fn due(&self, now: DateTime<Utc>) -> Vec<ViewingFact> {
        let finished = self.watched_ms + END_SLACK_MS >= self.duration_ms;
        let mut facts = Vec::new();
        if finished && self.finished_at.is_none() {
            facts.push(ViewingFact::LessonFinished { at: now });
        }
        let silent = |known: &&Playback| now - known.heard_at >= SILENCE_MAX;
        facts.extend(
            self.playback
                .iter()
                .filter(silent)
                .map(|known| self.end(known, EndCause::Silent, now)),
        );
        facts
    }

    fn end(&self, playback: &Playback, cause: EndCause, at: DateTime<Utc>) -> ViewingFact {
        ViewingFact::PlaybackEnded {
            playback: playback.id,
            cause,
            watched_ms: self.watched_ms,
            served: self.served.clone(),
            sitting: self.sittings.last().cloned(),
            at,
        }
    }

    /// Takes a fact in. A first fact changes nothing here: see [`Viewing::from_first`].
    pub fn apply(&mut self, fact: &ViewingFact) {
        match fact {
            ViewingFact::ViewingOpened { .. } => {}
            ViewingFact::PlaybackStarted {
                playback,
                device,
                resumed_ms,
                speed_percent,
                at,
            } => {
                self.playback = Some(Playback {
                    id: *playback,
                    device: device.clone(),
                    opened_at: *at,
                    resumed_ms: *resumed_ms,
                    pace: Pace::from(*resumed_ms, *speed_percent, *at),
                    heard_at: *at,
                    vouched_at: None,
                    vouched_ms: 0,
                });
            }
            ViewingFact::PlaybackEnded {
                watched_ms,
                served,
                sitting,
                ..
            } => {
                self.watched_ms = *watched_ms;
                self.served = served.clone();
                self.playback = None;
                if let (Some(last), Some(sitting)) = (self.sittings.last_mut(), sitting) {
                    *last = sitting.clone();
                }
            }
            ViewingFact::SittingOpened { lesson, .. } => self.sittings.push(Sitting::new(*lesson)),
            ViewingFact::LessonFinished { at } => {
                self.finished_at = Some(*at);
                let served_ms = self.served.frontier_ms().min(self.duration_ms);
                self.watched_ms = self.watched_ms.max(served_ms);
            }
        }
    }

    /// Whether media may be handed to a playback now. Refuses with `playback.ended` when it is not
    /// the one that plays.
    pub fn admit(
        &self,
        playback: PlaybackId,
        wanted: MediaSpan,
        now: DateTime<Utc>,
    ) -> Result<Result<(), Ahead>, Refusal> {
        let playback = self.running(playback)?;
        Ok(playback.pace.admit(&self.served, wanted, now))
    }

    /// Takes in that media is handed over; call it after [`Viewing::admit`] and keep it before the
    /// media goes out.
    pub fn hand_over(&mut self, span: MediaSpan, now: DateTime<Utc>) {
        if let Some(playback) = &mut self.playback {
            playback.pace = playback.pace.read(&self.served, now);
            playback.heard_at = playback.heard_at.max(now);
        }
        self.served.add(span);
    }

    /// Takes in a browser's word: what was watched grows by the server's time since its last word,
    /// no further than its player says, than was handed over, and than the clock of the playback.
    /// Returns the real time that may earn in the lesson in which it counts; `taken` of the film
    /// earns nothing there. Refuses with `playback.ended`.
    pub fn hear(
        &mut self,
        playback: PlaybackId,
        beat: Beat,
        taken: &[MediaSpan],
        now: DateTime<Utc>,
    ) -> Result<Option<Span>, Refusal> {
        let shown = self.shown(playback, beat, now)?;
        let Some(playback) = &mut self.playback else {
            return Ok(None);
        };
        // Whoever looks again at what was watched does not watch further.
        let from_ms = self.watched_ms.min(beat.position_ms);
        let grown_ms = from_ms.saturating_add(playback.pace.media_ms(shown.real_ms));
        self.watched_ms = self.watched_ms.max(grown_ms.min(shown.most_ms));
        playback.vouched_at = beat.watching.then_some(now);
        playback.vouched_ms = beat.position_ms;
        playback.heard_at = playback.heard_at.max(now);
        let sitting = self.sittings.last_mut();
        Ok(sitting.and_then(|sitting| sitting.show(shown.media, taken, shown.real_ms, now)))
    }

    /// Whether a browser's word is about something that was shown before: then what of it earns
    /// nothing has to be looked up for [`Viewing::hear`]. Refuses with `playback.ended`.
    pub fn shows_again(
        &self,
        playback: PlaybackId,
        beat: Beat,
        now: DateTime<Utc>,
    ) -> Result<bool, Refusal> {
        let media = self.shown(playback, beat, now)?.media;
        Ok(self.sittings.iter().any(|sitting| sitting.shows(media)))
    }

    /// What was shown since the last word, by this one. A leap counts as its end.
    fn shown(
        &self,
        playback: PlaybackId,
        beat: Beat,
        now: DateTime<Utc>,
    ) -> Result<Shown, Refusal> {
        let playback = self.running(playback)?;
        let vouched = playback.vouched_at.map_or(TimeDelta::zero(), |at| now - at);
        let vouched = vouched.clamp(TimeDelta::zero(), BEAT_GAP_MAX);
        let real_ms = u64::try_from(vouched.num_milliseconds()).unwrap_or(0);
        let clock_ms = playback.pace.clock_ms(&self.served, now);
        let most_ms = beat
            .position_ms
            .min(self.served.frontier_ms())
            .min(clock_ms)
            .min(self.duration_ms);
        let least_ms = most_ms.saturating_sub(playback.pace.media_ms(real_ms));
        let media = MediaSpan {
            from_ms: playback.vouched_ms.max(least_ms).min(most_ms),
            to_ms: most_ms,
        };
        Ok(Shown {
            media,
            real_ms,
            most_ms,
        })
    }

    fn running(&self, playback: PlaybackId) -> Result<&Playback, Refusal> {
        let running = self.playback.as_ref().filter(|known| known.id == playback);
        running.ok_or_else(ended)
    }

    /// Where the next playback begins.
    pub fn resume_ms(&self) -> u64 {
        if self.is_finished() {
            return 0;
        }
        self.watched_ms.saturating_sub(RESUME_BACK_MS)
    }

    /// When it wants to be looked at.
    pub fn next_deadline(&self) -> Option<DateTime<Utc>> {
        self.playback
            .as_ref()
            .map(|playback| playback.heard_at + SILENCE_MAX)
    }

    /// Its id.
    pub fn id(&self) -> ViewingId {
        self.id
    }

    /// Whose.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// Which lesson.
    pub fn lesson(&self) -> CourseLessonId {
        self.lesson
    }

    /// Which film.
    pub fn film(&self) -> FilmId {
        self.film
    }

    /// How long the film is.
    pub fn duration_ms(&self) -> u64 {
        self.duration_ms
    }

    /// What was watched, from the beginning.
    pub fn watched_ms(&self) -> u64 {
        self.watched_ms
    }

    /// What was handed over.
    pub fn served(&self) -> &Served {
        &self.served
    }

    /// Whether it was watched to its end.
    pub fn is_finished(&self) -> bool {
        self.finished_at.is_some()
    }

    /// Since when it is finished.
    pub fn finished_at(&self) -> Option<DateTime<Utc>> {
        self.finished_at
    }

    /// The lessons in which it counted, in order; the last may still go on.
    pub fn sittings(&self) -> &[Sitting] {
        &self.sittings
    }

    /// What plays.
    pub fn playback(&self) -> Option<&Playback> {
        self.playback.as_ref()
    }

    /// What plays, for a start of another playback of the same person.
    pub fn elsewhere(&self) -> Option<Elsewhere> {
        self.playback.as_ref().map(|playback| Elsewhere {
            device: playback.device.clone(),
            heard_at: playback.heard_at,
        })
    }
}

/// The playback is over: another device plays, or nothing was heard of it.
pub fn ended() -> Refusal {
    Refusal::new(
        RefusalKind::Conflict,
        "playback.ended",
        "播放已结束：可能已在另一台设备上继续，或中断时间过长。请重新进入，将从上次的位置继续。",
        "This playback is over: another device plays, or it was silent for too long. \
         Open it again to go on where you were.",
    )
}

fn elsewhere_playing() -> Refusal {
    Refusal::new(
        RefusalKind::Conflict,
        "playback.elsewhere",
        "您的账号正在另一台设备上播放课程。如需在此设备继续，请选择“在这里继续”，另一台将停止。",
        "Another device of yours plays a lesson. You may go on here; the other one then stops.",
    )
}

fn no_device() -> Refusal {
    Refusal::new(
        RefusalKind::Invalid,
        "playback.device",
        "设备标识无效，请刷新页面。",
        "The name of the device is not valid. Reload the page.",
    )
}

#[cfg(test)]
mod tests;
