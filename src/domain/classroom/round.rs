//! A round: a question or a poll that is put to a whole class at once, and how the class answers.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::check::{Given, Outcome};
use super::solution::comparable;
use crate::domain::id::{AccountId, LessonId, QuestionId, RoundId};
use crate::domain::refusal::{Refusal, RefusalKind};

/// A round as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// Its id.
    pub id: RoundId,
    /// In which lesson.
    pub lesson: LessonId,
    /// Who asked.
    pub by: AccountId,
    /// What.
    pub ask: Ask,
    /// When.
    pub opened_at: DateTime<Utc>,
    /// Everybody who could be asked is.
    pub asked_all: bool,
    /// When it was over.
    pub closed_at: Option<DateTime<Utc>>,
    /// How the class answered, as told last.
    pub tally: Tally,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// An item of the bank: everybody present is checked by it.
    Question(QuestionId),
    /// What people think: nobody is checked, and nobody is right.
    Poll {
        /// What is asked.
        poll: Poll,
        /// When it closes by itself.
        closes_at: DateTime<Utc>,
    },
}

/// A poll, checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poll {
    /// What is asked.
    pub text: String,
    /// Two to eight.
    pub options: Vec<String>,
    /// Several may be chosen.
    pub multiple: bool,
}

/// How a class answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Who was asked; of a poll, who voted.
    pub asked: u32,
    /// Not answered yet.
    pub waiting: u32,
    /// Present, and right.
    pub right: u32,
    /// Present, and wrong.
    pub wrong: u32,
    /// Did not answer.
    pub absent: u32,
    /// Could not answer, and not by their own doing.
    pub excused: u32,
    /// How often each option was chosen, in the bank's order.
    pub options: Vec<u32>,
    /// What was written most often, and how often; at most [`WRITTEN_MAX`].
    pub written: Vec<(String, u32)>,
}

/// How one learner stands in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerState {
    /// Not answered for good.
    Waiting,
    /// Present, and right.
    Right,
    /// Present, and wrong.
    Wrong,
    /// Did not answer.
    Absent,
    /// Could not answer.
    Excused,
}

/// Answers told word by word.
const WRITTEN_MAX: usize = 8;
/// Most options of a poll.
const OPTIONS_MAX: usize = 8;
/// Longest text of a poll, characters.
const TEXT_CHARS_MAX: usize = 200;
/// Longest text of an option, characters.
const OPTION_CHARS_MAX: usize = 60;
/// How long a poll may be open, seconds.
const POLL_SECONDS: std::ops::RangeInclusive<u32> = 10..=600;
/// Most rounds of one lesson.
pub const ROUNDS_MAX: u32 = 200;
/// Most rounds that are open at once.
pub const OPEN_MAX: u32 = 5;
/// After so long everybody is asked, whatever became of the server meanwhile.
const ASKING_MAX: TimeDelta = TimeDelta::minutes(5);

impl AnswerState {
    /// The name stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Right => "right",
            Self::Wrong => "wrong",
            Self::Absent => "absent",
            Self::Excused => "excused",
        }
    }

    /// What the end of a check says.
    pub fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Passed | Outcome::PassedLowAssurance => Self::Right,
            Outcome::PassedWrong | Outcome::FailedWrong => Self::Wrong,
            Outcome::Missed
            | Outcome::Refused
            | Outcome::FailedMismatch
            | Outcome::FailedNoFace
            | Outcome::FailedManyFaces
            | Outcome::FailedLiveness
            | Outcome::FailedCovered => Self::Absent,
            Outcome::Interrupted | Outcome::Exempt | Outcome::Void => Self::Excused,
        }
    }
}

impl std::str::FromStr for AnswerState {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        use AnswerState::{Absent, Excused, Right, Waiting, Wrong};
        [Waiting, Right, Wrong, Absent, Excused]
            .into_iter()
            .find(|state| state.name() == text)
            .ok_or_else(|| format!("unknown state of an answer {text:?}"))
    }
}

impl Poll {
    /// Trims and checks; refuses with `poll.text` or `poll.options`.
    pub fn checked(self) -> Result<Self, Refusal> {
        let text = self.text.trim().to_owned();
        if !(1..=TEXT_CHARS_MAX).contains(&text.chars().count()) {
            return Err(invalid(
                "poll.text",
                "投票的题目应为 1 至 200 个字。",
                "A poll's text has 1 to 200 characters.",
            ));
        }
        let options: Vec<String> = self.options.iter().map(|o| o.trim().to_owned()).collect();
        let fits = |option: &String| (1..=OPTION_CHARS_MAX).contains(&option.chars().count());
        let different: BTreeSet<&String> = options.iter().collect();
        let count = options.len();
        if !(2..=OPTIONS_MAX).contains(&count)
            || !options.iter().all(fits)
            || different.len() != count
        {
            return Err(invalid(
                "poll.options",
                "投票应有 2 至 8 个不同的选项，每个不超过 60 个字。",
                "A poll has 2 to 8 different options of at most 60 characters.",
            ));
        }
        Ok(Self {
            text,
            options,
            ..self
        })
    }

