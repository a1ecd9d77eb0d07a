//! The numbers that the classroom's rules read, as versioned data.

use serde::{Deserialize, Serialize};

use super::check::CheckKind;
use crate::domain::refusal::{Refusal, RefusalKind};

/// Checked figures. A lesson keeps the policy it was opened with, whatever is issued later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PolicyFigures", into = "PolicyFigures")]
pub struct ClassroomPolicy {
    figures: PolicyFigures,
}

/// The figures as stored; seconds (`_s`) and milliseconds (`_ms`) unless the name says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyFigures {
    /// Who issued it: `standard`, `demo`, a unit's code.
    pub name: String,
    /// Counts up with every change under that name.
    pub version: u32,
    /// Earliest moment of the first check, on the learner's counted seconds.
    pub first_check_from_s: u32,
    /// Latest moment of the first check.
    pub first_check_to_s: u32,
    /// Shortest drawn gap between two scheduled checks.
    pub gap_min_s: u32,
    /// Scale of the exponential part of a gap.
    pub gap_scale_s: u32,
    /// A gap above this is drawn again.
    pub gap_max_s: u32,
    /// At least one check falls into this last share of the lesson, percent.
    pub last_share_percent: u32,
    /// Checks that one cause would bring to all learners at once are drawn over this time.
    pub spread_s: u32,
    /// How long a prompt stays open.
    pub prompt_s: u32,
    /// Tries inside a presence prompt.
    pub presence_attempts: u32,
    /// Tries inside a question: knowledge is asked once unless the policy is kinder.
    pub question_attempts: u32,
    /// A wrong answer still shows that somebody is there and closes the stretch.
    pub wrong_is_present: bool,
    /// The most a measured round trip may add to a deadline.
    pub allowance_max_ms: u32,
    /// No scheduled check this soon after another prompt closed.
    pub quiet_prompt_s: u32,
    /// No check this soon after a reconnection.
    pub quiet_reconnect_s: u32,
    /// Two signs of life this close together are one stretch of life.
    pub alive_window_s: u32,
    /// A page out of the foreground counts for this long.
    pub background_grace_s: u32,
    /// An absence longer than this needs a new check before credit.
    pub absence_hold_s: u32,
    /// More interruptions of checks than this ask for a review.
    pub interruptions_max: u32,
    /// After a failed check the next comes no sooner.
    pub ladder_from_s: u32,
    /// After a failed check the next comes no later.
    pub ladder_to_s: u32,
    /// So many failures in a row pause the lesson for that learner.
    pub failures_to_pause: u32,
    /// So many failures in a row ask for a review.
    pub failures_to_review: u32,
    /// The most that one stretch between two anchors earns.
    pub stretch_max_s: u32,
    /// A run of adjacent credited stretches below this earns nothing.
    pub floor_s: u32,
    /// The most one learner earns in a day; none means no limit.
    pub day_cap_s: Option<u32>,
    /// A lesson that nobody ends is over this long after its planned end.
    pub overrun_max_s: u32,
    /// After the end of a lesson its room stays open for last prompts no longer than this.
    #[serde(default = "room_after_end_max_s")]
    pub room_after_end_max_s: u32,
    /// In a class of more participants learners see staff and whoever was called on, not each
    /// other.
    #[serde(default = "together_max")]
    pub together_max: u32,
    /// Messages of the chat are kept for so many days after the lesson.
    #[serde(default = "chat_days")]
    pub chat_days: u32,
    /// Learners are known by their faces: every stretch begins and ends with one.
    #[serde(default)]
    pub face_checks: bool,
    /// Of the checks that ask for an act or an answer, so many ask for an act, percent; 0 where
    /// acts cannot be judged.
    #[serde(default = "action_percent")]
    pub action_percent: u32,
    /// How long silent looks are repeated until one can be judged.
    #[serde(default = "silent_s")]
    pub silent_s: u32,
    /// Judged tries inside a prompt that looks at a face.
    #[serde(default = "face_attempts")]
    pub face_attempts: u32,
    /// What is asked instead of a face on the route without a camera: presence or question.
    #[serde(default = "alternative")]
    pub alternative: CheckKind,
    /// How long a prompt stays open for whoever needs longer.
    #[serde(default = "prompt_longer_s")]
    pub prompt_longer_s: u32,
    /// How long a prompt stays open for whoever needs longest.
    #[serde(default = "prompt_longest_s")]
    pub prompt_longest_s: u32,
    /// After another device took the place time counts only from its first passed check.
    #[serde(default)]
    pub takeover_check: bool,
    /// Nothing is earned before this hour of the day, Beijing time.
    #[serde(default)]
    pub hours_from: Option<u32>,
    /// Nothing is earned from this hour of the day on, Beijing time.
    #[serde(default)]
    pub hours_to: Option<u32>,
    /// After an attendance closed appeals are taken for so many hours.
    #[serde(default = "appeal_window_h")]
    pub appeal_window_h: u32,
    /// An appeal is to be decided in so many working days.
    #[serde(default = "appeal_due_days")]
    pub appeal_due_days: u32,
}

