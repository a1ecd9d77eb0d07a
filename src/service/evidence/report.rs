//! What the report of an evidence pack says, in Chinese; numbers and codes are those of the JSON.

use chrono::{DateTime, Utc};
use qrcode::{Color, QrCode};

use super::Contents;
use crate::domain::beijing;
use crate::domain::classroom::check::{CheckKind, Outcome, Ruling};
use crate::domain::classroom::credit::{Reason, Verdict};
use crate::domain::face::geometry::Upright;
use crate::service::classroom::view::{CheckView, StretchView};
use crate::service::face::picture::Picture;
use crate::service::paper::{
    Block, Error, GREEN, GREY, INK, PALE, RED, Thumbnail, Typeface, print,
};

/// Width of a picture in the report, pixels.
const THUMBNAIL_WIDTH: u32 = 200;
/// Pictures side by side.
const PICTURES_IN_ROW: usize = 4;

/// What a pack says of itself.
pub(super) const README: &str = "\
这是一次学习的证据包，不依赖签发它的服务器也可以核对。
This pack holds the evidence of one attendance and can be checked without the server.

manifest.json    每个文件的 SHA-256，服务器留存了它自身的摘要。
                 SHA-256 of every other file; the server keeps the digest of this one.
attendance.json  学时结果、时段和核验。Result, stretches and checks.
facts.json       本次学习与课程的事实，逐条可重算。Facts of the attendance and the lesson.
chain.json       其间属于他人的事实只有摘要。Hashes alone of facts between them, about others.
frames/          核验时服务器看到的画面。Pictures that checks looked at.
report.pdf       给人看的报告。The report for people.

一条事实的 SHA-256 / a fact's SHA-256, integers big-endian:
  \"mingtang fact 1\\n\" | stream id (16) | seq (u64) | at_us (i64)
  | length of kind (u32) | kind | length of body (u32) | body | previous_hash (32)
抽查时刻 / times of checks: draw i is HMAC-SHA256(seed, u64 i) as a fraction of 2^256; the seed is
in the fact attendance_closed, its SHA-256 was committed in attendance_opened.
";

/// Draws the report.
pub(super) fn draw(contents: &Contents, typeface: Typeface) -> Result<Vec<u8>, Error> {
    let mut blocks = head(contents);
    blocks.extend(timeline(&contents.view.stretches));
    blocks.extend(checks(&contents.view.checks));
    blocks.extend(pictures(contents));
    blocks.extend(people(contents));
    blocks.push(Block::Heading("核对".to_owned()));
    blocks.extend(code(&contents.verify_url));
    let foot = format!("明堂 · 证据包 {}", contents.id);
    print(typeface, &blocks, &foot)
}

fn head(contents: &Contents) -> Vec<Block> {
    let summary = &contents.view.summary;
    let entry = |label: &str, text: String| Block::Entry(label.to_owned(), text);
    vec![
        Block::Title("学习证据报告".to_owned()),
        entry("姓名", contents.learner.clone()),
        entry("单位", contents.unit.clone()),
        entry("课程", contents.lesson.clone()),
        entry("上课时间", wall(contents.starts_at)),
        entry("计入学时", length(summary.credited_seconds)),
        entry("扣除", length(summary.withheld_seconds)),
        entry("规则版本", summary.rule_version.to_string()),
        entry("抽查承诺", summary.commitment.clone()),
        entry("签发时间", wall(contents.issued_at)),
    ]
}

