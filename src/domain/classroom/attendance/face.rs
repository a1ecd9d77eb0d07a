//! Checks that look at the learner's own camera: what is to be looked at, and what follows.
//!
//! A face check is silent first: it becomes a prompt only when it does not pass. What cannot be
//! judged is never a verdict: it is looked at again, and only the last finding of a whole window
//! names what was wrong.

use chrono::{DateTime, Utc};

use super::{Attendance, AttendanceFact, CameraSight, Dark, Phase, ReviewReason, Route};
use super::{millis, seconds};
use crate::domain::classroom::check::{Cause, Check, CheckKind, Gesture, Outcome};
use crate::domain::classroom::lesson::Lesson;
use crate::domain::classroom::policy::PolicyFigures;
use crate::domain::classroom::schedule::{SILENT_TRY, gesture_of, nonce_hash, retry_delay_ms};
use crate::domain::classroom::span::Span;
use crate::domain::face::finding::{Finding, Grounds};
use crate::domain::id::CheckId;
use crate::domain::interval::Interval;

/// What the eyes are to look for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// For which check.
    pub check: CheckId,
    /// Goes back with the finding; a new one with every judged try.
    pub nonce: String,
    /// The learner does not know of it.
    pub silent: bool,
    /// What the learner is asked to do.
    pub gesture: Option<Gesture>,
    /// A finding after this is nothing.
    pub until: DateTime<Utc>,
}

/// What a finding means for its try.
enum Judgement {
    Passed(Outcome),
    Failed,
    /// Shown to the learner, and looked at again.
    Unjudged,
}

impl Attendance {
    /// The look that is wanted now: the service lets the eyes make it, and brings what they find
    /// as [`Command::Found`](super::Command::Found). Those too busy for it say so.
    pub fn look_wanted(&self, now: DateTime<Utc>) -> Option<Look> {
        let check = self.running_check()?;
        let open = check.kind.shows_identity() && now < check.closes_at();
        open.then(|| Look {
            check: check.id,
            nonce: self.look_nonce(check),
            silent: check.silent,
            gesture: self.gesture(check),
            until: check.closes_at(),
        })
    }

    /// True where this learner is known by the face.
    pub fn faces_apply(&self) -> bool {
        self.policy.figures().face_checks && self.terms.route == Route::Camera
    }

    /// True while the camera that must show a face shows nothing.
    pub fn is_dark(&self) -> bool {
        self.camera.is_some()
    }

    pub(super) fn identity_kind(&self) -> CheckKind {
        asked_kind(CheckKind::Face, self.terms.route, self.policy.figures())
    }

    /// True when a pass of this kind shows who was there.
    pub(super) fn is_anchor(&self, kind: CheckKind) -> bool {
        !self.faces_apply() || kind.shows_identity()
    }

    // After a failure somebody has to do something, if anything at all can be judged.
    pub(super) fn owed_kind(&self, cause: Cause) -> CheckKind {
        match cause {
            Cause::Ladder { .. } if self.faces_apply() => match self.policy.figures() {
                figures if figures.action_percent > 0 => CheckKind::Action,
                _ => CheckKind::Face,
            },
            Cause::Ladder { .. }
            | Cause::Scheduled { .. }
            | Cause::Closing
            | Cause::Return
            | Cause::SignIn
            | Cause::Identity
            | Cause::Uncovered
            | Cause::Takeover
            | Cause::SignOut
            | Cause::Staff { .. } => self.identity_kind(),
        }
    }

    /// First life: an anchor by itself, or by the face.
    pub(super) fn sign_in(&self, window: &Span) -> Option<AttendanceFact> {
        if !self.faces_apply() {
            return Some(AttendanceFact::SignedIn { at: window.from });
        }
        let first = self.owed.is_none() && self.running_check().is_none();
        first.then_some(AttendanceFact::CheckOwed {
            not_before: window.to,
            cause: Cause::SignIn,
        })
    }

    /// A passed question says nothing about who passed it: a look follows, when no other check
    /// will.
    pub(super) fn who_was_it(&self, check: &Check, at: DateTime<Utc>) -> Option<AttendanceFact> {
        let unknown = !self.is_anchor(check.kind) && self.owed.is_none();
        unknown.then(|| AttendanceFact::CheckOwed {
            not_before: at + seconds(self.policy.figures().quiet_prompt_s),
            cause: Cause::Identity,
        })
    }