/// As [`room_after_end_max_s`], and so are those below.
fn chat_days() -> u32 {
    180
}

fn action_percent() -> u32 {
    50
}

fn silent_s() -> u32 {
    20
}

fn face_attempts() -> u32 {
    3
}

fn alternative() -> CheckKind {
    CheckKind::Presence
}

fn prompt_longer_s() -> u32 {
    120
}

fn prompt_longest_s() -> u32 {
    180
}

fn appeal_window_h() -> u32 {
    72
}

fn appeal_due_days() -> u32 {
    3
}

/// What lessons are held by whose stored policy does not name the figure; also the standard one.
fn room_after_end_max_s() -> u32 {
    120
}

/// As [`room_after_end_max_s`].
fn together_max() -> u32 {
    100
}

/// Cameras never stay on for longer than this after class, whatever a policy says.
const ROOM_AFTER_END_MAX_S: u32 = 120;

/// Three tries at an act, with a look before and after each.
pub const FACE_PROMPT_MIN_S: u32 = 45;
/// Messages are kept no longer than this, days.
const CHAT_DAYS_MAX: u32 = 3_650;

/// Longest figure that a policy may name: one day.
const FIGURE_MAX_S: u32 = 86_400;

impl ClassroomPolicy {
    /// Checks the figures and their relations.
    ///
    /// Refuses with `policy.figures` and the first relation that does not hold.
    pub fn new(figures: PolicyFigures) -> Result<Self, Refusal> {
        let broken = relations(&figures).into_iter().find(|(holds, _)| !holds);
        match broken {
            None => Ok(Self { figures }),
            Some((_, relation)) => Err(Refusal {
                kind: RefusalKind::Invalid,
                code: "policy.figures",
                zh: format!("课堂规则的数值互相矛盾：{relation}"),
                en: format!("the classroom policy contradicts itself: {relation}"),
            }),
        }
    }

    /// The figures in force unless a unit issued others.
    pub fn standard() -> Self {
        Self {
            figures: PolicyFigures {
                name: "standard".to_owned(),
                version: 1,
                first_check_from_s: 30,
                first_check_to_s: 120,
                gap_min_s: 180,
                gap_scale_s: 720,
                gap_max_s: 1_080,
                last_share_percent: 10,
                spread_s: 180,
                prompt_s: 60,
                presence_attempts: 3,
                question_attempts: 1,
                wrong_is_present: true,
                allowance_max_ms: 2_000,
                quiet_prompt_s: 60,
                quiet_reconnect_s: 30,
                alive_window_s: 15,
                background_grace_s: 10,
                absence_hold_s: 120,
                interruptions_max: 2,
                ladder_from_s: 60,
                ladder_to_s: 180,
                failures_to_pause: 2,
                failures_to_review: 3,
                stretch_max_s: 1_200,
                floor_s: 300,
                day_cap_s: None,
                overrun_max_s: 3_600,
                room_after_end_max_s: room_after_end_max_s(),
                together_max: together_max(),
                chat_days: chat_days(),
                face_checks: false,
                action_percent: action_percent(),
                silent_s: silent_s(),
                face_attempts: face_attempts(),
                alternative: alternative(),
                prompt_longer_s: prompt_longer_s(),
                prompt_longest_s: prompt_longest_s(),
                takeover_check: true,
                hours_from: None,
                hours_to: None,
                appeal_window_h: appeal_window_h(),
                appeal_due_days: appeal_due_days(),
            },
        }
    }

