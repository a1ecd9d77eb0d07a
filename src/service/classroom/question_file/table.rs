//! Tables of questions: a first row names the columns, then one question a row.

use std::io::{Cursor, Read as _};

use calamine::{Data, DataType as _, Reader as _, Xlsx};

use super::{Contents, Draft, option, refused, true_false};
use crate::domain::classroom::quiz::{QuestionKind, QuestionOption};
use crate::domain::classroom::solution::{NumberRange, Solution};
use crate::domain::refusal::Refusal;

/// Largest content of a workbook once unpacked, bytes: a small file can hide a huge one.
const UNPACKED_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Most parts of a workbook.
const PARTS_MAX: usize = 1_000;
/// Rows that are looked at, and columns.
const ROWS_MAX: usize = 5_000;
const COLUMNS_MAX: usize = 64;

/// What columns are called.
const TEXT: [&str; 5] = ["题干", "题目", "问题", "text", "question"];
const KIND: [&str; 4] = ["题型", "类型", "kind", "type"];
const ANSWER: [&str; 4] = ["答案", "正确答案", "answer", "correct"];
const OPTION: [&str; 2] = ["选项", "option"];

pub(super) fn read_csv(text: &str) -> Result<Contents, Refusal> {
    let tabs = text.lines().next().is_some_and(|line| line.contains('\t'));
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(if tabs { b'\t' } else { b',' })
        .from_reader(text.as_bytes());
    let mut rows = Vec::new();
    for record in reader.records().take(ROWS_MAX) {
        let record = record.map_err(|_| damaged())?;
        let line = record.position().map_or(0, csv::Position::line);
        let cells = record.iter().take(COLUMNS_MAX).map(str::to_owned);
        rows.push((usize::try_from(line).unwrap_or(0), cells.collect()));
    }
    read(rows)
}

pub(super) fn read_xlsx(bytes: &[u8]) -> Result<Contents, Refusal> {
    if unpacked(bytes).is_none_or(|size| size > UNPACKED_BYTES_MAX) {
        return Err(damaged());
    }
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(|_| damaged())?;
    let sheet = book.worksheet_range_at(0).ok_or_else(damaged)?;
    let sheet = sheet.map_err(|_| damaged())?;
    let first = sheet.start().map_or(0, |(row, _)| row as usize);
    let rows = sheet.rows().take(ROWS_MAX).enumerate();
    let rows = rows.map(|(place, cells)| {
        let cells = cells.iter().take(COLUMNS_MAX).map(cell).collect();
        (first + place + 1, cells)
    });
    read(rows.collect())
}

/// What a workbook's parts come to, counted by unpacking them; `None` for what is no workbook.
fn unpacked(bytes: &[u8]) -> Option<u64> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).ok()?;
    if archive.len() > PARTS_MAX {
        return None;
    }
    let mut total = 0;
    for part in 0..archive.len() {
        let part = archive.by_index(part).ok()?;
        let mut rest = part.take(UNPACKED_BYTES_MAX + 1 - total);
        total += std::io::copy(&mut rest, &mut std::io::sink()).ok()?;
        if total > UNPACKED_BYTES_MAX {
            break;
        }
    }
    Some(total)
}

fn cell(data: &Data) -> String {
    match data.as_f64() {
        // A whole number is written as one: letters are answers, but so may digits be options.
        Some(number) if number.fract() == 0.0 && data.is_float() => format!("{number:.0}"),
        _ => data.to_string(),
    }
}

/// Where the columns are.
struct Columns {
    text: usize,
    kind: Option<usize>,
    answer: usize,
    /// With their letters, A first.
    options: Vec<(char, usize)>,
}

impl Columns {
    fn of(names: &[String]) -> Option<Self> {
        let names: Vec<String> = names
            .iter()
            .map(|name| name.trim().to_lowercase())
            .collect();
        let place = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_str()));
        let option = |letter: char| {
            let lower = letter.to_ascii_lowercase();
            let is_of = |name: &String| {
                let rest = OPTION.iter().find_map(|word| name.strip_prefix(word));
                let rest = rest.unwrap_or(name).trim_matches([' ', '_', '-']);
                rest.chars().eq([lower])
            };
            Some((letter, names.iter().position(is_of)?))
        };
        let options: Vec<_> = ('A'..='H').map_while(option).collect();
        Some(Self {
            text: place(&TEXT)?,
            kind: place(&KIND),
            answer: place(&ANSWER)?,
            options,
        })
    }
}

fn read(rows: Vec<(usize, Vec<String>)>) -> Result<Contents, Refusal> {
    let mut rows = rows.into_iter();
    let names = rows.next().map(|(_, names)| names).unwrap_or_default();
    let columns = Columns::of(&names).ok_or_else(|| {
        refused(
            "questions.columns",
            "第一行应为列名：题干、题型（可省略）、选项A、选项B……、答案。",
            "The first row names the columns: text, kind (optional), option A, B ..., answer.",
        )
    })?;
    let mut contents = Contents::default();
    for (line, cells) in rows {
        if cells.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        match row(&columns, line, &cells) {
            Ok(draft) => contents.drafts.push(draft),
            Err((code, zh, en)) => contents.complain(line, code, zh, en),
        }
    }
    Ok(contents)
}

