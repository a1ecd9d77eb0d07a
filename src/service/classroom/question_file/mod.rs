//! Files of questions: Moodle GIFT, Aiken, CSV and XLSX. A file is read as a whole, and everything
//! that is wrong with it is told line by line; what it holds is taken as a whole or not at all.

mod aiken;
mod gift;
mod table;
mod text;

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::classroom::quiz::{Question, QuestionKind, QuestionOption};
use crate::domain::classroom::solution::Solution;
use crate::domain::id::{QuestionId, UnitId};
use crate::domain::refusal::{Refusal, RefusalKind};

/// Largest file, bytes.
pub const FILE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Most questions of a file.
pub const QUESTIONS_MAX: usize = 1_000;
/// Complaints that are told; the rest is counted by trying again.
const COMPLAINTS_MAX: usize = 100;

/// How a file is written, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `.gift`, or `.txt` that has braces: <https://docs.moodle.org/en/GIFT_format>.
    Gift,
    /// `.txt` with lettered options and `ANSWER:`: <https://docs.moodle.org/en/Aiken_format>.
    Aiken,
    /// `.csv`, with a first row that names the columns.
    Csv,
    /// `.xlsx`, the same in its first sheet.
    Xlsx,
}

/// A question as the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Where it begins, from 1; a row of a table.
    pub line: u32,
    /// What is asked.
    pub text: String,
    /// How one answers.
    pub kind: QuestionKind,
    /// What is right.
    pub solution: Solution,
}

/// Something that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Complaint {
    /// The line, from 1; a row of a table.
    pub line: u32,
    /// Stable code.
    pub code: &'static str,
    /// Chinese sentence.
    pub zh: String,
    /// The same in English.
    pub en: String,
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The questions that can be taken.
    pub drafts: Vec<Draft>,
    /// What cannot, in order of lines; at most 100.
    pub complaints: Vec<Complaint>,
}

/// Reads a file by its name and content. Refuses with `questions.format`, `questions.encoding`,
/// `questions.damaged`, `questions.columns`, `questions.too_many` or `questions.none`.
pub fn read(name: &str, bytes: &[u8]) -> Result<Contents, Refusal> {
    let mut contents = match format(name)? {
        None => {
            let text = text::decode(bytes)?;
            if text.contains('{') {
                gift::read(&text)
            } else {
                aiken::read(&text)
            }
        }
        Some(Format::Gift) => gift::read(&text::decode(bytes)?),
        Some(Format::Aiken) => aiken::read(&text::decode(bytes)?),
        Some(Format::Csv) => table::read_csv(&text::decode(bytes)?)?,
        Some(Format::Xlsx) => table::read_xlsx(bytes)?,
    };
    contents.check();
    if contents.drafts.len() > QUESTIONS_MAX {
        return Err(refused(
            "questions.too_many",
            "一个文件最多包含 1000 道题，请拆分后再导入。",
            "A file holds at most 1,000 questions; split it.",
        ));
    }
    if contents.drafts.is_empty() && contents.complaints.is_empty() {
        return Err(refused(
            "questions.none",
            "文件中没有找到题目。",
            "There is no question in the file.",
        ));
    }
    Ok(contents)
}

/// `None` for a text file that may be either of two.
fn format(name: &str) -> Result<Option<Format>, Refusal> {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    match ending.unwrap_or_default().to_ascii_lowercase().as_str() {
        "gift" => Ok(Some(Format::Gift)),
        "aiken" => Ok(Some(Format::Aiken)),
        "csv" => Ok(Some(Format::Csv)),
        "xlsx" => Ok(Some(Format::Xlsx)),
        "txt" => Ok(None),
        _ => Err(refused(
            "questions.format",
            "请选择 .gift、.txt（GIFT 或 Aiken）、.csv 或 .xlsx 文件。",
            "Choose a .gift, .txt (GIFT or Aiken), .csv or .xlsx file.",
        )),
    }
}

impl Contents {
    fn complain(&mut self, line: usize, code: &'static str, zh: &str, en: &str) {
        if self.complaints.len() < COMPLAINTS_MAX {
            self.complaints.push(Complaint {
                line: u32::try_from(line).unwrap_or(u32::MAX),
                code,
                zh: zh.to_owned(),
                en: en.to_owned(),
            });
        }
    }

    /// Puts every draft to the rules of the bank.
    fn check(&mut self) {
        for draft in std::mem::take(&mut self.drafts) {
            let id = QuestionId(uuid::Uuid::nil());
            let unit = UnitId(uuid::Uuid::nil());
            let solution = draft.solution.clone();
            match Question::new(id, unit, &draft.text, draft.kind, solution) {
                Ok(_) => self.drafts.push(draft),
                Err(refusal) => {
                    self.complain(draft.line as usize, refusal.code, &refusal.zh, &refusal.en)
                }
            }
        }
        self.complaints.sort_by_key(|complaint| complaint.line);
    }

    /// What to say when all of it was to be taken and something cannot be.
    pub fn refusal(&self) -> Option<Refusal> {
        let first = self.complaints.first()?;
        let (line, count) = (first.line, self.complaints.len());
        Some(Refusal {
            kind: RefusalKind::Invalid,
            code: "questions.complaints",
            zh: format!(
                "没有导入任何题目。共 {count} 处问题，第 {line} 行：{}",
                first.zh
            ),
            en: format!(
                "Nothing was imported. {count} problems; line {line}: {}",
                first.en
            ),
        })
    }
}

fn option(text: impl Into<String>, correct: bool) -> QuestionOption {
    QuestionOption {
        text: text.into(),
        correct,
    }
}

/// Two options that say right and wrong, of which one is.
fn true_false(is_true: bool) -> Vec<QuestionOption> {
    vec![option("正确", is_true), option("错误", !is_true)]
}

fn refused(code: &'static str, zh: &str, en: &str) -> Refusal {
    Refusal::new(RefusalKind::Invalid, code, zh, en)
}

#[cfg(test)]
mod tests;