    /// Short figures, so that a demonstration shows every rule within a few minutes.
    pub fn demo() -> Self {
        Self {
            figures: PolicyFigures {
                name: "demo".to_owned(),
                first_check_from_s: 8,
                first_check_to_s: 15,
                gap_min_s: 20,
                gap_scale_s: 15,
                gap_max_s: 45,
                spread_s: 4,
                prompt_s: 12,
                quiet_prompt_s: 6,
                quiet_reconnect_s: 4,
                absence_hold_s: 40,
                ladder_from_s: 8,
                ladder_to_s: 15,
                floor_s: 0,
                ..Self::standard().figures
            },
        }
    }

    /// The same with learners known by their faces or not. A look takes some seconds, an act some
    /// more, so prompts are then no shorter than [`FACE_PROMPT_MIN_S`].
    pub fn with_faces(mut self, wanted: bool) -> Self {
        self.figures.face_checks = wanted;
        if wanted {
            let least = |figure: &mut u32| *figure = (*figure).max(FACE_PROMPT_MIN_S);
            least(&mut self.figures.prompt_s);
            least(&mut self.figures.prompt_longer_s);
            least(&mut self.figures.prompt_longest_s);
        }
        self
    }

    /// The same where nothing can see an act.
    pub fn without_acts(mut self) -> Self {
        self.figures.action_percent = 0;
        self
    }

    /// The same for what is left of a film: the floor never keeps anybody from finishing it.
    pub fn for_the_rest(mut self, left_s: u64) -> Self {
        if left_s < 2 * u64::from(self.figures.floor_s) {
            self.figures.floor_s = 0;
        }
        self
    }

    /// The figures, for rules to read.
    pub fn figures(&self) -> &PolicyFigures {
        &self.figures
    }
}

impl TryFrom<PolicyFigures> for ClassroomPolicy {
    type Error = Refusal;

    fn try_from(figures: PolicyFigures) -> Result<Self, Refusal> {
        Self::new(figures)
    }
}

impl From<ClassroomPolicy> for PolicyFigures {
    fn from(policy: ClassroomPolicy) -> Self {
        policy.figures
    }
}

