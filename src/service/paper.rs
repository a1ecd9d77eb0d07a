//! Sheets of A4 with text, tables, bars and pictures, from above to below.

use krilla::Document;
use krilla::color::rgb;
use krilla::geom::{Path, PathBuilder, Point, Rect, Size, Transform};
use krilla::image::Image;
use krilla::num::NormalizedF32;
use krilla::page::{Page, PageSettings};
use krilla::paint::{Fill, FillRule};
use krilla::surface::Surface;
use krilla::text::{Font, TextDirection};

use crate::domain::refusal::{Refusal, RefusalKind};

/// Points of A4.
const WIDTH: f32 = 595.0;
const HEIGHT: f32 = 842.0;
const MARGIN: f32 = 48.0;

/// Ink.
pub(super) const INK: [u8; 3] = [31, 41, 51];
/// Notes.
pub(super) const GREY: [u8; 3] = [107, 119, 133];
/// What counts.
pub(super) const GREEN: [u8; 3] = [46, 139, 87];
/// What does not, and was never denied.
pub(super) const PALE: [u8; 3] = [205, 211, 218];
/// What is withheld.
pub(super) const RED: [u8; 3] = [196, 64, 56];

/// A font file with Chinese, and which of its faces.
#[derive(Clone)]
pub struct Typeface {
    /// The file.
    pub file: Vec<u8>,
    /// Face in a collection, from 0.
    pub index: u32,
}

impl std::fmt::Debug for Typeface {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Typeface({} bytes)", self.file.len())
    }
}

/// Where typefaces come from.
pub trait Typefaces: Send + Sync {
    /// One with Chinese; `None` where the machine has none.
    fn chinese(&self) -> Option<Typeface>;
}

/// A machine without typefaces.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTypefaces;

impl Typefaces for NoTypefaces {
    fn chinese(&self) -> Option<Typeface> {
        None
    }
}

/// Why a document was not drawn.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The font file.
    #[error("the typeface cannot be used")]
    Typeface,
    /// The library's word.
    #[error("the document cannot be written: {0}")]
    Document(String),
}

/// What a sheet shows, in order.
#[derive(Debug)]
pub(super) enum Block {
    /// The largest letters.
    Title(String),
    /// A part begins.
    Heading(String),
    /// A label and what it says.
    Entry(String, String),
    /// A sentence.
    Note(String),
    /// Cells at these shares of the width; the first row of a table is bold by its colour.
    Row(Vec<(f32, String)>, [u8; 3]),
    /// Parts of the width, with their colours.
    Bar(Vec<(f32, f32, [u8; 3])>),
    /// Pictures side by side, each with two lines below.
    Pictures(Vec<(Thumbnail, [String; 2])>),
    /// Dark cells of a square, row by row, with a line beside it.
    Code(Vec<Vec<bool>>, String),
}

/// A small picture: rows from above, four bytes a pixel.
#[derive(Debug)]
pub(super) struct Thumbnail {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) rgba: Vec<u8>,
}

impl Block {
    fn height(&self) -> f32 {
        match self {
            Block::Title(_) => 34.0,
            Block::Heading(_) => 30.0,
            Block::Entry(..) | Block::Note(_) => 17.0,
            Block::Row(..) => 16.0,
            Block::Bar(_) => 30.0,
            Block::Pictures(_) => 130.0,
            Block::Code(..) => 96.0,
        }
    }
}

/// Draws blocks on as many sheets as they need, each with a foot line.
pub(super) fn print(typeface: Typeface, blocks: &[Block], foot: &str) -> Result<Vec<u8>, Error> {
    let font = Font::new(typeface.file.into(), typeface.index).ok_or(Error::Typeface)?;
    let mut document = Document::new();
    let mut rest = blocks;
    let mut number = 1;
    while !rest.is_empty() {
        let settings = PageSettings::from_wh(WIDTH, HEIGHT).ok_or(Error::Typeface)?;
        let mut page: Page<'_> = document.start_page_with(settings);
        let taken = sheet(&mut page, &font, rest, &format!("{foot}  ·  {number}"));
        page.finish();
        rest = &rest[taken..];
        number += 1;
    }
    document
        .finish()
        .map_err(|error| Error::Document(format!("{error:?}")))
}

/// Draws as many blocks as a sheet has room for, at least one; answers how many.
fn sheet(page: &mut Page<'_>, font: &Font, blocks: &[Block], foot: &str) -> usize {
    let mut sheet = Sheet {
        surface: page.surface(),
        font: font.clone(),
        y: MARGIN,
    };
    let bottom = HEIGHT - MARGIN - 20.0;
    let mut taken = 0;
    while let Some(block) = blocks.get(taken)
        && (taken == 0 || sheet.y + block.height() <= bottom)
    {
        sheet.draw(block);
        taken += 1;
    }
    sheet.text(MARGIN, HEIGHT - MARGIN + 8.0, 8.0, GREY, foot);
    sheet.surface.finish();
    taken
}