    pub(super) fn found(
        &self,
        check: CheckId,
        nonce: &str,
        (finding, grounds): (Finding, &Grounds),
        now: DateTime<Utc>,
    ) -> Vec<AttendanceFact> {
        let running = self.running_check().filter(|running| {
            let open = running.kind.shows_identity() && now <= running.closes_at();
            let present = nonce_hash(&self.look_nonce(running)) == nonce_hash(nonce);
            running.id == check && open && present
        });
        let Some(check) = running else {
            return Vec::new();
        };
        let mut facts = vec![AttendanceFact::CheckFound {
            check: check.id,
            attempt: try_of(check),
            gesture: self.gesture(check),
            finding,
            grounds: grounds.clone(),
            at: now,
        }];
        match judgement(finding) {
            Judgement::Passed(outcome) => facts.extend(self.end(check, outcome, now)),
            Judgement::Failed if check.silent => facts.push(self.prompt(check, now)),
            Judgement::Failed if check.used + 1 >= check.attempts => {
                facts.extend(self.end(check, failed_by(finding), now));
            }
            Judgement::Failed | Judgement::Unjudged => {}
        }
        facts
    }

    /// Nobody looks at this check for now: it is drawn later, and never passed. A prompt in which
    /// something was judged goes on, and so does the last check of all.
    pub(super) fn eyes_busy(&self, check: CheckId, now: DateTime<Utc>) -> Vec<AttendanceFact> {
        let running = self.running_check().filter(|running| {
            running.id == check
                && running.kind.shows_identity()
                && running.used == 0
                && running.cause != Cause::SignOut
        });
        running.map_or_else(Vec::new, |check| {
            self.drawn_later(check, Outcome::Void, now)
        })
    }

    pub(super) fn stopped_by_server(
        &self,
        check: &Check,
        now: DateTime<Utc>,
    ) -> Vec<AttendanceFact> {
        self.drawn_later(check, Outcome::Interrupted, now)
    }

    // What stopped this learner's check stopped others': the next ones are spread.
    fn drawn_later(
        &self,
        check: &Check,
        outcome: Outcome,
        now: DateTime<Utc>,
    ) -> Vec<AttendanceFact> {
        let delay = millis(retry_delay_ms(&self.seed, &self.policy, check.number));
        let mut facts = self.end(check, outcome, now);
        for fact in &mut facts {
            if let AttendanceFact::CheckOwed { not_before, .. } = fact {
                *not_before += delay;
            }
        }
        facts
    }

    /// The end of a window without a pass.
    pub(super) fn unseen(
        &self,
        check: &Check,
        lesson: &Lesson,
        now: DateTime<Utc>,
    ) -> Vec<AttendanceFact> {
        let at = check.closes_at();
        let judged = check.found.filter(|_| check.used > 0);
        let lost = self
            .camera
            .is_some_and(|dark| dark.sight == CameraSight::Lost && dark.since <= check.closes_at());
        let excuse = self.excuse(check, lesson, now);
        let excuse = excuse.or(lost.then_some(Outcome::Interrupted));
        match (judged, excuse, check.found) {
            (Some(finding), _, _) => self.end(check, failed_by(finding), at),
            (None, Some(excuse), _) => self.end(check, excuse, at),
            (None, None, Some(_)) if check.silent => vec![self.prompt(check, now)],
            (None, None, Some(finding)) => self.end(check, failed_by(finding), at),
            (None, None, None) => self.not_looked(check, at),
        }
    }

    // Nobody told anything: that is the server's fault, and no pass either.
    fn not_looked(&self, check: &Check, at: DateTime<Utc>) -> Vec<AttendanceFact> {
        let mut facts = self.drawn_later(check, Outcome::Void, at);
        if check.cause == Cause::SignOut && !self.review.contains(&ReviewReason::NotLooked) {
            let reason = ReviewReason::NotLooked;
            facts.push(AttendanceFact::ReviewAsked { reason, at });
        }
        facts
    }

    fn prompt(&self, check: &Check, now: DateTime<Utc>) -> AttendanceFact {
        AttendanceFact::CheckPrompted {
            check: check.id,
            deadline: now + seconds(self.terms.prompts.seconds(self.policy.figures())),
            at: now,
        }
    }

    /// What the camera sends: where a face must be seen, time stops while there is none, and a
    /// check follows.
    pub(super) fn camera(&self, sight: CameraSight, now: DateTime<Utc>) -> Vec<AttendanceFact> {
        let before = self.camera.map_or(CameraSight::Clear, |dark| dark.sight);
        if sight == before || self.phase != Phase::Open || !self.faces_apply() {
            return Vec::new();
        }
        let mut facts = vec![AttendanceFact::CameraSeen { sight, at: now }];
        let free = self.owed.is_none() && self.running_check().is_none();
        if sight == CameraSight::Clear && free && self.is_signed_in() {
            facts.push(AttendanceFact::CheckOwed {
                not_before: now,
                cause: Cause::Uncovered,
            });
        }
        facts
    }