fn appeal_relations(f: &PolicyFigures) -> [(bool, &'static str); 2] {
    [
        (
            (1..=8_760).contains(&f.appeal_window_h),
            "appeal_window_h in 1..=8760",
        ),
        (
            (1..=60).contains(&f.appeal_due_days),
            "appeal_due_days in 1..=60",
        ),
    ]
}

fn relations(f: &PolicyFigures) -> Vec<(bool, &'static str)> {
    let longest = [
        f.first_check_to_s,
        f.gap_max_s,
        f.gap_scale_s,
        f.spread_s,
        f.prompt_s,
        f.prompt_longer_s,
        f.prompt_longest_s,
        f.silent_s,
        f.quiet_prompt_s,
        f.quiet_reconnect_s,
        f.alive_window_s,
        f.absence_hold_s,
        f.ladder_to_s,
        f.stretch_max_s,
        f.floor_s,
        f.overrun_max_s,
    ];
    let mut relations = more_relations(f);
    relations.extend(appeal_relations(f));
    relations.extend([
        (
            longest.iter().all(|s| *s <= FIGURE_MAX_S),
            "figure <= 1 day",
        ),
        (
            f.first_check_from_s <= f.first_check_to_s,
            "first_check_from_s <= first_check_to_s",
        ),
        (f.gap_scale_s >= 1, "gap_scale_s >= 1"),
        // Keeps at least a fifth of the draws, so that drawing again ends soon.
        (
            u64::from(f.gap_max_s) >= u64::from(f.gap_min_s) + u64::from(f.gap_scale_s) / 4,
            "gap_max_s >= gap_min_s + gap_scale_s / 4",
        ),
        (f.gap_max_s > f.gap_min_s, "gap_max_s > gap_min_s"),
        (f.gap_min_s >= 1, "gap_min_s >= 1"),
        (
            (1..=50).contains(&f.last_share_percent),
            "last_share_percent in 1..=50",
        ),
        (f.prompt_s >= 5, "prompt_s >= 5"),
        (
            [f.presence_attempts, f.question_attempts, f.face_attempts]
                .iter()
                .all(|attempts| (1..=10).contains(attempts)),
            "attempts in 1..=10",
        ),
        (f.allowance_max_ms <= 10_000, "allowance_max_ms <= 10000"),
        (
            f.alive_window_s >= 10,
            "alive_window_s >= 10, two signs of life",
        ),
        (
            f.ladder_from_s <= f.ladder_to_s,
            "ladder_from_s <= ladder_to_s",
        ),
        (
            1 <= f.failures_to_pause && f.failures_to_pause <= f.failures_to_review,
            "1 <= failures_to_pause <= failures_to_review",
        ),
        (f.gap_max_s <= f.stretch_max_s, "gap_max_s <= stretch_max_s"),
        (
            f.room_after_end_max_s <= ROOM_AFTER_END_MAX_S,
            "room_after_end_max_s <= 120",
        ),
    ]);
    relations
}

fn more_relations(f: &PolicyFigures) -> Vec<(bool, &'static str)> {
    vec![
        (
            f.background_grace_s <= f.alive_window_s,
            "background_grace_s <= alive_window_s",
        ),
        (f.action_percent <= 100, "action_percent <= 100"),
        (
            (1..=CHAT_DAYS_MAX).contains(&f.chat_days),
            "chat_days in 1..=3650",
        ),
        (f.silent_s >= 5, "silent_s >= 5"),
        (
            !f.alternative.shows_identity(),
            "alternative is presence or question",
        ),
        (
            f.hours_from.unwrap_or(0) < f.hours_to.unwrap_or(24) && f.hours_to.unwrap_or(24) <= 24,
            "hours_from < hours_to <= 24",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_policies_keep_their_own_relations() {
        for policy in [ClassroomPolicy::standard(), ClassroomPolicy::demo()] {
            assert_eq!(ClassroomPolicy::new(policy.figures.clone()), Ok(policy));
        }
    }

    #[test]
    fn a_policy_that_contradicts_itself_is_refused_also_when_read_back() {
        let mut figures = ClassroomPolicy::standard().figures;
        figures.gap_max_s = figures.gap_min_s;
        let refusal = ClassroomPolicy::new(figures.clone()).unwrap_err();
        assert_eq!(refusal.code, "policy.figures");
        let text = serde_json::to_string(&figures).unwrap();
        assert!(serde_json::from_str::<ClassroomPolicy>(&text).is_err());
    }

    #[test]
    fn a_policy_stored_before_a_figure_existed_is_read_with_the_standard_one() {
        let mut stored = serde_json::to_value(ClassroomPolicy::standard()).unwrap();
        let figures = stored.as_object_mut().unwrap();
        figures.remove("together_max").unwrap();
        figures.remove("room_after_end_max_s").unwrap();
        let read: ClassroomPolicy = serde_json::from_value(stored).unwrap();
        assert_eq!(read, ClassroomPolicy::standard());
    }
}
