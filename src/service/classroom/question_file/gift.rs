//! GIFT, as far as the bank goes: choice, several right by weight, true or false, numbers with a
//! tolerance or as a range, short texts, a missing word, comments, titles and categories. Other
//! kinds are told, not guessed, and so are marks in part: an answer is right or wrong.

use super::{Contents, Draft, option, true_false};
use crate::domain::classroom::quiz::{QuestionKind, QuestionOption};
use crate::domain::classroom::solution::{NumberRange, Solution};

pub(super) fn read(text: &str) -> Contents {
    let mut contents = Contents::default();
    for (line, paragraph) in paragraphs(text) {
        if let Err(trouble) = question(line, &paragraph, &mut contents) {
            let (code, zh, en) = trouble.told();
            contents.complain(line, code, zh, en);
        }
    }
    contents
}

/// Why a paragraph is no question of ours.
#[derive(Clone, Copy)]
enum Trouble {
    Braces,
    Kind,
    Answer,
    Number,
    Part,
    Wildcard,
}

impl Trouble {
    fn told(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Braces => (
                "questions.braces",
                "答案应写在一对花括号 { } 中。",
                "The answers belong in one pair of braces { }.",
            ),
            Self::Kind => (
                "questions.kind",
                "不支持该题型：支持单选、多选、判断、数值和填空。",
                "This kind of question is not supported: choices, true or false, numbers and \
                 short texts are.",
            ),
            Self::Answer => (
                "questions.answer_unknown",
                "花括号中应为 =正确 或 ~错误 的选项。",
                "Inside the braces belong options, each =right or ~wrong.",
            ),
            Self::Number => (
                "questions.number",
                "数值题的答案应写成 #3.14:0.01 或 #1..5。",
                "A number is written #3.14:0.01 or #1..5.",
            ),
            Self::Part => (
                "questions.part",
                "不支持部分得分：答案只有对和错。",
                "Marks in part are not supported: an answer is right or wrong.",
            ),
            Self::Wildcard => (
                "questions.wildcard",
                "不支持用 * 代替文字，请写出完整的答案。",
                "A * for any text is not supported: write the answers out.",
            ),
        }
    }
}

/// Paragraphs with the lines at which they begin; comments and categories are left out.
fn paragraphs(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (number, line) in (1..).zip(text.lines()) {
        let trimmed = line.trim();
        if trimmed.starts_with("//") || trimmed.starts_with("$CATEGORY:") {
            continue;
        }
        if trimmed.is_empty() {
            open = false;
            continue;
        }
        match found.last_mut().filter(|_| open) {
            Some((_, paragraph)) => {
                paragraph.push('\n');
                paragraph.push_str(trimmed);
            }
            None => found.push((number, trimmed.to_owned())),
        }
        open = true;
    }
    found
}

fn question(line: usize, paragraph: &str, contents: &mut Contents) -> Result<(), Trouble> {
    let start = unescaped(paragraph, "{", 0).ok_or(Trouble::Braces)?;
    let end = unescaped(paragraph, "}", start).ok_or(Trouble::Braces)?;
    if unescaped(paragraph, "{", start + 1).is_some() {
        return Err(Trouble::Braces);
    }
    let before = without_format(without_title(&paragraph[..start]).trim());
    let after = paragraph[end + 1..].trim();
    let text = match after {
        "" => plain(before),
        _ => format!("{} ____ {}", plain(before), plain(after)),
    };
    let body = paragraph[start + 1..end].trim();
    let (kind, solution) = answers(body)?;
    contents.drafts.push(Draft {
        line: u32::try_from(line).unwrap_or(u32::MAX),
        text: text.trim().to_owned(),
        kind,
        solution,
    });
    Ok(())
}

fn answers(body: &str) -> Result<(QuestionKind, Solution), Trouble> {
    let word = body.split('#').next().unwrap_or_default().trim();
    match word.to_ascii_uppercase().as_str() {
        "T" | "TRUE" => return Ok((QuestionKind::TrueFalse, true_false(true).into())),
        "F" | "FALSE" => return Ok((QuestionKind::TrueFalse, true_false(false).into())),
        _ => {}
    }
    // What is said to everybody at the end is no answer.
    let body = unescaped(body, "####", 0).map_or(body, |at| &body[..at]);
    if let Some(numbers) = body.strip_prefix('#') {
        return Ok((QuestionKind::Numeric, Solution::Numbers(ranges(numbers)?)));
    }
    if body.is_empty() {
        return Err(Trouble::Kind);
    }
    let parts = parts(body, "=~").ok_or(Trouble::Answer)?;
    if parts.iter().any(|part| part.contains("->")) {
        // Pairs.
        return Err(Trouble::Kind);
    }
    if parts.iter().all(|part| part.starts_with('=')) {
        return Ok((QuestionKind::ShortText, Solution::Words(words(&parts)?)));
    }
    let options: Vec<QuestionOption> = parts.iter().map(|part| choice(part)).collect();
    let right = options.iter().filter(|option| option.correct).count();
    let kind = match right {
        0 | 1 => QuestionKind::Single,
        _ => QuestionKind::Multiple,
    };
    Ok((kind, options.into()))
}

