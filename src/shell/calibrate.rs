//! `mingtang models calibrate`: what the thresholds in use mean on an operator's own set of
//! consenting people, one folder of pictures each. Nothing of it is kept.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use zune_jpeg::JpegDecoder;

use crate::domain::face::calibration::Comparisons;
use crate::domain::face::keyframe::Size;
use crate::domain::face::quality::frontal_face;
use crate::domain::face::template::{Recogniser, Template};
use crate::service::face::FaceEngine;
use crate::service::face::networks::Networks;
use crate::service::face::picture::Picture;
use crate::shell::models;

/// Largest picture, bytes.
const PICTURE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Pictures of a set at most: their pairs are compared.
const PICTURES_MAX: usize = 5_000;

/// Why a set is not calibrated.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The networks.
    #[error(transparent)]
    Models(#[from] models::Error),
    /// There are none.
    #[error("no networks are installed: `mingtang models fetch` installs them")]
    NoModels,
    /// A picture broke a network.
    #[error(transparent)]
    Face(#[from] crate::service::face::Error),
    /// A folder or file.
    #[error("cannot read {path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The set says nothing.
    #[error("the set needs two people with two usable pictures each; {0} pictures could be used")]
    TooFew(usize),
}

/// Compares every pair of pictures in the folders of `set`, and prints the rates of errors.
pub fn run(data_dir: &Path, set: &Path) -> Result<(), Error> {
    let networks = models::networks(data_dir)?.ok_or(Error::NoModels)?;
    let recogniser = networks.models().recogniser.ok_or(Error::NoModels)?;
    let (people, unusable) = templates(&networks, set)?;
    let comparisons = compared(recogniser, &people)?;
    let (same, different) = (comparisons.same.len(), comparisons.different.len());
    println!(
        "{}: {} people, {} pictures used, {unusable} not; {same} pairs of one person, \
         {different} of two",
        recogniser.model().name,
        people.len(),
        people.values().map(Vec::len).sum::<usize>(),
    );
    let in_use = recogniser.thresholds();
    println!("threshold   false match   false non-match");
    for rates in comparisons.table(recogniser.metric(), in_use) {
        let mark = if rates.threshold == in_use.matches {
            "  match"
        } else if rates.threshold == in_use.unsure {
            "  unsure"
        } else {
            ""
        };
        println!(
            "{:9.4} {:13.5} {:17.5}{mark}",
            rates.threshold, rates.false_match, rates.false_non_match
        );
    }
    Ok(())
}

fn compared(
    recogniser: &Recogniser,
    people: &BTreeMap<PathBuf, Vec<Template>>,
) -> Result<Comparisons, Error> {
    let all: Vec<(&PathBuf, &Template)> = people
        .iter()
        .flat_map(|(person, templates)| templates.iter().map(move |template| (person, template)))
        .collect();
    let mut comparisons = Comparisons::default();
    for (index, (person, one)) in all.iter().enumerate() {
        for (other, two) in &all[index + 1..] {
            let alike = recogniser.compare(one, two);
            let alike = alike.map_err(crate::service::face::Error::from)?;
            match person == other {
                true => comparisons.same.push(alike.value()),
                false => comparisons.different.push(alike.value()),
            }
        }
    }
    match comparisons.same.is_empty() || comparisons.different.is_empty() {
        true => Err(Error::TooFew(all.len())),
        false => Ok(comparisons),
    }
}

/// Templates by person, and how many pictures had no one frontal face.
fn templates(
    networks: &Networks,
    set: &Path,
) -> Result<(BTreeMap<PathBuf, Vec<Template>>, usize), Error> {
    let mut people: BTreeMap<PathBuf, Vec<Template>> = BTreeMap::new();
    let (mut used, mut unusable) = (0, 0);
    for person in listed(set)?.into_iter().filter(|path| path.is_dir()) {
        for path in listed(&person)? {
            let Some(picture) = picture(&path)? else {
                unusable += 1;
                continue;
            };
            let faces = networks.detect(&picture)?;
            match frontal_face(&faces, picture.luminance(None)) {
                Ok(face) if used < PICTURES_MAX => {
                    let template = networks.embed(&picture, face)?;
                    people.entry(person.clone()).or_default().push(template);
                    used += 1;
                }
                Ok(_) | Err(_) => unusable += 1,
            }
        }
    }
    Ok((people, unusable))
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let read = || {
        let entries = fs::read_dir(folder)?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        paths.collect::<std::io::Result<Vec<_>>>()
    };
    let mut paths = read().map_err(|source| Error::Io {
        path: folder.to_path_buf(),
        source,
    })?;
    paths.sort();
    Ok(paths)
}

/// A picture in JPEG or lossy WebP; `None` of anything else.
pub fn picture(path: &Path) -> Result<Option<Picture>, Error> {
    let io = |source| Error::Io {
        path: path.to_path_buf(),
        source,
    };
    let length = fs::metadata(path).map_err(io)?.len();
    if !path.is_file() || length > PICTURE_BYTES_MAX {
        return Ok(None);
    }
    let bytes = fs::read(path).map_err(io)?;
    Ok(Picture::of_webp(&bytes).ok().or_else(|| jpeg(&bytes)))
}

fn jpeg(bytes: &[u8]) -> Option<Picture> {
    let mut decoder = JpegDecoder::new(Cursor::new(bytes));
    decoder.decode_headers().ok()?;
    let info = decoder.info()?;
    let size = Size {
        width: u32::from(info.width),
        height: u32::from(info.height),
    };
    size.checked().ok()?;
    Picture::new(size, decoder.decode().ok()?).ok()
}
