//! Files as teachers have them, and files as they should not be.

use std::io::Write as _;

use encoding_rs::{GB18030, UTF_16LE};
use proptest::prelude::*;
use rust_xlsxwriter::Workbook;

use super::*;

/// Kind, text, and options with a star before the right ones.
fn told(contents: &Contents) -> Vec<String> {
    let options = |draft: &Draft| {
        let options = draft.solution.options().iter();
        let told = options.map(|o| format!("{}{}", if o.correct { "*" } else { "" }, o.text));
        let accepted = draft.solution.accepted().into_iter();
        told.chain(accepted).collect::<Vec<_>>().join("|")
    };
    let line = |draft: &Draft| {
        let kind = draft.kind.name();
        format!("{} {kind} {} [{}]", draft.line, draft.text, options(draft))
    };
    contents.drafts.iter().map(line).collect()
}

fn complaints(contents: &Contents) -> Vec<(u32, &'static str)> {
    let told = contents.complaints.iter();
    told.map(|complaint| (complaint.line, complaint.code))
        .collect()
}

const GIFT: &str = "\
// A comment
$CATEGORY: $course$/law

::First:: [html]Who reports when moving\\: the person or the office? {
  =The person #right
  ~The office
  ~%0%Nobody
}

Which are rights? {~%50%To appeal ~%50%To be heard ~%-100%To leave ####said to all}

Leave needs approval. {T}
Hours can be bought.{FALSE#no#yes}

The office of {=justice ~trade} supervises.

Braces \\{ and \\} and \\= are written so. {=yes ~no}
";

#[test]
fn gift_has_choices_several_right_ones_judgements_and_missing_words() {
    let contents = read("law.gift", GIFT.as_bytes()).unwrap();
    assert_eq!(complaints(&contents), [(12, "questions.braces")]);
    let apart = GIFT.replace("{T}\n", "{T}\n\n");
    let contents = read("law.txt", apart.as_bytes()).unwrap();
    assert_eq!(complaints(&contents), []);
    assert_eq!(
        told(&contents),
        [
            "4 single Who reports when moving: the person or the office? \
             [*The person|The office|Nobody]",
            "10 multiple Which are rights? [*To appeal|*To be heard|To leave]",
            "12 true_false Leave needs approval. [*正确|错误]",
            "14 true_false Hours can be bought. [正确|*错误]",
            "16 single The office of ____ supervises. [*justice|trade]",
            "18 single Braces { and } and = are written so. [*yes|no]",
        ]
    );
}

#[test]
fn gift_has_numbers_with_a_tolerance_or_a_range_and_short_texts() {
    let file = "圆周率是多少？{#3.14:0.01}\n\nHow many?{#1..5#feedback}\n\n\
                Year? {#\n =1822:0#yes\n =%100%1823\n =%0%1900 ~no }\n\n\
                谁批准请假？{=司法所 =%100%县司法局#right =%0%无}\n\n\
                The capital of China is {=Beijing =北京\\=首都}.\n";
    let contents = read("a.gift", file.as_bytes()).unwrap();
    assert_eq!(complaints(&contents), []);
    assert_eq!(
        told(&contents),
        [
            "1 numeric 圆周率是多少？ [3.13..3.15]",
            "3 numeric How many? [1..5]",
            "5 numeric Year? [1822|1823]",
            "10 short_text 谁批准请假？ [司法所|县司法局]",
            "12 short_text The capital of China is ____ . [Beijing|北京=首都]",
        ]
    );
}

#[test]
fn what_gift_has_beyond_the_bank_is_told_by_its_line_and_never_guessed() {
    let file = "Essay? {}\n\nNumber? {#three}\n\nPairs {=a -> 1 =b -> 2 ~c}\n\n\
                Short {=%50%one =two}\n\nNone\n\nBad {nothing}\n\nNobody right {~a ~b}\n\n\
                Any {=* =two}\n\nPart {#=%50%1:1 =2}\n\nNothing right {=%0%a}\n\n\
                Backwards {#5..1}\n";
    let contents = read("a.gift", file.as_bytes()).unwrap();
    assert_eq!(contents.drafts, []);
    assert_eq!(
        complaints(&contents),
        [
            (1, "questions.kind"),
            (3, "questions.number"),
            (5, "questions.kind"),
            (7, "questions.part"),
            (9, "questions.braces"),
            (11, "questions.answer_unknown"),
            (13, "question.correct"),
            (15, "questions.wildcard"),
            (17, "questions.part"),
            (19, "question.answers"),
            (21, "questions.number"),
        ]
    );
    let refusal = contents.refusal().unwrap();
    assert!(
        refusal.zh.contains("共 11 处问题，第 1 行"),
        "{}",
        refusal.zh
    );
}

#[test]
fn aiken_has_lettered_options_and_an_answer() {
    let file = "谁批准请假？\nA. 司法所\nB）县司法局\nANSWER: B\n\nTwo are right\nA) one\nB) two\n\
                C) three\nanswer：a, c\n";
    let contents = read("q.txt", file.as_bytes()).unwrap();
    assert_eq!(
        told(&contents),
        [
            "1 single 谁批准请假？ [司法所|*县司法局]",
            "6 multiple Two are right [*one|two|*three]",
        ]
    );
    let file = "圆周率？\nANSWER: 3.14\n";
    let contents = read("q.aiken", file.as_bytes()).unwrap();
    assert_eq!(complaints(&contents), [(2, "questions.kind")]);
    let file = "No answer\nA. one\nB. two\nNext\nA. one\nB. two\nANSWER: D\nLast\nA. one\n";
    let contents = read("q.aiken", file.as_bytes()).unwrap();
    assert_eq!(
        complaints(&contents),
        [
            (4, "questions.answer_missing"),
            (7, "questions.answer_unknown"),
            (8, "questions.answer_missing"),
        ]
    );
}

const CSV: &str = "题干,题型,选项A,选项B,选项C,答案\n\
    外出需要？,单选,批准,\"告知,即可\",什么都不用,A\n\
    权利有哪些？,多选,申诉,陈述,买卖学时,A、B\n\
    可以请人代学。,判断,,,,错\n\
    ,,,,,\n\
    坏行,单选,一,二,,D\n\
    坏型,论述,一,二,,A\n\
    圆周率？,数值,,,,3.14±0.01\n\
    谁批准请假？,填空题,,,,司法所 | 县司法局\n\
    填空无选项,填空,一,二,,A\n\
    坏数,数值,,,,三\n";

const CSV_TOLD: [&str; 5] = [
    "2 single 外出需要？ [*批准|告知,即可|什么都不用]",
    "3 multiple 权利有哪些？ [*申诉|*陈述|买卖学时]",
    "4 true_false 可以请人代学。 [正确|*错误]",
    "8 numeric 圆周率？ [3.13..3.15]",
    "9 short_text 谁批准请假？ [司法所|县司法局]",
];

#[test]
fn a_table_is_read_in_any_usual_encoding_of_chinese_text() {
    let (utf8, mark) = (CSV.as_bytes().to_vec(), "\u{feff}".as_bytes());
    let (gb, _, _) = GB18030.encode(CSV);
    let utf16: Vec<u8> = CSV.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(UTF_16LE.name(), "UTF-16LE");
    let encoded = [
        utf8.clone(),
        [mark, &utf8].concat(),
        gb.into_owned(),
        [&[0xff, 0xfe][..], &utf16].concat(),
        CSV.replace('\n', "\r\n").into_bytes(),
    ];
    for bytes in encoded {
        let contents = read("题库.CSV", &bytes).unwrap();
        assert_eq!(told(&contents), CSV_TOLD);
        let wrong = [
            (6, "questions.answer_unknown"),
            (7, "questions.kind"),
            (10, "question.options"),
            (11, "questions.number"),
        ];
        assert_eq!(complaints(&contents), wrong);
    }
}

#[test]
fn a_workbook_is_a_table_too() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (row, line) in (0..).zip(CSV.lines()) {
        let mut cells = csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(line.as_bytes());
        let cells = cells.records().next().unwrap().unwrap();
        for (column, cell) in (0..).zip(cells.iter()).filter(|(_, cell)| !cell.is_empty()) {
            sheet.write_string(row, column, cell).unwrap();
        }
    }
    let bytes = book.save_to_buffer().unwrap();
    let contents = read("题库.xlsx", &bytes).unwrap();
    assert_eq!(told(&contents), CSV_TOLD);
    assert_eq!(complaints(&contents).len(), 4);
}

#[test]
fn a_number_cell_of_a_workbook_is_an_accepted_number() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (column, name) in ["题干", "题型", "答案"].into_iter().enumerate() {
        sheet.write_string(0, column as u16, name).unwrap();
    }
    sheet.write_string(1, 0, "圆周率？").unwrap();
    sheet.write_string(1, 1, "数值").unwrap();
    sheet.write_number(1, 2, 2.5).unwrap();
    let contents = read("a.xlsx", &book.save_to_buffer().unwrap()).unwrap();
    assert_eq!(told(&contents), ["2 numeric 圆周率？ [2.5]"]);
}