fn timeline(stretches: &[StretchView]) -> Vec<Block> {
    let from = stretches.iter().map(|one| one.from).min();
    let to = stretches.iter().map(|one| one.to).max();
    let Some((from, to)) = from.zip(to).filter(|(from, to)| from < to) else {
        return vec![Block::Note("没有可计的时段。".to_owned())];
    };
    let whole = (to - from).num_milliseconds() as f32;
    let share = |at: DateTime<Utc>| (at - from).num_milliseconds() as f32 / whole;
    let bar = stretches.iter().map(|one| {
        let colour = match (one.verdict, one.reason) {
            (Verdict::Credited, _) => GREEN,
            (Verdict::Pending, _)
            | (Verdict::Withheld, Some(Reason::NotAlive | Reason::OnBreak)) => PALE,
            (Verdict::Withheld, _) => RED,
        };
        (share(one.from), share(one.to), colour)
    });
    let mut blocks = vec![
        Block::Heading("时段（绿色计入，灰色不计，红色扣除）".to_owned()),
        Block::Bar(bar.collect()),
        Block::Row(
            vec![
                (0.0, "从".to_owned()),
                (0.22, "到".to_owned()),
                (0.44, "时长".to_owned()),
                (0.6, "结果".to_owned()),
            ],
            GREY,
        ),
    ];
    blocks.extend(stretches.iter().map(|one| {
        let colour = if one.verdict == Verdict::Withheld {
            RED
        } else {
            INK
        };
        let cells = vec![
            (0.0, clock(one.from)),
            (0.22, clock(one.to)),
            (0.44, length(one.seconds)),
            (0.6, verdict(one)),
        ];
        Block::Row(cells, colour)
    }));
    blocks
}

fn verdict(stretch: &StretchView) -> String {
    match (stretch.verdict, stretch.reason) {
        (Verdict::Credited, _) => "计入".to_owned(),
        (Verdict::Pending, _) => "待定".to_owned(),
        (Verdict::Withheld, None) => "不计".to_owned(),
        (Verdict::Withheld, Some(reason)) => format!("不计：{}", reason_zh(reason)),
    }
}

fn reason_zh(reason: Reason) -> &'static str {
    match reason {
        Reason::CheckMissed => "核验未作答",
        Reason::CheckWrong => "核验答错",
        Reason::TooShort => "连续时间太短",
        Reason::NoClosingAnchor => "之后没有通过核验",
        Reason::NotAlive => "不在课堂",
        Reason::OnBreak => "课间",
        Reason::EarnedElsewhere => "同一时间已在别的课计入",
        Reason::OverCap => "超过上限",
        Reason::FaceMismatch => "核验看到他人",
        Reason::FaceNotSeen => "核验没有看到本人",
        Reason::LivenessFailed => "没有看到要求的动作",
        Reason::CameraCovered => "摄像头没有画面",
        Reason::CheckRefused => "拒绝核验",
        Reason::OutsideHours => "不在计时时段",
        Reason::Overturned => "人工复核改判",
    }
}

fn checks(checks: &[CheckView]) -> Vec<Block> {
    let mut blocks = vec![Block::Heading(format!("核验（{} 次）", checks.len()))];
    if !checks.is_empty() {
        let titles = ["时间", "方式", "结果", "复核"];
        blocks.push(row(titles.map(str::to_owned), GREY));
    }
    blocks.extend(checks.iter().map(|check| {
        let failed = check.outcome.is_some_and(Outcome::is_failure);
        let cells = [
            clock(check.asked_at),
            kind_zh(check.kind).to_owned(),
            check.outcome.map_or("未结束", outcome_zh).to_owned(),
            check.ruling.map_or("", ruling_zh).to_owned(),
        ];
        row(cells, if failed { RED } else { INK })
    }));
    blocks
}

fn row([one, two, three, four]: [String; 4], colour: [u8; 3]) -> Block {
    let cells = vec![(0.0, one), (0.22, two), (0.44, three), (0.78, four)];
    Block::Row(cells, colour)
}

fn kind_zh(kind: CheckKind) -> &'static str {
    match kind {
        CheckKind::Presence => "在场确认",
        CheckKind::Question => "随堂提问",
        CheckKind::Face => "人脸核验",
        CheckKind::Action => "动作核验",
    }
}

