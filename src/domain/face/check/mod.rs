//! One face check from the first key frame asked for to its finding.
//!
//! Key frames of the learner's own track go to be analysed, one each half second. A burst of them
//! decides; somebody else is recorded after a second burst only. Where an action is asked, a burst
//! before it must show the enrolled person, then one picture the action, then a burst the person
//! again. Networks that do not answer in time put a check off; they never pass one.

mod burst;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

use super::action::{Action, Rest};
use super::decision::{Verdict, Verified};
use super::finding::Finding;
use super::geometry::Face;
use super::hash::PictureHash;
use super::message::Message;
use super::quality::{Fault, only_face};
use super::template::Similarity;
use burst::{Burst, Shown};

/// Time between two requests for a key frame.
pub const REQUEST_PAUSE: TimeDelta = TimeDelta::milliseconds(500);
/// A burst lasts so long at least, and ends then if it can decide.
pub const BURST_MIN: TimeDelta = TimeDelta::seconds(4);
/// A burst lasts so long at most.
pub const BURST_MAX: TimeDelta = TimeDelta::seconds(6);
/// Within this time the action must be seen.
pub const ACTION_WINDOW: TimeDelta = TimeDelta::seconds(6);
/// How long analyses that are under way are waited for, after the time for pictures is over.
pub const ANSWER_WAIT: TimeDelta = TimeDelta::seconds(2);
/// Pictures of one check that are analysed at once; beyond it no further one is asked for.
pub const UNDER_WAY_MAX: u32 = 4;
/// Hashes of earlier pictures that a check is compared with, at most: about 20 lessons.
pub const EARLIER_MAX: usize = 2048;

/// What a check is to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is asked beside looking into the camera.
    pub action: Option<Action>,
    /// Which networks are there.
    pub eyes: Eyesight,
    /// A prompt is open on the learner's screen: what is wrong is said there. A silent check says
    /// nothing.
    pub prompted: bool,
    /// Hashes of this person's pictures from earlier times; the last [`EARLIER_MAX`] count.
    pub earlier: Vec<PictureHash>,
}

/// What networks there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eyesight {
    /// None: pictures are kept for staff.
    Blind,
    /// Faces are found and compared.
    Faces,
    /// Faces, and contours that show a mouth opening.
    Contours,
}

/// An action was asked where no network can see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("actions cannot be asked: no landmark network is installed")]
pub struct ActionUnavailable;

/// Counts the pictures of one check from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FrameNumber(pub u32);

/// What happens to a check.
#[derive(Clone, Debug)]
pub enum Input {
    /// It begins.
    Start,
    /// A whole key frame of the learner's track came.
    KeyFrame,
    /// A picture was looked at.
    Analysed {
        /// Which.
        frame: FrameNumber,
        /// What came of it.
        analysis: Analysis,
    },
    /// A deadline passed.
    Tick,
    /// The learner's transport went.
    Left,
}

/// What came of a picture.
#[derive(Clone, Debug)]
pub enum Analysis {
    /// It was looked at.
    Seen(Look),
    /// Too many pictures wait; this one was not looked at.
    Busy,
    /// It could not be decoded.
    Unreadable,
    /// The person has no template of this network.
    Incomparable,
}

/// What was seen in one picture.
#[derive(Clone, Debug)]
pub struct Look {
    /// Every face.
    pub faces: Vec<Face>,
    /// Mean luminance of the whole picture, 0 to 255.
    pub luminance: f32,
    /// Its perceptual hash.
    pub hash: PictureHash,
    /// How like the enrolled person the one frontal face is, if there is one.
    pub similarity: Option<Similarity>,
}

/// What a check wants done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Output {
    /// A key frame from the learner's track.
    RequestKeyFrame,
    /// The key frame that just came, looked at under this number.
    Analyse(FrameNumber),
    /// This picture is not needed any more.
    Forget(FrameNumber),
    /// Tell the learner; `None` takes the sentence away.
    Show(Option<Message>),
    /// Keep this picture as evidence.
    StoreEvidence(FrameNumber),
    /// The check is over, with this result.
    Finish(Finding),
    /// The check is over without one, because too many wait: it is to be drawn again, later.
    Postpone,
}

