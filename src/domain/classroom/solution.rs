//! What makes an answer right: options, ranges of numbers, or words.

use rust_decimal::Decimal;
use unicode_normalization::UnicodeNormalization as _;

use super::quiz::{QuestionKind, QuestionOption};
use crate::domain::refusal::{Refusal, RefusalKind};

/// The solution of a question; it never leaves the server before the last window is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Solution {
    /// Options, some of them right.
    Options(Vec<QuestionOption>),
    /// A number inside one of these ranges is right.
    Numbers(Vec<NumberRange>),
    /// One of these is right, written in whatever case, width and punctuation.
    Words(Vec<String>),
}

/// Numbers from one to another, both included; exact decimals, so that an edge is no matter of
/// rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberRange {
    low: Decimal,
    high: Decimal,
}

/// Most accepted answers of a question.
const ACCEPTED_MAX: usize = 20;
/// Longest written answer, accepted or given, characters.
pub const WRITTEN_CHARS_MAX: usize = 100;

impl Solution {
    /// The solution of a question of this kind as people write it: options, or accepted answers.
    /// Refuses with `question.options` or `question.answers`.
    pub fn written(
        kind: QuestionKind,
        options: Vec<QuestionOption>,
        accepted: &[String],
    ) -> Result<Self, Refusal> {
        if kind.has_options() {
            return match accepted {
                [] => Ok(Self::Options(options)),
                _ => Err(unfit_answers()),
            };
        }
        if !options.is_empty() {
            return Err(invalid(
                "question.options",
                "填空题和数值题没有选项",
                "a short-text or numeric question has no options",
            ));
        }
        match kind {
            QuestionKind::Numeric => {
                let ranges = accepted.iter().map(|text| NumberRange::read(text));
                let ranges: Option<_> = ranges.collect();
                ranges.map(Self::Numbers).ok_or_else(unfit_answers)
            }
            QuestionKind::ShortText
            | QuestionKind::Single
            | QuestionKind::Multiple
            | QuestionKind::TrueFalse => Ok(Self::Words(accepted.to_vec())),
        }
    }

    /// The accepted answers as [`Solution::written`] reads them; none where there are options.
    pub fn accepted(&self) -> Vec<String> {
        match self {
            Self::Options(_) => Vec::new(),
            Self::Numbers(ranges) => ranges.iter().map(ToString::to_string).collect(),
            Self::Words(words) => words.clone(),
        }
    }

    /// The options, none where an answer is written.
    pub fn options(&self) -> &[QuestionOption] {
        match self {
            Self::Options(options) => options,
            Self::Numbers(_) | Self::Words(_) => &[],
        }
    }

    /// Trims accepted answers and checks their number and form. Refuses with `question.answers`.
    pub(super) fn checked(self) -> Result<Self, Refusal> {
        let (solution, count) = match self {
            Self::Options(options) => return Ok(Self::Options(options)),
            Self::Numbers(ranges) => {
                let count = ranges.len();
                (Self::Numbers(ranges), count)
            }
            Self::Words(words) => {
                let words: Vec<String> = words.iter().map(|word| word.trim().to_owned()).collect();
                let fits = |word: &String| {
                    word.chars().count() <= WRITTEN_CHARS_MAX && !comparable(word).is_empty()
                };
                if !words.iter().all(fits) {
                    return Err(unfit_answers());
                }
                let count = words.len();
                (Self::Words(words), count)
            }
        };
        match count {
            1..=ACCEPTED_MAX => Ok(solution),
            _ => Err(unfit_answers()),
        }
    }