/// Parts that each begin with one of these marks; `None` when anything stands before the first.
fn parts<'a>(body: &'a str, marks: &str) -> Option<Vec<&'a str>> {
    let mut starts: Vec<usize> = Vec::new();
    let mut from = 0;
    while let Some(at) = unescaped(body, marks, from) {
        starts.push(at);
        from = at + 1;
    }
    let first = *starts.first()?;
    let ends = starts.iter().skip(1).copied().chain([body.len()]);
    let parts = starts.iter().zip(ends).map(|(from, to)| &body[*from..to]);
    body[..first].trim().is_empty().then(|| parts.collect())
}

/// `3.14:0.01`, `1..5`, or several of them, each `=range#feedback`.
fn ranges(numbers: &str) -> Result<Vec<NumberRange>, Trouble> {
    let one = |text: &str| NumberRange::read(&plain(text.trim())).ok_or(Trouble::Number);
    if unescaped(numbers, "=~", 0).is_none() {
        let text = unescaped(numbers, "#", 0).map_or(numbers, |at| &numbers[..at]);
        return Ok(vec![one(text)?]);
    }
    let parts = parts(numbers, "=~").ok_or(Trouble::Number)?;
    // `~` says what any other number is told.
    let right = parts.iter().filter(|part| part.starts_with('='));
    let right = right.map(|part| whole(part));
    let right = right.collect::<Result<Vec<_>, Trouble>>()?;
    right.into_iter().flatten().map(one).collect()
}

fn words(parts: &[&str]) -> Result<Vec<String>, Trouble> {
    let mut words = Vec::new();
    for part in parts {
        if let Some(text) = whole(part)? {
            if unescaped(text, "*", 0).is_some() {
                return Err(Trouble::Wildcard);
            }
            words.push(plain(without_format(text)).trim().to_owned());
        }
    }
    Ok(words)
}

/// The text of `=text#feedback` when it earns everything, `None` when it earns nothing.
fn whole(part: &str) -> Result<Option<&str>, Trouble> {
    let (weight, text) = weighted(part);
    match weight {
        None => Ok(Some(text)),
        Some(weight) if weight >= 100.0 => Ok(Some(text)),
        Some(weight) if weight <= 0.0 => Ok(None),
        Some(_) => Err(Trouble::Part),
    }
}

/// `=text#feedback`, `~text#feedback` or `~%50%text`; a positive weight is right.
fn choice(part: &str) -> QuestionOption {
    let (weight, text) = weighted(part);
    let correct = weight.map_or(part.starts_with('='), |weight| weight > 0.0);
    option(plain(without_format(text)), correct)
}

/// The weight of a part, if it names one, and its text without feedback.
fn weighted(part: &str) -> (Option<f64>, &str) {
    let mut rest = part[1..].trim();
    let mut weight = None;
    if let Some((named, text)) = rest
        .strip_prefix('%')
        .and_then(|weighted| weighted.split_once('%'))
        && let Ok(named) = named.trim().parse::<f64>()
    {
        (weight, rest) = (Some(named), text);
    }
    let text = unescaped(rest, "#", 0).map_or(rest, |at| &rest[..at]);
    (weight, text.trim())
}

/// Where one of these characters, or this run of `#`, stands without a backslash before it.
fn unescaped(text: &str, wanted: &str, from: usize) -> Option<usize> {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        let found = match wanted.starts_with("##") {
            true => text[at..].starts_with(wanted),
            false => wanted.contains(character),
        };
        if at >= from && !escaped && found {
            return Some(at);
        }
        escaped = character == '\\' && !escaped;
    }
    None
}

fn without_title(text: &str) -> &str {
    let titled = text.trim_start().strip_prefix("::");
    let rest = titled.and_then(|text| text.split_once("::"));
    rest.map_or(text, |(_, rest)| rest)
}

fn without_format(text: &str) -> &str {
    let formats = ["[html]", "[moodle]", "[plain]", "[markdown]"];
    let format = formats.iter().find(|format| text.starts_with(**format));
    format.map_or(text, |format| text[format.len()..].trim_start())
}

/// Takes backslashes away; `\n` is a new line.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('n') => plain.push('\n'),
                Some(escaped) => plain.push(escaped),
                None => plain.push('\\'),
            },
            other => plain.push(other),
        }
    }
    plain
}