type Told = (&'static str, &'static str, &'static str);

fn row(columns: &Columns, line: usize, cells: &[String]) -> Result<Draft, Told> {
    let cell = |place: usize| cells.get(place).map_or("", |cell| cell.trim());
    let told = columns.kind.map(cell).filter(|kind| !kind.is_empty());
    let told = told.map(kind).transpose()?;
    let filled = columns
        .options
        .iter()
        .map(|(letter, at)| (*letter, cell(*at)));
    let filled: Vec<_> = filled.filter(|(_, text)| !text.is_empty()).collect();
    let answer = cell(columns.answer);
    let (kind, solution) = match told {
        Some(kind @ (QuestionKind::Numeric | QuestionKind::ShortText)) => {
            (kind, written(kind, answer, &filled)?)
        }
        Some(QuestionKind::TrueFalse) => (QuestionKind::TrueFalse, judged(answer, &filled)?.into()),
        None if filled.is_empty() => (QuestionKind::TrueFalse, judged(answer, &filled)?.into()),
        None | Some(QuestionKind::Single | QuestionKind::Multiple) => {
            chosen(answer, &filled, told)?
        }
    };
    Ok(Draft {
        line: u32::try_from(line).unwrap_or(u32::MAX),
        text: cell(columns.text).to_owned(),
        kind,
        solution,
    })
}

/// Accepted answers, set apart by `|`.
fn written(kind: QuestionKind, answer: &str, filled: &[(char, &str)]) -> Result<Solution, Told> {
    if !filled.is_empty() {
        return Err((
            "question.options",
            "填空题和数值题不填选项，答案写在“答案”一列。",
            "A short-text or numeric question has no options: write its answer as the answer.",
        ));
    }
    let answers = answer.split(['|', '｜']).map(str::trim);
    match kind {
        QuestionKind::Numeric => {
            let ranges: Option<_> = answers.map(NumberRange::read).collect();
            ranges.map(Solution::Numbers).ok_or((
                "questions.number",
                "数值题的答案应为 3.14、3.14±0.01 或 1~5，几个答案用 | 隔开。",
                "A number is written 3.14, 3.14±0.01 or 1~5; several are set apart by |.",
            ))
        }
        QuestionKind::ShortText
        | QuestionKind::Single
        | QuestionKind::Multiple
        | QuestionKind::TrueFalse => Ok(Solution::Words(answers.map(str::to_owned).collect())),
    }
}

fn kind(name: &str) -> Result<QuestionKind, Told> {
    match name.to_lowercase().as_str() {
        "单选" | "单选题" | "单项选择" | "单项选择题" | "single" => {
            Ok(QuestionKind::Single)
        }
        "多选" | "多选题" | "多项选择" | "多项选择题" | "multiple" => {
            Ok(QuestionKind::Multiple)
        }
        "判断" | "判断题" | "true_false" | "true/false" | "truefalse" => {
            Ok(QuestionKind::TrueFalse)
        }
        "数值" | "数值题" | "数字" | "数字题" | "numeric" | "number" => {
            Ok(QuestionKind::Numeric)
        }
        "填空" | "填空题" | "简短填空" | "short_text" | "short text" | "shorttext" => {
            Ok(QuestionKind::ShortText)
        }
        _ => Err((
            "questions.kind",
            "题型应为 单选、多选、判断、数值 或 填空。",
            "The kind is single, multiple, true_false, numeric or short_text.",
        )),
    }
}

fn judged(answer: &str, filled: &[(char, &str)]) -> Result<Vec<QuestionOption>, Told> {
    let is_true = match answer.to_lowercase().as_str() {
        "对" | "正确" | "是" | "√" | "t" | "true" | "1" => true,
        "错" | "错误" | "否" | "×" | "f" | "false" | "0" => false,
        "a" | "b" if filled.len() == 2 => {
            let right = |letter| answer.eq_ignore_ascii_case(letter);
            return Ok(vec![
                option(filled[0].1, right("a")),
                option(filled[1].1, right("b")),
            ]);
        }
        _ => {
            return Err((
                "questions.answer_unknown",
                "判断题的答案应为 对 或 错。",
                "The answer of a true or false question is true or false.",
            ));
        }
    };
    Ok(true_false(is_true))
}

fn chosen(
    answer: &str,
    filled: &[(char, &str)],
    told: Option<QuestionKind>,
) -> Result<(QuestionKind, Solution), Told> {
    let separators = [' ', ',', '，', '、', ';', '；', '|'];
    let right: Vec<char> = answer
        .chars()
        .filter(|character| !separators.contains(character))
        .map(|character| character.to_ascii_uppercase())
        .collect();
    let known = |letter: &char| filled.iter().any(|(of, _)| of == letter);
    if right.is_empty() || !right.iter().all(known) {
        return Err((
            "questions.answer_unknown",
            "答案应为已填写选项的字母，例如 A 或 AC。",
            "The answer is the letters of filled options, such as A or AC.",
        ));
    }
    let kind = told.unwrap_or(match right.len() {
        1 => QuestionKind::Single,
        _ => QuestionKind::Multiple,
    });
    let options = filled.iter();
    let options = options.map(|(letter, text)| option(*text, right.contains(letter)));
    Ok((kind, Solution::Options(options.collect())))
}

fn damaged() -> Refusal {
    refused(
        "questions.damaged",
        "文件已损坏、过大或不是所选格式，请重新导出后再试。",
        "The file is damaged, too large or of another format; export it again.",
    )
}
