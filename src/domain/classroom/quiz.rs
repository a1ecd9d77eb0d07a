//! Questions: what a bank holds, which one a learner gets, in what order, and whether it is right.

use serde::{Deserialize, Serialize};

use super::schedule::{DrawUse, Seed};
use super::solution::Solution;
use crate::domain::id::{QuestionId, UnitId};
use crate::domain::refusal::{Refusal, RefusalKind};

/// How one answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuestionKind {
    /// Exactly one of at least two.
    Single,
    /// One or more of at least two; right only when exactly those are chosen.
    Multiple,
    /// Two options, one right.
    TrueFalse,
    /// A number is written.
    Numeric,
    /// A few words are written.
    ShortText,
}

impl QuestionKind {
    /// The name stored and sent.
    pub fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Multiple => "multiple",
            Self::TrueFalse => "true_false",
            Self::Numeric => "numeric",
            Self::ShortText => "short_text",
        }
    }

    /// True where one chooses, false where one writes.
    pub fn has_options(self) -> bool {
        match self {
            Self::Single | Self::Multiple | Self::TrueFalse => true,
            Self::Numeric | Self::ShortText => false,
        }
    }
}

impl std::str::FromStr for QuestionKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        use QuestionKind::{Multiple, Numeric, ShortText, Single, TrueFalse};
        [Single, Multiple, TrueFalse, Numeric, ShortText]
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| format!("unknown kind of question {text:?}"))
    }
}

/// An option of a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestionOption {
    /// What the learner reads.
    pub text: String,
    /// Whether choosing it is right; never leaves the server before the lesson ends.
    pub correct: bool,
}

/// An item of the question bank, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    id: QuestionId,
    unit: UnitId,
    text: String,
    kind: QuestionKind,
    solution: Solution,
}

/// The question one learner was given: which, and its options in the learner's own order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestionDraw {
    /// Which item.
    pub question: QuestionId,
    /// Place in the learner's list → place in the bank's list.
    pub order: Vec<u8>,
}

impl QuestionDraw {
    /// The places in the bank of the options with these keys; an unknown key is none.
    pub fn places(&self, keys: &[String]) -> Vec<u8> {
        let chosen = |(place, _): &(usize, &u8)| keys.contains(&key_of(*place));
        let order = self.order.iter().enumerate();
        let mut places: Vec<u8> = order.filter(chosen).map(|(_, bank)| *bank).collect();
        places.sort_unstable();
        places
    }
}

/// An option as a learner sees it: the key tells nothing about its place in the bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownOption {
    /// `a`, `b`, ... down the learner's own list.
    pub key: String,
    /// Text.
    pub text: String,
}

/// Most options of a question: one key letter each.
const OPTIONS_MAX: usize = 8;
/// Longest text of a question, characters.
const TEXT_CHARS_MAX: usize = 1_000;
/// Longest text of an option, characters.
const OPTION_CHARS_MAX: usize = 300;

impl Question {
    /// Checks an item: texts within bounds; two to eight options, as many right ones as its kind
    /// asks for, or accepted answers. Refuses with `question.text`, `question.options`,
    /// `question.correct` or `question.answers`.
    pub fn new(
        id: QuestionId,
        unit: UnitId,
        text: &str,
        kind: QuestionKind,
        solution: impl Into<Solution>,
    ) -> Result<Self, Refusal> {
        let text = bounded(text, TEXT_CHARS_MAX, "question.text")?;
        let solution = match solution.into() {
            Solution::Options(options) => Solution::Options(checked_options(kind, options)?),
            Solution::Numbers(ranges) if kind == QuestionKind::Numeric => {
                Solution::Numbers(ranges).checked()?
            }
            Solution::Words(words) if kind == QuestionKind::ShortText => {
                Solution::Words(words).checked()?
            }
            Solution::Numbers(_) | Solution::Words(_) => {
                return Err(invalid(
                    "question.answers",
                    "答案的写法不符合题型要求",
                    "the accepted answers do not fit the kind of question",
                ));
            }
        };
        Ok(Self {
            id,
            unit,
            text,
            kind,
            solution,
        })
    }

    /// Its id.
    pub fn id(&self) -> QuestionId {
        self.id
    }

    /// The unit whose bank holds it.
    pub fn unit(&self) -> UnitId {
        self.unit
    }

    /// What is asked.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How one answers.
    pub fn kind(&self) -> QuestionKind {
        self.kind
    }

    /// What makes an answer right.
    pub fn solution(&self) -> &Solution {
        &self.solution
    }

    /// The options in the bank's order; none where an answer is written.
    pub fn options(&self) -> &[QuestionOption] {
        self.solution.options()
    }

