//! What staff and learners see of a round.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::classroom::check::Given;
use crate::domain::classroom::quiz::Question;
use crate::domain::classroom::round::{AnswerState, Ask, Round, Tally};
use crate::domain::id::{LessonId, RoundId};

/// A round, for those who run the lesson.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StaffRound {
    /// The round.
    #[serde(flatten)]
    pub round: RoundView,
    /// How the class answers.
    pub tally: TallyView,
}

/// A round as learners may see it: a poll, or a question that is over.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LearnerRound {
    /// The round.
    #[serde(flatten)]
    pub round: RoundView,
    /// How the class answered, once it is over; never who, nor anybody's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tally: Option<TallyView>,
    /// In answers to one person: that person voted.
    pub voted: bool,
    /// In answers to one person: whether it was right, of who answered in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub right: Option<bool>,
    /// In answers to one person: what was chosen, by places in `options`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Vec<u8>>,
    /// In answers to one person: what was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written: Option<String>,
}

/// What is the same for everybody.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RoundView {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: RoundId,
    /// In which lesson.
    #[schema(value_type = Uuid)]
    pub lesson_id: LessonId,
    /// `question` or `poll`.
    pub kind: &'static str,
    /// How one answers: a kind of question; of a poll `single` or `multiple`.
    pub answers: &'static str,
    /// What is asked.
    pub text: String,
    /// The options in the bank's order; none where an answer is written.
    pub options: Vec<RoundOption>,
    /// The accepted answers, where an answer is written.
    pub accepted: Vec<String>,
    /// When it was opened.
    pub opened_at: DateTime<Utc>,
    /// When a poll closes by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closes_at: Option<DateTime<Utc>>,
    /// When it was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<DateTime<Utc>>,
}

/// An option of a round.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RoundOption {
    /// Text.
    pub text: String,
    /// Right; absent in a poll.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correct: Option<bool>,
}

/// How a class answers.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TallyView {
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
    /// How often each option was chosen.
    pub options: Vec<u32>,
    /// What was written most often; staff alone see it.
    pub written: Vec<WrittenCount>,
}

/// An answer that was written, and how often.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WrittenCount {
    /// One way in which it was written.
    pub text: String,
    /// How often.
    pub count: u32,
}

impl TallyView {
    fn of(tally: &Tally) -> Self {
        let written = tally.written.iter();
        Self {
            asked: tally.asked,
            waiting: tally.waiting,
            right: tally.right,
            wrong: tally.wrong,
            absent: tally.absent,
            excused: tally.excused,
            options: tally.options.clone(),
            written: written
                .map(|(text, count)| WrittenCount {
                    text: text.clone(),
                    count: *count,
                })
                .collect(),
        }
    }
}

impl RoundView {
    fn of(round: &Round, question: Option<&Question>) -> Self {
        let (kind, answers, text, options, closes_at) = match &round.ask {
            Ask::Question(_) => {
                let options = question.map(Question::options).unwrap_or_default().iter();
                let options = options.map(|option| RoundOption {
                    text: option.text.clone(),
                    correct: Some(option.correct),
                });
                let answers = question.map_or("single", |question| question.kind().name());
                let text = question.map(|question| question.text().to_owned());
                ("question", answers, text, options.collect(), None)
            }
            Ask::Poll { poll, closes_at } => {
                let options = poll.options.iter().map(|text| RoundOption {
                    text: text.clone(),
                    correct: None,
                });
                let answers = if poll.multiple { "multiple" } else { "single" };
                let text = Some(poll.text.clone());
                ("poll", answers, text, options.collect(), Some(*closes_at))
            }
        };
        Self {
            id: round.id,
            lesson_id: round.lesson,
            kind,
            answers,
            text: text.unwrap_or_default(),
            options,
            accepted: question.map_or_else(Vec::new, |q| q.solution().accepted()),
            opened_at: round.opened_at,
            closes_at,
            closed_at: round.closed_at,
        }
    }
}

impl StaffRound {
    /// A round with its count. Staff know the solution: it is their bank.
    pub fn of(round: &Round, question: Option<&Question>) -> Self {
        Self {
            round: RoundView::of(round, question),
            tally: TallyView::of(&round.tally),
        }
    }
}

impl LearnerRound {
    /// What learners may see: of a question nothing before it is over, of a poll no count before.
    pub fn of(round: &Round, question: Option<&Question>) -> Option<Self> {
        let is_over = round.closed_at.is_some();
        if !is_over && matches!(round.ask, Ask::Question(_)) {
            return None;
        }
        let tally = is_over.then(|| TallyView {
            written: Vec::new(),
            ..TallyView::of(&round.tally)
        });
        Some(Self {
            round: RoundView::of(round, question),
            tally,
            voted: false,
            right: None,
            chosen: None,
            written: None,
        })
    }

    /// Adds what the person who asks answered.
    pub fn mine(&mut self, state: AnswerState, given: Option<&Given>) {
        self.right = match state {
            AnswerState::Right => Some(true),
            AnswerState::Wrong => Some(false),
            AnswerState::Waiting | AnswerState::Absent | AnswerState::Excused => None,
        };
        match given {
            Some(Given::Places(places)) => self.chosen = Some(places.clone()),
            Some(Given::Text(text)) => self.written = Some(text.clone()),
            None => {}
        }
    }
}