fn outcome_zh(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "通过",
        Outcome::PassedWrong => "在场，答错",
        Outcome::FailedWrong => "答错",
        Outcome::PassedLowAssurance => "暂时通过，待人工查看",
        Outcome::FailedMismatch => "不是本人",
        Outcome::FailedNoFace => "没有看到人脸",
        Outcome::FailedManyFaces => "不止一张脸",
        Outcome::FailedLiveness => "没有看到要求的动作",
        Outcome::FailedCovered => "画面被遮挡或过暗",
        Outcome::Refused => "拒绝",
        Outcome::Exempt => "改用不使用摄像头的方式",
        Outcome::Missed => "未作答",
        Outcome::Interrupted => "网络中断，不计",
        Outcome::Void => "作废，不计",
    }
}

fn ruling_zh(ruling: Ruling) -> &'static str {
    match ruling {
        Ruling::Upheld => "维持",
        Ruling::Overturned => "改判",
    }
}

fn pictures(contents: &Contents) -> Vec<Block> {
    if contents.pictures.is_empty() {
        return Vec::new();
    }
    let mut blocks = vec![Block::Heading("核验画面".to_owned())];
    blocks.extend(contents.pictures.chunks(PICTURES_IN_ROW).map(|row| {
        let cells = row.iter().filter_map(|(picture, webp)| {
            let similarity = picture.similarity.map(|value| format!(" · {value:.4}"));
            let found = format!("{}{}", picture.finding, similarity.unwrap_or_default());
            Some((thumbnail(webp)?, [clock(picture.taken_at), found]))
        });
        Block::Pictures(cells.collect())
    }));
    blocks
}

/// The pack has the pictures whole; the report is to be small enough to be sent.
fn thumbnail(webp: &[u8]) -> Option<Thumbnail> {
    let picture = Picture::of_webp(webp).ok()?;
    let size = picture.size();
    let step = (size.width as f32 / THUMBNAIL_WIDTH as f32).max(1.0);
    let side = |length: u32| ((length as f32 / step) as u32).max(1);
    let (width, height) = (side(size.width), side(size.height));
    let back = Upright {
        a: step,
        b: 0.0,
        dx: 0.0,
        dy: 0.0,
    };
    let planes = picture.sampled(width as usize, height as usize, &back);
    let plane = width as usize * height as usize;
    let pixel = |at: usize| [0, 1, 2].map(|channel| planes[channel * plane + at] as u8);
    let rgba = (0..plane).flat_map(|at| {
        let [red, green, blue] = pixel(at);
        [red, green, blue, u8::MAX]
    });
    Some(Thumbnail {
        width,
        height,
        rgba: rgba.collect(),
    })
}

fn people(contents: &Contents) -> Vec<Block> {
    let mut blocks = Vec::new();
    for appeal in &contents.view.appeals {
        let text = format!("申诉 {}：{}", wall(appeal.filed_at), appeal.state);
        blocks.push(Block::Note(text));
    }
    for adjustment in &contents.view.adjustments {
        let minutes = adjustment.seconds as f64 / 60.0;
        let text = format!("学时调整 {minutes:+.1} 分钟：{}", adjustment.state);
        blocks.push(Block::Note(text));
    }
    if !blocks.is_empty() {
        blocks.insert(0, Block::Heading("申诉与调整".to_owned()));
    }
    blocks
}

fn code(url: &str) -> Vec<Block> {
    let text = format!("扫码核对是否由本服务器签发：{url}");
    let Ok(code) = QrCode::new(url.as_bytes()) else {
        return vec![Block::Note(text)];
    };
    let width = code.width();
    let dark = |color: &Color| *color == Color::Dark;
    let colors = code.to_colors();
    let rows = colors.chunks(width.max(1));
    let rows = rows.map(|row| row.iter().map(dark).collect()).collect();
    vec![Block::Code(rows, text)]
}

fn wall(at: DateTime<Utc>) -> String {
    format!("{}（北京时间）", beijing::wall(at).format("%Y-%m-%d %H:%M"))
}

fn clock(at: DateTime<Utc>) -> String {
    beijing::wall(at).format("%m-%d %H:%M:%S").to_string()
}

fn length(seconds: u64) -> String {
    format!("{} 分 {} 秒", seconds / 60, seconds % 60)
}