    /// This learner's order of options, from the seed and the check's number.
    pub fn shuffle(&self, seed: &Seed, check_number: u32) -> QuestionDraw {
        let mut order: Vec<u8> = (0..=u8::MAX).take(self.options().len()).collect();
        for last in (1..order.len()).rev() {
            let step = u16::try_from(last).unwrap_or(u16::MAX);
            let unit = seed.draw_for(DrawUse::Shuffle, check_number, step);
            order.swap(last, scaled(unit, last + 1));
        }
        QuestionDraw {
            question: self.id,
            order,
        }
    }

    /// The options in a learner's order. A draw of another question shows nothing.
    pub fn shown(&self, draw: &QuestionDraw) -> Vec<ShownOption> {
        self.in_order(draw)
            .map(|(key, option)| ShownOption {
                key,
                text: option.text.clone(),
            })
            .collect()
    }

    /// Whether exactly the right options were chosen; order and repetition do not matter.
    ///
    /// Refuses with `answer.keys` when nothing or an unknown key was chosen. A written answer is
    /// graded by [`Solution::grade`].
    pub fn grade(&self, draw: &QuestionDraw, keys: &[String]) -> Result<bool, Refusal> {
        let known = |key: &String| self.in_order(draw).any(|(shown, _)| shown == *key);
        if keys.is_empty() || keys.len() > OPTIONS_MAX || !keys.iter().all(known) {
            return Err(invalid(
                "answer.keys",
                "所选答案不在选项之中",
                "the answer names no option of this question",
            ));
        }
        Ok(self
            .in_order(draw)
            .all(|(key, option)| option.correct == keys.contains(&key)))
    }

    fn in_order<'a>(
        &'a self,
        draw: &'a QuestionDraw,
    ) -> impl Iterator<Item = (String, &'a QuestionOption)> {
        draw.order
            .iter()
            .filter(|_| draw.question == self.id)
            .enumerate()
            .filter_map(|(place, bank)| {
                let option = self.options().get(usize::from(*bank))?;
                Some((key_of(place), option))
            })
    }
}

/// The question this learner gets: drawn from those not yet asked, or from all when none is left.
/// An empty bank gives none.
pub fn draw_question<'a>(
    bank: &'a [Question],
    asked: &[QuestionId],
    seed: &Seed,
    check_number: u32,
) -> Option<&'a Question> {
    let fresh: Vec<&Question> = bank
        .iter()
        .filter(|item| !asked.contains(&item.id))
        .collect();
    let pool = if fresh.is_empty() {
        bank.iter().collect()
    } else {
        fresh
    };
    let unit = seed.draw_for(DrawUse::Question, check_number, 0);
    (!pool.is_empty()).then(|| pool[scaled(unit, pool.len())])
}

fn checked_options(
    kind: QuestionKind,
    options: Vec<QuestionOption>,
) -> Result<Vec<QuestionOption>, Refusal> {
    let options = options
        .into_iter()
        .map(|option| {
            let text = bounded(&option.text, OPTION_CHARS_MAX, "question.options")?;
            Ok(QuestionOption { text, ..option })
        })
        .collect::<Result<Vec<_>, Refusal>>()?;
    let most = match kind {
        QuestionKind::Single | QuestionKind::Multiple => OPTIONS_MAX,
        QuestionKind::TrueFalse => 2,
        QuestionKind::Numeric | QuestionKind::ShortText => 0,
    };
    if !(2..=most).contains(&options.len()) {
        return Err(invalid(
            "question.options",
            "选项数量不符合题型要求",
            "the number of options does not fit the kind of question",
        ));
    }
    let correct = options.iter().filter(|option| option.correct).count();
    let fits = match kind {
        QuestionKind::Multiple => correct >= 1,
        QuestionKind::Single
        | QuestionKind::TrueFalse
        | QuestionKind::Numeric
        | QuestionKind::ShortText => correct == 1,
    };
    if !fits {
        return Err(invalid(
            "question.correct",
            "正确答案的数量不符合题型要求",
            "the number of right options does not fit the kind of question",
        ));
    }
    Ok(options)
}

fn key_of(place: usize) -> String {
    let letter = u8::try_from(place).unwrap_or(u8::MAX).saturating_add(b'a');
    char::from(letter).to_string()
}

fn scaled(unit: f64, count: usize) -> usize {
    ((unit * count as f64) as usize).min(count.saturating_sub(1))
}

fn bounded(text: &str, chars_max: usize, code: &'static str) -> Result<String, Refusal> {
    let text = text.trim();
    let count = text.chars().count();
    if (1..=chars_max).contains(&count) {
        Ok(text.to_owned())
    } else {
        Err(invalid(
            code,
            "题目或选项的文字为空或过长",
            "a text of the question is empty or too long",
        ))
    }
}