    /// Refuses a vote for nothing, for what is no option, or for too many: `poll.vote`.
    pub fn vote(&self, places: &[u8]) -> Result<BTreeSet<u8>, Refusal> {
        let chosen: BTreeSet<u8> = places.iter().copied().collect();
        let known = chosen
            .iter()
            .all(|at| usize::from(*at) < self.options.len());
        let fits = if self.multiple {
            1..=OPTIONS_MAX
        } else {
            1..=1
        };
        if known && fits.contains(&chosen.len()) {
            Ok(chosen)
        } else {
            Err(invalid(
                "poll.vote",
                "请从选项中选择。",
                "Choose from the options.",
            ))
        }
    }
}

impl Round {
    /// The item, when an item of the bank is asked.
    pub fn question(&self) -> Option<QuestionId> {
        match &self.ask {
            Ask::Question(question) => Some(*question),
            Ask::Poll { .. } => None,
        }
    }

    /// The poll, when it is one.
    pub fn poll(&self) -> Option<&Poll> {
        match &self.ask {
            Ask::Question(_) => None,
            Ask::Poll { poll, .. } => Some(poll),
        }
    }

    /// A round that begins. Refuses with `round.many` when too many are open, with `round.full`
    /// when the lesson has had too many.
    pub fn open(
        id: RoundId,
        lesson: LessonId,
        by: AccountId,
        ask: Ask,
        (open, all): (u32, u32),
        now: DateTime<Utc>,
    ) -> Result<Self, Refusal> {
        if open >= OPEN_MAX {
            return Err(Refusal::new(
                RefusalKind::Conflict,
                "round.many",
                "还有几道题没有结束，请稍等。",
                "Several questions are still open; wait for them to end.",
            ));
        }
        if all >= ROUNDS_MAX {
            return Err(Refusal::new(
                RefusalKind::Limited,
                "round.full",
                "这节课提的问题太多了。",
                "There were too many questions in this lesson.",
            ));
        }
        Ok(Self {
            id,
            lesson,
            by,
            asked_all: matches!(ask, Ask::Poll { .. }),
            ask,
            opened_at: now,
            closed_at: None,
            tally: Tally::default(),
        })
    }

    /// When a poll closes that is open for so long. Refuses with `poll.seconds`.
    pub fn poll_closes(seconds: u32, now: DateTime<Utc>) -> Result<DateTime<Utc>, Refusal> {
        match POLL_SECONDS.contains(&seconds) {
            true => Ok(now + TimeDelta::seconds(seconds.into())),
            false => Err(invalid(
                "poll.seconds",
                "投票时间应为 10 至 600 秒。",
                "A poll is open for 10 to 600 seconds.",
            )),
        }
    }

    /// Whether it is over by now: of a question, nobody's window is open any more.
    pub fn is_over(&self, tally: &Tally, now: DateTime<Utc>) -> bool {
        match &self.ask {
            Ask::Question(_) => {
                let asked_all = self.asked_all || now - self.opened_at >= ASKING_MAX;
                asked_all && tally.waiting == 0
            }
            Ask::Poll { closes_at, .. } => *closes_at <= now,
        }
    }
}

impl Tally {
    /// Counts the answers to a question of so many options.
    pub fn of(options: usize, answers: &[(AnswerState, Option<Given>)]) -> Self {
        let mut tally = Self {
            options: vec![0; options],
            ..Self::default()
        };
        let mut written: BTreeMap<String, (String, u32)> = BTreeMap::new();
        for (state, given) in answers {
            tally.asked += 1;
            *match state {
                AnswerState::Waiting => &mut tally.waiting,
                AnswerState::Right => &mut tally.right,
                AnswerState::Wrong => &mut tally.wrong,
                AnswerState::Absent => &mut tally.absent,
                AnswerState::Excused => &mut tally.excused,
            } += 1;
            match given {
                Some(Given::Places(places)) => {
                    for place in places {
                        if let Some(count) = tally.options.get_mut(usize::from(*place)) {
                            *count += 1;
                        }
                    }
                }
                Some(Given::Text(text)) => {
                    let seen = written.entry(comparable(text));
                    seen.or_insert_with(|| (text.trim().to_owned(), 0)).1 += 1;
                }
                None => {}
            }
        }
        tally.written = written.into_values().collect();
        tally.written.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
        tally.written.truncate(WRITTEN_MAX);
        tally
    }

    /// Of a poll: how many voted, and for what.
    pub fn of_poll(voters: u32, options: Vec<u32>) -> Self {
        Self {
            asked: voters,
            options,
            ..Self::default()
        }
    }
}