    /// Takes in a fact about a look, a camera, a route or a ruling.
    pub(super) fn apply_look(&mut self, fact: &AttendanceFact) {
        if let AttendanceFact::CheckPrompted {
            check, deadline, ..
        } = fact
        {
            if let Some(found) = self.check_mut(*check) {
                (found.silent, found.found, found.deadline) = (false, None, *deadline);
            }
        } else if let AttendanceFact::CheckFound {
            check,
            attempt,
            finding,
            ..
        } = fact
        {
            self.found_in(*check, *attempt, *finding);
        } else if let AttendanceFact::CameraSeen { sight, at } = fact {
            self.camera_is(*sight, *at);
        } else if let AttendanceFact::Exempted { at, .. } = fact {
            self.camera_is(CameraSight::Clear, *at);
            self.terms.route = Route::CameraFree;
        } else if let AttendanceFact::CheckRuled { check, ruling, .. } = fact {
            self.ruled(*check, *ruling);
        }
    }

    pub(super) fn camera_is(&mut self, sight: CameraSight, at: DateTime<Utc>) {
        self.dark = self.dark_until(at);
        self.camera = match sight {
            CameraSight::Clear => None,
            CameraSight::Covered | CameraSight::Off | CameraSight::Lost => {
                Some(Dark { since: at, sight })
            }
        };
    }

    /// When the camera showed nothing; one whose packets are lost is waited for as a link is.
    pub(super) fn dark_until(&self, now: DateTime<Utc>) -> Vec<Span> {
        let mut dark = self.dark.clone();
        let present = self.camera.map(|dark| match dark.sight {
            CameraSight::Lost => dark.since + seconds(self.policy.figures().absence_hold_s),
            CameraSight::Clear | CameraSight::Covered | CameraSight::Off => dark.since,
        });
        dark.extend(present.map(|from| Span::new(from, now)));
        dark.retain(|span| !span.is_empty());
        dark
    }

    pub(super) fn found_in(&mut self, check: CheckId, attempt: u32, finding: Finding) {
        let Some(check) = self.check_mut(check) else {
            return;
        };
        let judged = !matches!(judgement(finding), Judgement::Unjudged);
        if judged && !check.silent {
            check.used = attempt + 1;
        }
        // Darkness after somebody else was seen does not unsee him.
        if judged || check.used == 0 {
            check.found = Some(finding);
        }
    }

    fn look_nonce(&self, check: &Check) -> String {
        self.seed.nonce(check.number, try_of(check))
    }

    fn gesture(&self, check: &Check) -> Option<Gesture> {
        let asked = check.kind == CheckKind::Action;
        asked.then(|| gesture_of(&self.seed, check.number, check.used))
    }
}

/// What a drawn kind becomes on a learner's route.
pub(super) fn asked_kind(raw: CheckKind, route: Route, figures: &PolicyFigures) -> CheckKind {
    match raw {
        CheckKind::Presence | CheckKind::Question => raw,
        CheckKind::Face | CheckKind::Action if !figures.face_checks => CheckKind::Presence,
        CheckKind::Face | CheckKind::Action => match route {
            Route::Camera => raw,
            Route::CameraFree => figures.alternative,
        },
    }
}

/// What is asked when the bank has no question.
pub(super) fn without_question(faces_apply: bool, figures: &PolicyFigures) -> CheckKind {
    match faces_apply {
        true if figures.action_percent > 0 => CheckKind::Action,
        true => CheckKind::Face,
        false => CheckKind::Presence,
    }
}

fn try_of(check: &Check) -> u32 {
    if check.silent { SILENT_TRY } else { check.used }
}

fn judgement(finding: Finding) -> Judgement {
    match finding {
        Finding::Match => Judgement::Passed(Outcome::Passed),
        Finding::Unsure | Finding::StillPicture | Finding::Unverified => {
            Judgement::Passed(Outcome::PassedLowAssurance)
        }
        Finding::Mismatch | Finding::ActionMissing => Judgement::Failed,
        Finding::NoFace
        | Finding::ManyFaces
        | Finding::TooDark
        | Finding::TooSmall
        | Finding::NotFrontal
        | Finding::NoPicture => Judgement::Unjudged,
    }
}

// What the last finding of a prompt makes of it.
fn failed_by(finding: Finding) -> Outcome {
    match finding {
        Finding::Mismatch => Outcome::FailedMismatch,
        Finding::ActionMissing => Outcome::FailedLiveness,
        Finding::ManyFaces => Outcome::FailedManyFaces,
        Finding::TooDark => Outcome::FailedCovered,
        Finding::NoFace
        | Finding::TooSmall
        | Finding::NotFrontal
        | Finding::NoPicture
        | Finding::Match
        | Finding::Unsure
        | Finding::StillPicture
        | Finding::Unverified => Outcome::FailedNoFace,
    }
}