    /// Whether a written answer is right. Refuses with `answer.number` or `answer.text` what is no
    /// answer at all, so that a slip of the pen costs no try, and with `answer.kind` where one
    /// chooses.
    pub fn grade(&self, text: &str) -> Result<bool, Refusal> {
        let too_long = text.chars().count() > WRITTEN_CHARS_MAX;
        match self {
            Self::Options(_) => Err(invalid(
                "answer.kind",
                "这道题请选择答案",
                "this question is answered by choosing",
            )),
            Self::Numbers(ranges) => {
                let number = number(text).filter(|_| !too_long).ok_or_else(|| {
                    invalid(
                        "answer.number",
                        "请只填一个数字，不带单位",
                        "write one number, without a unit",
                    )
                })?;
                Ok(ranges.iter().any(|range| range.contains(number)))
            }
            Self::Words(words) => {
                let given = comparable(text);
                if given.is_empty() || too_long {
                    return Err(invalid(
                        "answer.text",
                        "请填写答案，最多 100 个字",
                        "write an answer of at most 100 characters",
                    ));
                }
                Ok(words.iter().any(|word| comparable(word) == given))
            }
        }
    }
}

impl From<Vec<QuestionOption>> for Solution {
    fn from(options: Vec<QuestionOption>) -> Self {
        Self::Options(options)
    }
}

impl NumberRange {
    /// Reads `5`, `3.14:0.01`, `3.14±0.01`, `1..5` or `1~5`; nothing for anything else, and for a
    /// range that holds no number.
    pub fn read(text: &str) -> Option<Self> {
        let text: String = text.nfkc().collect();
        let ends = text.split_once("..").or_else(|| text.split_once('~'));
        let (low, high) = if let Some((low, high)) = ends {
            (number(low)?, number(high)?)
        } else if let Some((middle, apart)) = text.split_once(':').or_else(|| text.split_once('±'))
        {
            let (middle, apart) = (number(middle)?, number(apart)?);
            (middle.checked_sub(apart)?, middle.checked_add(apart)?)
        } else {
            let exactly = number(&text)?;
            (exactly, exactly)
        };
        (low <= high).then_some(Self { low, high })
    }

    fn contains(&self, number: Decimal) -> bool {
        (self.low..=self.high).contains(&number)
    }
}

impl std::fmt::Display for NumberRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (low, high) = (self.low.normalize(), self.high.normalize());
        match low == high {
            true => low.fmt(f),
            false => write!(f, "{low}..{high}"),
        }
    }
}

/// A number as people write it: in any width, with any minus sign, thousands set apart, and `。`
/// where an input method put it for the point.
pub fn number(text: &str) -> Option<Decimal> {
    let plain: String = text
        .nfkc()
        .filter(|character| !character.is_whitespace())
        .map(|character| match character {
            '。' | '·' => '.',
            '\u{2212}' | '\u{2013}' | '\u{2014}' => '-',
            other => other,
        })
        .collect();
    let unsigned = plain.strip_prefix(['-', '+']).unwrap_or(&plain);
    let (whole, _) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let mut groups = whole.split(',');
    let grouped = whole.contains(',')
        && groups
            .next()
            .is_some_and(|first| (1..=3).contains(&first.len()))
        && groups.all(|group| group.len() == 3);
    let plain = match grouped {
        true => plain.replace(',', ""),
        false => plain,
    };
    let exponent = plain.contains(['e', 'E']);
    let legal = |c: char| c.is_ascii_digit() || c == '.' || c == '-' || c == '+';
    if !plain.starts_with(|c: char| legal(c))
        || !plain.ends_with(|c: char| c.is_ascii_digit() || c == '.')
    {
        return None;
    }
    match exponent {
        true => Decimal::from_scientific(&plain).ok(),
        false if plain.chars().all(legal) => Decimal::from_str_exact(&plain).ok(),
        false => None,
    }
}