/// The refusal of a vote that comes too late or a second time.
pub fn vote_refused(is_closed: bool) -> Refusal {
    let (code, zh, en) = match is_closed {
        true => ("poll.closed", "投票已经结束。", "The poll is over."),
        false => ("poll.voted", "您已经投过票了。", "You have voted already."),
    };
    Refusal::new(RefusalKind::Conflict, code, zh, en)
}

fn invalid(code: &'static str, zh: &str, en: &str) -> Refusal {
    Refusal::new(RefusalKind::Invalid, code, zh, en)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn round(ask: Ask, open: u32, all: u32) -> Result<Round, Refusal> {
        let (id, lesson) = (RoundId(Uuid::nil()), LessonId(Uuid::nil()));
        let by = AccountId(Uuid::nil());
        Round::open(id, lesson, by, ask, (open, all), DateTime::UNIX_EPOCH)
    }

    fn question() -> Ask {
        Ask::Question(QuestionId(Uuid::nil()))
    }

    #[test]
    fn a_question_is_over_after_the_last_window_and_never_before_all_are_asked() {
        let now = DateTime::UNIX_EPOCH;
        let mut round = round(question(), 0, 0).unwrap();
        let waiting = Tally {
            waiting: 1,
            ..Tally::default()
        };
        assert!(
            !round.is_over(&Tally::default(), now),
            "others are still asked"
        );
        assert!(round.is_over(&Tally::default(), now + ASKING_MAX));
        round.asked_all = true;
        assert!(round.is_over(&Tally::default(), now));
        assert!(!round.is_over(&waiting, now + TimeDelta::hours(1)));
    }

    #[test]
    fn a_poll_is_over_at_its_time() {
        let now = DateTime::UNIX_EPOCH;
        let poll = poll(&["yes", "no"], false).unwrap();
        let closes_at = Round::poll_closes(30, now).unwrap();
        let round = round(Ask::Poll { poll, closes_at }, 0, 0).unwrap();
        let tally = Tally::default();
        assert!(!round.is_over(&tally, now + TimeDelta::seconds(29)));
        assert!(round.is_over(&tally, now + TimeDelta::seconds(30)));
        for seconds in [0, 9, 601] {
            let refused = Round::poll_closes(seconds, now).unwrap_err();
            assert_eq!(refused.code, "poll.seconds");
        }
    }

    #[test]
    fn rounds_are_bounded() {
        assert_eq!(
            round(question(), OPEN_MAX, 9).unwrap_err().code,
            "round.many"
        );
        assert_eq!(
            round(question(), 0, ROUNDS_MAX).unwrap_err().code,
            "round.full"
        );
    }

    #[test]
    fn a_tally_tells_right_wrong_and_absent_apart_and_counts_every_option() {
        let tally = Tally::of(
            3,
            &[
                (AnswerState::Right, Some(Given::Places(vec![0, 2]))),
                (AnswerState::Wrong, Some(Given::Places(vec![0]))),
                (AnswerState::Wrong, Some(Given::Places(vec![9]))),
                (AnswerState::Absent, None),
                (AnswerState::Excused, None),
                (AnswerState::Waiting, None),
            ],
        );
        assert_eq!(tally.options, [2, 0, 1]);
        assert_eq!((tally.asked, tally.right, tally.wrong), (6, 1, 2));
        assert_eq!((tally.absent, tally.excused, tally.waiting), (1, 1, 1));
    }

    #[test]
    fn written_answers_that_say_the_same_are_counted_together_most_often_first() {
        let text = |text: &str| (AnswerState::Right, Some(Given::Text(text.into())));
        let mut answers = vec![
            text("刑法"),
            text("民法典"),
            text("《民法典》"),
            text("民法典。"),
        ];
        answers.extend((0..20).map(|n| text(&format!("第{n}"))));
        let tally = Tally::of(0, &answers);
        assert_eq!(tally.written[0], ("民法典".to_owned(), 3));
        assert_eq!(tally.written.len(), WRITTEN_MAX);
    }

    fn poll(options: &[&str], multiple: bool) -> Result<Poll, Refusal> {
        let poll = Poll {
            text: " Which? ".into(),
            options: options.iter().map(ToString::to_string).collect(),
            multiple,
        };
        poll.checked()
    }

    #[test]
    fn a_vote_names_as_many_options_as_the_poll_allows() {
        let single = poll(&["a", "b", "c"], false).unwrap();
        let several = poll(&["a", "b", "c"], true).unwrap();
        assert_eq!(single.text, "Which?");
        assert_eq!(single.vote(&[1, 1]), Ok(BTreeSet::from([1])));
        assert_eq!(several.vote(&[2, 0]), Ok(BTreeSet::from([0, 2])));
        for (poll, vote) in [(&single, &[0, 1][..]), (&single, &[]), (&several, &[3])] {
            assert_eq!(poll.vote(vote).unwrap_err().code, "poll.vote");
        }
        for options in [&["a"][..], &["a", "a"], &["a", " "], &["a"; 9]] {
            assert_eq!(poll(options, false).unwrap_err().code, "poll.options");
        }
    }
}
