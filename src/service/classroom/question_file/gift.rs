//! GIFT, as far as a bank of choices goes: choice, several right by weight, true or false, a
//! missing word, comments, titles and categories. Other kinds are told, not guessed.

use super::{Contents, Draft, option, true_false};
use crate::domain::classroom::quiz::{QuestionKind, QuestionOption};

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
                "暂不支持该题型：仅支持单选、多选、判断。",
                "This kind of question is not supported: single, multiple, true or false are.",
            ),
            Self::Answer => (
                "questions.answer_unknown",
                "花括号中应为 =正确 或 ~错误 的选项。",
                "Inside the braces belong options, each =right or ~wrong.",
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
    let (kind, options) = answers(body)?;
    contents.drafts.push(Draft {
        line: u32::try_from(line).unwrap_or(u32::MAX),
        text: text.trim().to_owned(),
        kind,
        options,
    });
    Ok(())
}

fn answers(body: &str) -> Result<(QuestionKind, Vec<QuestionOption>), Trouble> {
    let word = body.split('#').next().unwrap_or_default().trim();
    match word.to_ascii_uppercase().as_str() {
        "T" | "TRUE" => return Ok((QuestionKind::TrueFalse, true_false(true))),
        "F" | "FALSE" => return Ok((QuestionKind::TrueFalse, true_false(false))),
        _ => {}
    }
    if body.is_empty() || body.starts_with('#') {
        return Err(Trouble::Kind);
    }
    // What is said to everybody at the end is no option.
    let body = unescaped(body, "####", 0).map_or(body, |at| &body[..at]);
    let mut starts: Vec<usize> = Vec::new();
    let mut from = 0;
    while let Some(at) = unescaped(body, "=~", from) {
        starts.push(at);
        from = at + 1;
    }
    if starts.is_empty() || !body[..starts[0]].trim().is_empty() {
        return Err(Trouble::Answer);
    }
    let ends = starts.iter().skip(1).copied().chain([body.len()]);
    let parts = starts.iter().zip(ends).map(|(from, to)| &body[*from..to]);
    let parts: Vec<&str> = parts.collect();
    let is_choice = parts.iter().any(|part| part.starts_with('~'));
    if !is_choice || parts.iter().any(|part| part.contains("->")) {
        // Only right ones: a short text; arrows: pairs.
        return Err(Trouble::Kind);
    }
    let options: Vec<QuestionOption> = parts.iter().map(|part| choice(part)).collect();
    let right = options.iter().filter(|option| option.correct).count();
    let kind = match right {
        0 | 1 => QuestionKind::Single,
        _ => QuestionKind::Multiple,
    };
    Ok((kind, options))
}

/// `=text#feedback`, `~text#feedback` or `~%50%text`; a positive weight is right.
fn choice(part: &str) -> QuestionOption {
    let (mut correct, mut rest) = (part.starts_with('='), part[1..].trim());
    if let Some((weight, text)) = rest
        .strip_prefix('%')
        .and_then(|weighted| weighted.split_once('%'))
        && let Ok(weight) = weight.trim().parse::<f64>()
    {
        (correct, rest) = (weight > 0.0, text);
    }
    let text = unescaped(rest, "#", 0).map_or(rest, |at| &rest[..at]);
    option(plain(without_format(text.trim())), correct)
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
