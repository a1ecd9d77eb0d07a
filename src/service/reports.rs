//! Reports as files: one table, written as CSV, as a workbook or on paper. Whoever takes one out
//! is named in the audit before the file leaves.

use chrono::{DateTime, Utc};
use rust_xlsxwriter::{Format, Workbook, XlsxError};

use super::classroom::hours::{self, AdjustmentLine, LearnerHours, LedgerLine};
use super::paper::{self, Block};
use super::{Context, Error, Failure};
use crate::domain::actor::Actor;
use crate::domain::beijing;
use crate::domain::classroom::hours::Forecast;
use crate::domain::id::UnitId;

/// What a line on paper has room for, in letters; a Chinese one is as wide as two.
const LINE_LETTERS: usize = 116;
/// Between two columns, letters.
const GAP_LETTERS: usize = 2;

/// Which kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// UTF-8 with a byte order mark, so that spreadsheets read it as such.
    Csv,
    /// A workbook.
    Xlsx,
    /// Sheets of A4; refuses with `evidence.no_typeface` where the machine has no Chinese one.
    Pdf,
}

/// A report, ready to be sent.
#[derive(Debug)]
pub struct File {
    /// Name of the file.
    pub name: String,
    /// Its media type.
    pub kind: &'static str,
    /// The file.
    pub bytes: Vec<u8>,
}

/// A cell of a table.
#[derive(Clone, Debug, PartialEq)]
enum Cell {
    Text(String),
    Number(f64),
}

/// A table with a title.
#[derive(Debug)]
struct Table {
    title: String,
    columns: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

/// The hours of a month, a line for each learner. Refuses as [`hours::list`] does.
pub async fn month(
    context: &Context,
    actor: &Actor,
    (unit, month): (UnitId, &str),
    form: Form,
) -> Result<File, Error> {
    let views = hours::list(context, actor, (Some(unit), Some(month))).await?;
    let table = Table {
        title: format!("月度学时 {month}"),
        columns: vec![
            "姓名",
            "单位",
            "要求（小时）",
            "已学",
            "还差",
            "待定",
            "已排课",
            "预测",
        ],
        rows: views.iter().map(month_row).collect(),
    };
    file(context, actor, (unit, month), ("hours", table), form).await
}

/// Every lesson of a month with what it earned. Refuses as [`hours::ledger`] does.
pub async fn ledger(
    context: &Context,
    actor: &Actor,
    (unit, month): (UnitId, &str),
    form: Form,
) -> Result<File, Error> {
    let lines = hours::ledger(context, actor, (Some(unit), Some(month))).await?;
    let table = Table {
        title: format!("学时台账 {month}"),
        columns: vec![
            "姓名",
            "单位",
            "课程",
            "进入时间",
            "计入（分钟）",
            "不计",
            "待定",
            "调整",
            "规则",
        ],
        rows: lines.iter().map(ledger_row).collect(),
    };
    file(context, actor, (unit, month), ("ledger", table), form).await
}

fn month_row(view: &LearnerHours) -> Vec<Cell> {
    let stands = &view.hours;
    let in_hours = |seconds: u64| Cell::Number((seconds as f64 / 36.0).round() / 100.0);
    let forecast = match stands.forecast {
        Forecast::Reached => "已达到",
        Forecast::OnTrack => "进度正常",
        Forecast::Behind => "偏慢，已排课够",
        Forecast::Short => "已排课不够",
    };
    vec![
        Cell::Text(view.name.clone()),
        Cell::Text(view.unit_name.clone()),
        in_hours(stands.required_seconds),
        in_hours(stands.credited_seconds),
        in_hours(stands.missing_seconds),
        in_hours(stands.contested_seconds),
        in_hours(stands.planned_seconds),
        Cell::Text(forecast.to_owned()),
    ]
}

fn ledger_row(line: &LedgerLine) -> Vec<Cell> {
    let minutes = |seconds: u64| Cell::Number((seconds as f64 / 6.0).round() / 10.0);
    let adjustments: Vec<_> = line.adjustments.iter().map(adjusted).collect();
    vec![
        Cell::Text(line.name.clone()),
        Cell::Text(line.unit_name.clone()),
        Cell::Text(line.lesson.clone()),
        Cell::Text(wall(line.entered_at)),
        minutes(line.credited_seconds),
        minutes(line.withheld_seconds),
        minutes(line.contested_seconds),
        Cell::Text(adjustments.join("；")),
        Cell::Number(f64::from(line.rule_version)),
    ]
}

fn adjusted(line: &AdjustmentLine) -> String {
    let AdjustmentLine {
        seconds,
        proposed_by,
        approved_by,
    } = line;
    let minutes = seconds.unsigned_abs() as f64 / 60.0;
    // In a word: what begins with a sign is a formula to spreadsheets.
    let word = if *seconds < 0 { "减" } else { "加" };
    format!("{word} {minutes:.1} 分钟（{proposed_by}、{approved_by}）")
}

fn wall(at: DateTime<Utc>) -> String {
    beijing::wall(at).format("%Y-%m-%d %H:%M").to_string()
}

async fn file(
    context: &Context,
    actor: &Actor,
    (unit, month): (UnitId, &str),
    (name, table): (&str, Table),
    form: Form,
) -> Result<File, Error> {
    let rows = table.rows.len();
    let (ending, kind, bytes) = match form {
        Form::Csv => ("csv", "text/csv; charset=utf-8", csv(&table)?),
        Form::Xlsx => {
            let written = super::off_tasks(context, move || workbook(&table)).await?;
            let bytes = written.map_err(|source| Failure::new("write a workbook", source))?;
            let kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
            ("xlsx", kind, bytes)
        }
        Form::Pdf => {
            let typeface = context.typefaces.chinese();
            let typeface = typeface.ok_or_else(paper::no_typeface)?;
            let blocks = blocks(&table);
            let foot = format!("明堂 · {}", table.title);
            let drawn =
                super::off_tasks(context, move || paper::print(typeface, &blocks, &foot)).await?;
            let bytes = drawn.map_err(|source| Failure::new("draw a report", source))?;
            ("pdf", "application/pdf", bytes)
        }
    };
    hours::exported(context, actor, unit, (month, rows)).await?;
    Ok(File {
        name: format!("{name}-{month}.{ending}"),
        kind,
        bytes,
    })
}

fn csv(table: &Table) -> Result<Vec<u8>, Error> {
    let mut writer = csv::Writer::from_writer("\u{feff}".as_bytes().to_vec());
    let failed = |source: csv::Error| Failure::new("write a table", source);
    writer.write_record(&table.columns).map_err(failed)?;
    for row in &table.rows {
        let cells = row.iter().map(|cell| match cell {
            Cell::Text(text) => harmless(text),
            Cell::Number(number) => number.to_string(),
        });
        writer.write_record(cells).map_err(failed)?;
    }
    let failed = |source| Failure::new("write a table", source);
    Ok(writer
        .into_inner()
        .map_err(|error| failed(error.into_error()))?)
}

/// A cell that no spreadsheet runs as a formula.
pub(super) fn harmless(text: &str) -> String {
    match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}"),
        false => text.to_owned(),
    }
}