struct Sheet<'a> {
    surface: Surface<'a>,
    font: Font,
    y: f32,
}

impl Sheet<'_> {
    fn draw(&mut self, block: &Block) {
        let y = self.y;
        match block {
            Block::Title(text) => self.text(MARGIN, y + 22.0, 20.0, INK, text),
            Block::Heading(text) => self.text(MARGIN, y + 22.0, 12.5, INK, text),
            Block::Entry(label, text) => {
                self.text(MARGIN, y + 12.0, 9.5, GREY, label);
                self.text(MARGIN + 110.0, y + 12.0, 9.5, INK, text);
            }
            Block::Note(text) => self.text(MARGIN, y + 12.0, 8.5, GREY, text),
            Block::Row(cells, colour) => {
                for (share, text) in cells {
                    let x = MARGIN + share * (WIDTH - 2.0 * MARGIN);
                    self.text(x, y + 11.0, 8.5, *colour, text);
                }
            }
            Block::Bar(parts) => {
                for (from, to, colour) in parts {
                    let whole = WIDTH - 2.0 * MARGIN;
                    let width = ((to - from) * whole).max(0.4);
                    self.rect(MARGIN + from * whole, y + 6.0, width, 16.0, *colour);
                }
            }
            Block::Pictures(pictures) => self.pictures(pictures),
            Block::Code(rows, text) => self.code(rows, text),
        }
        self.y += block.height();
    }

    fn pictures(&mut self, pictures: &[(Thumbnail, [String; 2])]) {
        let (cell, height) = (125.0, 90.0);
        for (place, (small, lines)) in pictures.iter().enumerate() {
            let x = MARGIN + place as f32 * cell;
            let (width, tall) = (small.width.max(1) as f32, small.height.max(1) as f32);
            let scale = (height / tall).min((cell - 8.0) / width);
            if let Some(size) = Size::from_wh(width * scale, tall * scale) {
                let image = Image::from_rgba8(small.rgba.clone(), small.width, small.height);
                let place = Transform::from_translate(x, self.y + 4.0);
                self.surface.push_transform(&place);
                self.surface.draw_image(image, size);
                self.surface.pop();
            }
            for (line, text) in lines.iter().enumerate() {
                let y = self.y + height + 14.0 + 10.0 * line as f32;
                self.text(x, y, 7.5, GREY, text);
            }
        }
    }

    fn code(&mut self, rows: &[Vec<bool>], text: &str) {
        let side = 84.0 / rows.len().max(1) as f32;
        for (row, cells) in rows.iter().enumerate() {
            for (column, dark) in cells.iter().enumerate() {
                if *dark {
                    let (x, y) = (column as f32 * side, row as f32 * side);
                    self.rect(MARGIN + x, self.y + 6.0 + y, side, side, INK);
                }
            }
        }
        self.text(MARGIN + 100.0, self.y + 48.0, 8.5, INK, text);
    }

    fn text(&mut self, x: f32, y: f32, size: f32, colour: [u8; 3], text: &str) {
        self.surface.set_fill(Some(fill(colour)));
        let (at, font) = (Point::from_xy(x, y), self.font.clone());
        let direction = TextDirection::Auto;
        self.surface
            .draw_text(at, font, size, text, false, direction);
    }

    fn rect(&mut self, x: f32, y: f32, width: f32, height: f32, colour: [u8; 3]) {
        self.surface.set_fill(Some(fill(colour)));
        if let Some(path) = rectangle(x, y, width, height) {
            self.surface.draw_path(&path);
        }
    }
}

fn rectangle(x: f32, y: f32, width: f32, height: f32) -> Option<Path> {
    let mut builder = PathBuilder::new();
    builder.push_rect(Rect::from_xywh(x, y, width, height)?);
    builder.finish()
}

fn fill([red, green, blue]: [u8; 3]) -> Fill {
    Fill {
        paint: rgb::Color::new(red, green, blue).into(),
        opacity: NormalizedF32::ONE,
        rule: FillRule::NonZero,
    }
}

/// The machine has no typeface with Chinese.
pub(super) fn no_typeface() -> Refusal {
    Refusal::new(
        RefusalKind::Unavailable,
        "evidence.no_typeface",
        "服务器上没有中文字体，无法生成报告，请管理员安装 fonts-noto-cjk。",
        "The server has no Chinese typeface for the report: an administrator must install \
         fonts-noto-cjk.",
    )
}