fn code(name: &str, bytes: &[u8]) -> &'static str {
    read(name, bytes).unwrap_err().code
}

#[test]
fn a_file_that_cannot_be_read_is_refused_with_its_reason() {
    assert_eq!(code("a.docx", b"x"), "questions.format");
    assert_eq!(code("a.txt", b"\x00\x01\xff\xff\xff"), "questions.encoding");
    assert_eq!(
        code("a.xlsx", b"PK\x03\x04 not a workbook"),
        "questions.damaged"
    );
    assert_eq!(code("a.csv", b"one,two\n1,2\n"), "questions.columns");
    assert_eq!(code("a.gift", b"// nothing\n"), "questions.none");
    let many = "Right? {T}\n\n".repeat(QUESTIONS_MAX + 1);
    assert_eq!(code("a.gift", many.as_bytes()), "questions.too_many");
}

#[test]
fn a_small_file_that_unpacks_to_a_huge_one_is_refused() {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    archive
        .start_file("xl/worksheets/sheet1.xml", options)
        .unwrap();
    let blank = vec![b' '; 1024 * 1024];
    for _ in 0..40 {
        archive.write_all(&blank).unwrap();
    }
    let bytes = archive.finish().unwrap().into_inner();
    assert!(bytes.len() < 1024 * 1024);
    assert_eq!(code("bomb.xlsx", &bytes), "questions.damaged");
}

proptest! {
    #[test]
    fn no_text_makes_a_reader_panic_and_all_it_finds_can_be_asked(
        text in "([=~{}#:A-D.)，对错\\\\%>-]|ANSWER|题干|答案|选项|,|\n| ){0,200}",
    ) {
        for name in ["a.gift", "a.aiken", "a.txt", "a.csv"] {
            if let Ok(contents) = read(name, text.as_bytes()) {
                prop_assert!(contents.complaints.len() <= COMPLAINTS_MAX);
                for draft in contents.drafts {
                    let solution = draft.solution;
                    prop_assert!(solution.options().len() >= 2 || !solution.accepted().is_empty());
                }
            }
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        for name in ["a.gift", "a.txt", "a.csv", "a.xlsx"] {
            let _ = read(name, &bytes);
        }
    }
}