fn invalid(code: &'static str, zh: &str, en: &str) -> Refusal {
    Refusal::new(RefusalKind::Invalid, code, zh, en)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn question(n: u128, kind: QuestionKind, right: &[bool]) -> Result<Question, Refusal> {
        let options: Vec<QuestionOption> = right
            .iter()
            .enumerate()
            .map(|(i, correct)| QuestionOption {
                text: format!("option {i}"),
                correct: *correct,
            })
            .collect();
        let (id, unit) = (QuestionId(Uuid::from_u128(n)), UnitId(Uuid::nil()));
        Question::new(id, unit, "Which?", kind, options)
    }

    #[test]
    fn an_item_has_as_many_right_options_as_its_kind_asks_for() {
        assert!(question(1, QuestionKind::Single, &[true, false, false]).is_ok());
        assert!(question(1, QuestionKind::Multiple, &[true, true, false]).is_ok());
        assert!(question(1, QuestionKind::TrueFalse, &[false, true]).is_ok());
        let code = |kind, right: &[bool]| question(1, kind, right).unwrap_err().code;
        assert_eq!(
            code(QuestionKind::Single, &[true, true]),
            "question.correct"
        );
        assert_eq!(
            code(QuestionKind::Multiple, &[false, false]),
            "question.correct"
        );
        assert_eq!(code(QuestionKind::Single, &[true]), "question.options");
        assert_eq!(
            code(QuestionKind::TrueFalse, &[true, false, false]),
            "question.options"
        );
        assert_eq!(code(QuestionKind::Single, &[true; 9]), "question.options");
    }

    #[test]
    fn a_written_item_is_graded_by_its_words_and_shows_no_options() {
        let words = Solution::Words(vec!["司法所".into()]);
        let (id, unit) = (QuestionId(Uuid::nil()), UnitId(Uuid::nil()));
        let new = |kind| Question::new(id, unit, "Who?", kind, words.clone());
        let item = new(QuestionKind::ShortText).unwrap();
        let draw = item.shuffle(&Seed::from_bytes([1; 32]), 0);
        assert_eq!((item.shown(&draw), draw.order.len()), (Vec::new(), 0));
        assert_eq!(item.solution().grade("“司法所”。"), Ok(true));
        let chosen = item.grade(&draw, &["a".into()]).unwrap_err();
        assert_eq!(chosen.code, "answer.keys");
        for kind in [QuestionKind::Numeric, QuestionKind::Single] {
            assert_eq!(new(kind).unwrap_err().code, "question.answers");
        }
        let choice = question(1, QuestionKind::Single, &[true, false]).unwrap();
        assert_eq!(
            choice.solution().grade("a").unwrap_err().code,
            "answer.kind"
        );
    }

    #[test]
    fn only_exactly_the_right_options_are_right_whatever_their_order() {
        let item = question(1, QuestionKind::Multiple, &[true, false, true, false]).unwrap();
        for n in 0..50_u8 {
            let seed = Seed::from_bytes([n; 32]);
            let draw = item.shuffle(&seed, 3);
            let mut right: Vec<String> = item
                .shown(&draw)
                .into_iter()
                .filter(|o| o.text == "option 0" || o.text == "option 2")
                .map(|o| o.key)
                .collect();
            assert_eq!(item.grade(&draw, &right), Ok(true), "seed {n}");
            assert_eq!(draw.places(&right), [0, 2]);
            right.reverse();
            assert_eq!(item.grade(&draw, &right), Ok(true));
            assert_eq!(item.grade(&draw, &right[..1]), Ok(false));
            let all: Vec<String> = item.shown(&draw).into_iter().map(|o| o.key).collect();
            assert_eq!(all, ["a", "b", "c", "d"]);
            assert_eq!(item.grade(&draw, &all), Ok(false));
            assert_eq!(
                item.grade(&draw, &["e".into()]).unwrap_err().code,
                "answer.keys"
            );
            assert_eq!(item.grade(&draw, &[]).unwrap_err().code, "answer.keys");
        }
    }

    #[test]
    fn neighbours_see_different_orders_and_no_question_twice_while_others_are_left() {
        let bank: Vec<Question> = (1..=3)
            .map(|n| question(n, QuestionKind::Single, &[true, false, false, false]).unwrap())
            .collect();
        let orders: std::collections::BTreeSet<Vec<u8>> = (0..100)
            .map(|n| bank[0].shuffle(&Seed::from_bytes([n; 32]), 0).order)
            .collect();
        assert!(orders.len() > 15, "{} of 24 orders", orders.len());
        let seed = Seed::from_bytes([9; 32]);
        let mut asked = Vec::new();
        for number in 0..3 {
            let item = draw_question(&bank, &asked, &seed, number).unwrap();
            assert!(!asked.contains(&item.id()));
            asked.push(item.id());
        }
        assert!(draw_question(&bank, &asked, &seed, 3).is_some());
        assert!(draw_question(&[], &[], &seed, 3).is_none());
    }
}