/// A check. One input at a time; then drain [`FaceCheck::poll_output`], then ask
/// [`FaceCheck::next_deadline`].
#[derive(Debug)]
pub struct FaceCheck {
    plan: Plan,
    phase: Phase,
    next_request: DateTime<Utc>,
    frames: u32,
    under_way: u32,
    shown: Option<Message>,
    /// What the last decision rested on.
    similarity: Option<Similarity>,
    hashes: Vec<PictureHash>,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
enum Phase {
    Ready,
    /// Looking into the camera.
    Frontal {
        burst: Burst,
        round: Round,
        side: Side,
    },
    /// The action was asked.
    Asked {
        action: Action,
        rest: Rest,
        until: DateTime<Utc>,
        /// Pictures that were not looked at.
        busy: u32,
        /// Pictures that were.
        seen: u32,
        last: Option<FrameNumber>,
    },
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    First,
    /// The burst before showed somebody else.
    Second,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Before,
    /// The action was seen.
    After,
}

impl FaceCheck {
    /// A check that has not begun.
    pub fn new(mut plan: Plan) -> Result<Self, ActionUnavailable> {
        if plan.action.is_some() && plan.eyes == Eyesight::Faces {
            return Err(ActionUnavailable);
        }
        let surplus = plan.earlier.len().saturating_sub(EARLIER_MAX);
        plan.earlier.drain(..surplus);
        Ok(Self {
            plan,
            phase: Phase::Ready,
            next_request: DateTime::<Utc>::MIN_UTC,
            frames: 0,
            under_way: 0,
            shown: None,
            similarity: None,
            hashes: Vec::new(),
            outputs: VecDeque::new(),
        })
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input, now: DateTime<Utc>) {
        match input {
            Input::Start => self.start(now),
            Input::KeyFrame => self.key_frame(),
            Input::Analysed { frame, analysis } => self.analysed(frame, analysis, now),
            Input::Tick => {}
            // The rules of the job call that interrupted, by what the server saw.
            Input::Left => self.phase = Phase::Over,
        }
        self.advance(now);
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When a [`Input::Tick`] is due.
    pub fn next_deadline(&self) -> Option<DateTime<Utc>> {
        let until = match &self.phase {
            Phase::Ready | Phase::Over => return None,
            Phase::Frontal { burst, .. } => burst.next_end(),
            Phase::Asked { until, .. } => *until,
        };
        let ends = match self.under_way {
            0 => until,
            _ => until + ANSWER_WAIT,
        };
        match self.next_request < until {
            true => Some(self.next_request),
            false => Some(ends),
        }
    }

    /// Whether nothing will come of it any more.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// What the last decision of a burst rested on, for the evidence.
    pub fn similarity(&self) -> Option<Similarity> {
        self.similarity
    }

    /// Hashes of the pictures that were looked at, for the person's later checks.
    pub fn hashes(&self) -> &[PictureHash] {
        &self.hashes
    }

    fn start(&mut self, now: DateTime<Utc>) {
        if matches!(self.phase, Phase::Ready) {
            self.look_frontally(Round::First, Side::Before, now);
        }
    }

    fn look_frontally(&mut self, round: Round, side: Side, now: DateTime<Utc>) {
        let burst = Burst::new(now);
        self.phase = Phase::Frontal { burst, round, side };
        self.next_request = now;
    }

    fn key_frame(&mut self) {
        let frame = FrameNumber(self.frames);
        self.frames += 1;
        let wanted = match &self.phase {
            Phase::Frontal { .. } | Phase::Asked { .. } => self.under_way < UNDER_WAY_MAX,
            Phase::Ready | Phase::Over => false,
        };
        if !wanted {
            self.outputs.push_back(Output::Forget(frame));
        } else if self.plan.eyes == Eyesight::Blind {
            self.outputs.push_back(Output::StoreEvidence(frame));
            self.finish(Finding::Unverified);
        } else {
            self.under_way += 1;
            self.outputs.push_back(Output::Analyse(frame));
        }
    }

    fn analysed(&mut self, frame: FrameNumber, analysis: Analysis, now: DateTime<Utc>) {
        self.under_way = self.under_way.saturating_sub(1);
        if let Analysis::Seen(look) = &analysis {
            self.hashes.push(look.hash);
        }
        match (&mut self.phase, analysis) {
            (Phase::Ready | Phase::Over, _) | (_, Analysis::Unreadable) => {
                self.outputs.push_back(Output::Forget(frame));
            }
            (Phase::Frontal { .. } | Phase::Asked { .. }, Analysis::Incomparable) => {
                self.outputs.push_back(Output::StoreEvidence(frame));
                self.finish(Finding::Unverified);
            }
            (Phase::Frontal { burst, .. }, Analysis::Busy) => {
                burst.busy();
                self.outputs.push_back(Output::Forget(frame));
            }
            (Phase::Asked { busy, .. }, Analysis::Busy) => {
                *busy += 1;
                self.outputs.push_back(Output::Forget(frame));
            }
            (Phase::Frontal { burst, .. }, Analysis::Seen(look)) => {
                let (fault, forgotten) = burst.seen(frame, &look);
                self.outputs.extend(forgotten.map(Output::Forget));
                self.say(fault.map(Fault::message));
            }
            (Phase::Asked { .. }, Analysis::Seen(look)) => self.acting(frame, &look, now),
        }
    }

    /// One picture while an action is asked.
    fn acting(&mut self, frame: FrameNumber, look: &Look, now: DateTime<Utc>) {
        let Phase::Asked {
            action,
            rest,
            seen,
            last,
            ..
        } = &mut self.phase
        else {
            return;
        };
        *seen += 1;
        let face = only_face(&look.faces, look.luminance);
        if face.is_ok_and(|face| action.is_done(rest, face)) {
            let before = last.take();
            self.outputs.extend(before.map(Output::Forget));
            self.outputs.push_back(Output::StoreEvidence(frame));
            self.say(Some(Message::LookStraight));
            self.look_frontally(Round::First, Side::After, now);
            return;
        }
        let asked = Message::asking(*action);
        let replaced = last.replace(frame);
        self.outputs.extend(replaced.map(Output::Forget));
        self.say(Some(face.err().map_or(asked, Fault::message)));
    }

    /// Ends what is at its end, then asks for the next picture.
    fn advance(&mut self, now: DateTime<Utc>) {
        match &self.phase {
            Phase::Ready | Phase::Over => return,
            Phase::Frontal { burst, .. } => {
                if burst.is_over(now, self.under_way) {
                    self.conclude(now);
                }
            }
            Phase::Asked { until, .. } => {
                let waits = self.under_way > 0 && now < *until + ANSWER_WAIT;
                if now >= *until && !waits {
                    self.nothing_done();
                }
            }
        }
        let until = match &self.phase {
            Phase::Ready | Phase::Over => return,
            Phase::Frontal { burst, .. } => burst.next_end(),
            Phase::Asked { until, .. } => *until,
        };
        if now >= self.next_request && now < until {
            self.next_request = now + REQUEST_PAUSE;
            if self.under_way < UNDER_WAY_MAX {
                self.outputs.push_back(Output::RequestKeyFrame);
            }
        }
    }

    /// A burst is over.
    fn conclude(&mut self, now: DateTime<Utc>) {
        let Phase::Frontal { burst, round, side } = std::mem::replace(&mut self.phase, Phase::Over)
        else {
            return;
        };
        self.outputs
            .extend(burst.evidence().map(Output::StoreEvidence));
        match burst.shown() {
            Shown::Fault(fault) => self.finish(fault.finding()),
            Shown::Nothing => {
                self.say(Some(Message::NoPicture));
                self.finish(Finding::NoPicture);
            }
            Shown::Busy => self.outputs.push_back(Output::Postpone),
            Shown::Person(verdict) => {
                self.similarity = Some(verdict.similarity());
                self.judged(verdict, &burst, round, side, now);
            }
        }
    }

    fn judged(
        &mut self,
        verdict: Verdict,
        burst: &Burst,
        round: Round,
        side: Side,
        now: DateTime<Utc>,
    ) {
        match (verdict, round) {
            (Verdict::Match(verified), Round::First) => match (self.plan.action, side) {
                (Some(action), Side::Before) => self.ask(action, burst, now),
                (Some(_), Side::After) | (None, _) => self.pass(verified),
            },
            (Verdict::Mismatch(_), Round::First) => {
                self.look_frontally(Round::Second, side, now);
            }
            (Verdict::Mismatch(_), Round::Second) => self.refer(Finding::Mismatch),
            // Two bursts that disagree are for a person to look at.
            (Verdict::Unsure(_), _) | (Verdict::Match(_), Round::Second) => {
                self.refer(Finding::Unsure);
            }
        }
    }

    fn ask(&mut self, action: Action, burst: &Burst, now: DateTime<Utc>) {
        let Some(rest) = burst.rest() else {
            return self.refer(Finding::Unsure);
        };
        self.phase = Phase::Asked {
            action,
            rest,
            until: now + ACTION_WINDOW,
            busy: 0,
            seen: 0,
            last: None,
        };
        self.next_request = now;
        self.say(Some(Message::asking(action)));
    }

    /// The time for the action is over.
    fn nothing_done(&mut self) {
        let Phase::Asked {
            busy, seen, last, ..
        } = std::mem::replace(&mut self.phase, Phase::Over)
        else {
            return;
        };
        self.outputs.extend(last.map(Output::StoreEvidence));
        if busy > seen {
            self.outputs.push_back(Output::Postpone);
        } else if seen == 0 {
            self.say(Some(Message::NoPicture));
            self.finish(Finding::NoPicture);
        } else {
            self.finish(Finding::ActionMissing);
        }
    }

    /// The only way to [`Finding::Match`].
    fn pass(&mut self, _: Verified) {
        let still = self
            .hashes
            .iter()
            .any(|hash| hash.is_among(&self.plan.earlier));
        if still {
            self.say(Some(Message::StillPicture));
            return self.finish(Finding::StillPicture);
        }
        self.say(None);
        self.finish(Finding::Match);
    }

    fn refer(&mut self, finding: Finding) {
        self.say(Some(Message::NotConfirmed));
        self.finish(finding);
    }

    fn finish(&mut self, finding: Finding) {
        self.phase = Phase::Over;
        self.outputs.push_back(Output::Finish(finding));
    }

    /// Says what changed, where somebody reads it.
    fn say(&mut self, message: Option<Message>) {
        if self.plan.prompted && self.shown != message {
            self.shown = message;
            self.outputs.push_back(Output::Show(message));
        }
    }
}