fn workbook(table: &Table) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    let bold = Format::new().set_bold();
    let sheet = workbook.add_worksheet().set_name("报表")?;
    for (place, column) in (0..).zip(&table.columns) {
        sheet.write_with_format(0, place, *column, &bold)?;
        sheet.set_column_width(place, 16)?;
    }
    for (number, row) in (1..).zip(&table.rows) {
        for (place, cell) in (0..).zip(row) {
            // Strings are written as strings, never as formulas.
            match cell {
                Cell::Text(text) => sheet.write_string(number, place, text)?,
                Cell::Number(value) => sheet.write_number(number, place, *value)?,
            };
        }
    }
    sheet.set_freeze_panes(1, 0)?;
    workbook.save_to_buffer()
}

fn blocks(table: &Table) -> Vec<Block> {
    let titles = table.columns.iter().map(|&title| title.to_owned());
    let titles: Vec<String> = titles.collect();
    let rows = table.rows.iter().map(|row| {
        let cells = row.iter().map(|cell| match cell {
            Cell::Text(text) => text.clone(),
            Cell::Number(number) => number.to_string(),
        });
        cells.collect()
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let widths = widths(&titles, &rows);
    let line = widths.iter().sum::<usize>().max(1) as f32;
    let placed = |cells: &[String]| {
        let mut before = 0;
        let cells = cells.iter().zip(&widths).map(|(text, width)| {
            let from = before as f32 / line;
            before += width;
            (from, cut(text, width - GAP_LETTERS))
        });
        cells.collect()
    };
    let mut blocks = vec![
        Block::Title(table.title.clone()),
        Block::Row(placed(&titles), paper::GREY),
    ];
    blocks.extend(rows.iter().map(|row| Block::Row(placed(row), paper::INK)));
    blocks
}

/// What each column takes of a line: what its longest cell needs, and where that is too much, less
/// of the widest ones.
fn widths(titles: &[String], rows: &[Vec<String>]) -> Vec<usize> {
    let mut widths: Vec<usize> = titles.iter().map(|title| letters(title)).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = letters(cell).max(*width);
        }
    }
    for width in &mut widths {
        *width = (*width).min(LINE_LETTERS) + GAP_LETTERS;
    }
    while widths.iter().sum::<usize>() > LINE_LETTERS {
        match widths.iter_mut().max() {
            Some(widest) => *widest -= 1,
            None => break,
        }
    }
    widths
}

fn letters(text: &str) -> usize {
    text.chars().map(wide).sum()
}

fn wide(letter: char) -> usize {
    if letter.is_ascii() { 1 } else { 2 }
}

/// As much as fits; what is cut is whole in the other forms.
fn cut(text: &str, most: usize) -> String {
    if letters(text) <= most {
        return text.to_owned();
    }
    let mut width = wide('…');
    let fitting = text.chars().take_while(|letter| {
        width += wide(*letter);
        width <= most
    });
    format!("{}…", fitting.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_looks_like_a_formula_is_text_in_every_table() {
        let table = Table {
            title: "表".to_owned(),
            columns: vec!["姓名", "数"],
            rows: vec![vec![
                Cell::Text("=HYPERLINK(\"http://x\")".to_owned()),
                Cell::Number(-1.5),
            ]],
        };
        let text = String::from_utf8(csv(&table).unwrap()).unwrap();
        assert!(text.starts_with("\u{feff}姓名,数\n"), "{text}");
        assert!(
            text.contains("\"'=HYPERLINK(\"\"http://x\"\")\",-1.5"),
            "{text}"
        );
    }

    #[test]
    fn what_does_not_fit_on_paper_is_cut_and_says_so() {
        assert_eq!(cut("社区矫正法", 10), "社区矫正法");
        assert_eq!(cut("社区矫正法治教育", 12), "社区矫正法…");
    }

    #[test]
    fn a_long_title_takes_no_room_from_times_and_figures() {
        let titles = ["课程", "进入时间"].map(str::to_owned);
        let row = ["课".repeat(200), "2026-11-28 20:30".to_owned()];
        let widths = widths(&titles, &[row.to_vec()]);
        assert_eq!(widths, [LINE_LETTERS - 18, 18]);
    }
}