/// Words by what they say: compatibility forms made one (NFKC, so width does not matter), lower
/// case, and without spaces and punctuation. Between two Latin letters or digits marks and spaces
/// stay, because there they tell apart (`1.5` and `15`); a minus before a digit stays too.
pub fn comparable(text: &str) -> String {
    let all: Vec<char> = text
        .nfkc()
        .flat_map(char::to_lowercase)
        .map(one_mark)
        .collect();
    let mut kept = String::with_capacity(text.len());
    for (at, character) in all.iter().copied().enumerate() {
        let before = kept.chars().next_back();
        let after = all[at + 1..].iter().copied().find(|c| !c.is_whitespace());
        let latin = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        if character.is_whitespace() {
            if latin(before) && latin(after) {
                kept.push(' ');
            }
        } else if !is_mark(character)
            || (latin(before) && latin(all.get(at + 1).copied()))
            || (character == '-' && digit(after) && !latin(before))
        {
            kept.push(character);
        }
    }
    kept
}

/// Marks that people take for one another.
fn one_mark(character: char) -> char {
    match character {
        '。' => '.',
        '、' => ',',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        '“' | '”' | '„' | '「' | '」' | '『' | '』' => '"',
        '‘' | '’' => '\'',
        other => other,
    }
}

/// Punctuation that says nothing by itself; signs such as `%` and `+` are none.
fn is_mark(character: char) -> bool {
    const MARKS: &str = "!\"'(),-./:;?[]_`{}~《》〈〉【】〔〕〖〗·•…〜¿¡";
    MARKS.contains(character)
}

fn unfit_answers() -> Refusal {
    invalid(
        "question.answers",
        "答案的数量或写法不符合题型要求",
        "the accepted answers do not fit the kind of question",
    )
}

