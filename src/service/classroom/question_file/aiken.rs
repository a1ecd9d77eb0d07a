//! Aiken: a question, options `A.` or `A)` each on a line, and `ANSWER: B`.

use super::{Contents, Draft, option};
use crate::domain::classroom::quiz::QuestionKind;

pub(super) fn read(text: &str) -> Contents {
    let mut contents = Contents::default();
    let mut begun = Begun::default();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        if let Some(answer) = answer(line) {
            std::mem::take(&mut begun).end(number, answer, &mut contents);
        } else if let Some((letter, text)) = lettered(line)
            && !begun.text.is_empty()
        {
            begun.options.push((letter, text.to_owned()));
        } else if begun.options.is_empty() {
            begun.continue_text(number, line);
        } else {
            contents.complain(
                number,
                "questions.answer_missing",
                "前一题缺少“ANSWER: 字母”一行。",
                "The question before has no line “ANSWER: letter”.",
            );
            begun = Begun::default();
            begun.continue_text(number, line);
        }
    }
    if !begun.text.is_empty() {
        contents.complain(
            begun.line,
            "questions.answer_missing",
            "该题缺少“ANSWER: 字母”一行。",
            "The question has no line “ANSWER: letter”.",
        );
    }
    contents
}

#[derive(Default)]
struct Begun {
    line: usize,
    text: String,
    options: Vec<(char, String)>,
}

impl Begun {
    fn continue_text(&mut self, number: usize, line: &str) {
        if self.text.is_empty() {
            self.line = number;
        } else {
            self.text.push('\n');
        }
        self.text.push_str(line);
    }

    fn end(self, number: usize, answer: &str, contents: &mut Contents) {
        let right: Vec<char> = answer
            .chars()
            .filter(char::is_ascii_alphabetic)
            .map(|letter| letter.to_ascii_uppercase())
            .collect();
        if self.options.is_empty() && !self.text.is_empty() {
            contents.complain(
                number,
                "questions.kind",
                "Aiken 格式只能写选择题；填空题和数值题请用 GIFT 或表格。",
                "Aiken has choices alone: write short texts and numbers as GIFT or in a table.",
            );
            return;
        }
        let known = |letter: &char| self.options.iter().any(|(of, _)| of == letter);
        if self.text.is_empty() || right.is_empty() || !right.iter().all(known) {
            contents.complain(
                number,
                "questions.answer_unknown",
                "答案没有对应的选项。",
                "The answer names no option.",
            );
            return;
        }
        let options = self.options.iter();
        let options: Vec<_> = options
            .map(|(letter, text)| option(text, right.contains(letter)))
            .collect();
        contents.drafts.push(Draft {
            line: u32::try_from(self.line).unwrap_or(u32::MAX),
            text: self.text,
            kind: match right.len() {
                1 => QuestionKind::Single,
                _ => QuestionKind::Multiple,
            },
            solution: options.into(),
        });
    }
}

/// What stands behind `ANSWER:`; a full-width colon is one too.
fn answer(line: &str) -> Option<&str> {
    let head = line.get(..6)?;
    let rest = line[6..].trim_start();
    let rest = rest.strip_prefix(':').or_else(|| rest.strip_prefix('：'))?;
    head.eq_ignore_ascii_case("answer").then_some(rest)
}

/// `A. text`, `A) text`, also with full-width marks.
fn lettered(line: &str) -> Option<(char, &str)> {
    let mut characters = line.chars();
    let letter = characters.next().filter(char::is_ascii_uppercase)?;
    let mark = characters.next()?;
    matches!(mark, '.' | ')' | '．' | '）' | '、').then(|| (letter, characters.as_str().trim()))
}
