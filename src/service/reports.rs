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

/// Characters of a cell on paper; what is longer is cut, and whole in the other forms.
const PAPER_CHARS_MAX: usize = 14;

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
    let minutes = *seconds as f64 / 60.0;
    // The sign does not come first: what begins with one is a formula to spreadsheets.
    format!("调整 {minutes:+.1} 分钟（{proposed_by}、{approved_by}）")
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
    let columns = table.columns.len().max(1) as f32;
    let shared = |cells: Vec<String>| {
        let cells = (0_u8..).zip(cells);
        cells
            .map(|(place, text)| (f32::from(place) / columns, cut(&text)))
            .collect()
    };
    let titles = table.columns.iter().map(|&title| title.to_owned());
    let mut blocks = vec![
        Block::Title(table.title.clone()),
        Block::Row(shared(titles.collect()), paper::GREY),
    ];
    blocks.extend(table.rows.iter().map(|row| {
        let cells = row.iter().map(|cell| match cell {
            Cell::Text(text) => text.clone(),
            Cell::Number(number) => number.to_string(),
        });
        Block::Row(shared(cells.collect()), paper::INK)
    }));
    blocks
}

/// As much as a column of the sheet has room for: a Chinese letter is as wide as two others.
fn cut(text: &str) -> String {
    let mut width = 0;
    let mut fitting = text.chars().take_while(|c| {
        width += if c.is_ascii() { 1 } else { 2 };
        width <= PAPER_CHARS_MAX
    });
    let kept: String = fitting.by_ref().collect();
    match kept.len() == text.len() {
        true => kept,
        false => format!("{kept}…"),
    }
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
        assert_eq!(cut("社区矫正法"), "社区矫正法");
        assert_eq!(cut("社区矫正法治教育"), "社区矫正法治教…");
    }
}