fn invalid(code: &'static str, zh: &str, en: &str) -> Refusal {
    Refusal::new(RefusalKind::Invalid, code, zh, en)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbers(accepted: &[&str]) -> Solution {
        let accepted: Vec<String> = accepted.iter().map(ToString::to_string).collect();
        let solution = Solution::written(QuestionKind::Numeric, Vec::new(), &accepted);
        solution.unwrap().checked().unwrap()
    }

    fn words(accepted: &[&str]) -> Result<Solution, Refusal> {
        let accepted: Vec<String> = accepted.iter().map(ToString::to_string).collect();
        Solution::written(QuestionKind::ShortText, Vec::new(), &accepted)?.checked()
    }

    #[test]
    fn the_edges_of_a_tolerance_are_right_to_the_last_digit() {
        for (accepted, right, wrong) in [
            (
                "3.14:0.01",
                &["3.13", "3.15", "3.150"][..],
                &["3.1299", "3.1501"][..],
            ),
            ("0.3:0.1", &["0.2", "0.4"], &["0.41"]),
            ("1..5", &["1", "5.0", "3"], &["0.99", "5.01", "-1"]),
            ("-2±0.5", &["-1.5", "-2.5"], &["2"]),
            ("1~5", &["5"], &["6"]),
            ("1.5e3", &["1500"], &["1501"]),
        ] {
            let solution = numbers(&[accepted]);
            for answer in right {
                assert_eq!(solution.grade(answer), Ok(true), "{accepted} {answer}");
            }
            for answer in wrong {
                assert_eq!(solution.grade(answer), Ok(false), "{accepted} {answer}");
            }
        }
        assert_eq!(numbers(&["3.14:0.01", "7"]).accepted(), ["3.13..3.15", "7"]);
    }

    #[test]
    fn a_number_is_read_as_people_write_it_on_a_chinese_keyboard() {
        let solution = numbers(&["1234.5"]);
        for answer in [
            "1234.5",
            " １２３４．５ ",
            "1234。5",
            "1,234.5",
            "1，234．50",
            "+1234.5",
        ] {
            assert_eq!(solution.grade(answer), Ok(true), "{answer}");
        }
        assert_eq!(numbers(&["-3"]).grade("－３"), Ok(true));
        assert_eq!(numbers(&["-3"]).grade("−3"), Ok(true));
        for slip in [
            "",
            "三",
            "30天",
            "1,2",
            "12,34.5",
            "--3",
            "1.2.3",
            "e",
            "1e",
            "９９９９９9e99",
        ] {
            assert_eq!(
                solution.grade(slip).unwrap_err().code,
                "answer.number",
                "{slip}"
            );
        }
    }

    #[test]
    fn words_are_compared_without_regard_to_case_width_and_punctuation() {
        let solution = words(&["《社区矫正法》", "Community Correction"]).unwrap();
        for answer in [
            "社区矫正法",
            "“社区矫正法”。",
            " 社区 矫正法 ",
            "社区矫正法！",
            "community correction",
            "ＣＯＭＭＵＮＩＴＹ　Correction",
        ] {
            assert_eq!(solution.grade(answer), Ok(true), "{answer}");
        }
        for answer in ["社区矫正", "CommunityCorrection2", "矫正法社区"] {
            assert_eq!(solution.grade(answer), Ok(false), "{answer}");
        }
        assert_eq!(solution.grade("。。").unwrap_err().code, "answer.text");
        let long = "长".repeat(WRITTEN_CHARS_MAX + 1);
        assert_eq!(solution.grade(&long).unwrap_err().code, "answer.text");
        assert_eq!(
            words(&["公平、公正"]).unwrap().grade("公平，公正。"),
            Ok(true)
        );
    }

    #[test]
    fn marks_that_tell_figures_apart_are_not_lost() {
        for (accepted, other) in [
            ("1.5", "15"),
            ("5%", "5"),
            ("-5", "5"),
            ("10-20", "1020"),
            ("A+B", "AB"),
        ] {
            assert_eq!(
                words(&[accepted]).unwrap().grade(other),
                Ok(false),
                "{accepted}"
            );
            assert_eq!(words(&[accepted]).unwrap().grade(accepted), Ok(true));
        }
    }

    #[test]
    fn a_solution_that_accepts_nothing_or_too_much_is_refused() {
        let code = |accepted: &[&str]| words(accepted).unwrap_err().code;
        assert_eq!(code(&[]), "question.answers");
        assert_eq!(code(&["，"]), "question.answers");
        assert_eq!(code(&["a"; ACCEPTED_MAX + 1]), "question.answers");
        let kinds = QuestionKind::Numeric;
        for wrong in ["", "abc", "5..1", "3:-1", "1..", "..", "1..2..3"] {
            let refused = Solution::written(kinds, Vec::new(), &[wrong.to_owned()]);
            assert_eq!(refused.unwrap_err().code, "question.answers", "{wrong}");
        }
        let option = vec![QuestionOption {
            text: "x".into(),
            correct: true,
        }];
        let refused = Solution::written(kinds, option.clone(), &["1".into()]);
        assert_eq!(refused.unwrap_err().code, "question.options");
        let refused = Solution::written(QuestionKind::Single, option, &["1".into()]);
        assert_eq!(refused.unwrap_err().code, "question.answers");
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_is_right_and_reads_back_as_itself(text in "\\PC{1,60}") {
            if let Ok(solution) = words(&[&text]) {
                prop_assert_eq!(solution.grade(&text), Ok(true));
            }
            let read = Solution::written(QuestionKind::Numeric, Vec::new(), &[text]);
            if let Ok(solution) = read {
                let accepted = solution.accepted();
                let again = Solution::written(QuestionKind::Numeric, Vec::new(), &accepted);
                prop_assert_eq!(again, Ok(solution));
            }
        }

        #[test]
        fn every_number_is_right_inside_its_own_tolerance(
            middle in -1_000_000_i64..1_000_000, apart in 0_i64..1_000, scale in 0_u32..6,
        ) {
            let decimal = |n: i64| Decimal::new(n, scale).to_string();
            let solution = numbers(&[&format!("{}:{}", decimal(middle), decimal(apart))]);
            prop_assert_eq!(solution.grade(&decimal(middle + apart)), Ok(true));
            prop_assert_eq!(solution.grade(&decimal(middle - apart)), Ok(true));
            prop_assert_eq!(solution.grade(&decimal(middle + apart + 1)), Ok(false));
            prop_assert_eq!(solution.grade(&decimal(middle - apart - 1)), Ok(false));
        }
    }
}
