//! Typefaces with Chinese that systems install, for printed reports.

use std::path::Path;

use crate::service::paper::{Typeface, Typefaces};

/// Files of fonts in the order of preference, and the face with simplified Chinese in each.
const KNOWN: &[(&str, u32)] = &[
    ("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc", 2),
    (
        "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
        2,
    ),
    ("/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc", 2),
    ("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc", 0),
    ("/usr/share/fonts/wqy-microhei/wqy-microhei.ttc", 0),
    ("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc", 0),
];

/// The typefaces of this machine. A file is read when a report is drawn, and not kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Installed;

impl Typefaces for Installed {
    fn chinese(&self) -> Option<Typeface> {
        KNOWN.iter().find_map(|(path, index)| {
            let file = std::fs::read(path).ok()?;
            let index = *index;
            Some(Typeface { file, index })
        })
    }
}

/// Where the typeface is, if there is one.
pub fn found() -> Option<&'static str> {
    let known = KNOWN.iter().map(|(path, _)| *path);
    known.into_iter().find(|path| Path::new(path).exists())
}
