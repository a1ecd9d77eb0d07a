//! The manifest of networks: which files they are, and how each wants its pictures.

use serde::Deserialize;

use crate::domain::face::geometry::Point;
use crate::domain::face::template::{Metric, Thresholds};

/// The official set, which an operator fetches or copies.
pub const PRODUCT: &str = include_str!("models.toml");

/// Networks that work together, one of each role at most.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Each network.
    #[serde(rename = "model")]
    pub models: Vec<Entry>,
}

/// One network.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its name, and that of its file with `.onnx`.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Where it comes from; a network without is supplied by the operator.
    pub url: Option<String>,
    /// Of the file, lower-case hexadecimal.
    pub sha256: String,
    /// Length of the file.
    pub bytes: u64,
    /// An SPDX expression.
    pub licence: String,
    /// Width and height of its input, pixels.
    pub input: [usize; 2],
    /// Order of colours.
    pub colours: Colours,
    /// Taken from each value of 0 to 255, in the order of colours.
    #[serde(default)]
    pub mean: [f32; 3],
    /// What is left is multiplied by this.
    #[serde(default = "one")]
    pub scale: f32,
    /// Where the five points of a face go in its input: right eye, left eye, nose, right and left
    /// corner of the mouth. A recogniser has them.
    pub alignment: Option<[[f32; 2]; 5]>,
    /// How templates are compared. A recogniser has it.
    pub metric: Option<Metric>,
    /// Which values mean closer; said for the reader and held to the metric.
    pub direction: Option<Direction>,
    /// Where one person ends. A recogniser has them.
    pub thresholds: Option<Thresholds>,
}

/// What a network is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Finds faces (YuNet).
    Detector,
    /// Makes templates.
    Recogniser,
    /// Finds 68 points of a face.
    Landmarks,
}

/// Order of colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Colours {
    Rgb,
    Bgr,
}

/// Which values mean closer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Direction {
    GreaterIsCloser,
    SmallerIsCloser,
}

/// Why a manifest is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the manifest of models is not taken: {0}")]
pub struct Refused(pub String);

fn one() -> f32 {
    1.0
}

impl Manifest {
    /// Reads and checks one.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let manifest: Self = toml::from_str(text).map_err(|error| Refused(error.to_string()))?;
        for entry in &manifest.models {
            entry.check()?;
            let same = manifest
                .models
                .iter()
                .filter(|other| other.role == entry.role);
            if same.count() > 1 {
                return Err(Refused(format!(
                    "two models have the role of {}",
                    entry.name
                )));
            }
        }
        Ok(manifest)
    }

    /// The network of a role.
    pub fn of(&self, role: Role) -> Option<&Entry> {
        self.models.iter().find(|entry| entry.role == role)
    }
}

impl Entry {
    /// The points of [`Entry::alignment`].
    pub fn points(&self) -> Option<[Point; 5]> {
        self.alignment
            .map(|points| points.map(|[x, y]| Point::new(x, y)))
    }

    fn check(&self) -> Result<(), Refused> {
        let refuse = |why: &str| Err(Refused(format!("{}: {why}", self.name)));
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if self.name.is_empty() || self.name.starts_with('.') || !self.name.chars().all(plain) {
            return refuse("the name must be letters, digits, dots, dashes and underscores");
        }
        let digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if self.sha256.len() != 64 || !self.sha256.chars().all(digit) {
            return refuse("sha256 must be 64 lower-case hexadecimal digits");
        }
        if self.input.iter().any(|side| !(16..=1024).contains(side)) {
            return refuse("a side of the input has 16 to 1024 pixels");
        }
        let closer = match self.metric {
            Some(Metric::Cosine) => Some(Direction::GreaterIsCloser),
            Some(Metric::Euclidean) => Some(Direction::SmallerIsCloser),
            None => None,
        };
        if closer != self.direction {
            return refuse("direction does not fit metric");
        }
        let whole = self.alignment.is_some() && self.metric.is_some() && self.thresholds.is_some();
        match self.role == Role::Recogniser && !whole {
            true => refuse("a recogniser needs alignment, metric, direction and thresholds"),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_official_set_is_whole() {
        let manifest = Manifest::parse(PRODUCT).expect("it is taken");
        for role in [Role::Detector, Role::Recogniser, Role::Landmarks] {
            assert!(manifest.of(role).is_some(), "{role:?}");
        }
    }

    #[test]
    fn a_manifest_with_a_fault_is_refused_with_its_name() {
        let faults = [
            ("greater_is_closer", "smaller_is_closer"),
            ("sha256 = \"0", "sha256 = \"G"),
            ("name = \"face", "name = \"../face"),
            ("role = \"detector\"", "role = \"recogniser\""),
        ];
        for (right, wrong) in faults {
            let text = PRODUCT.replacen(right, wrong, 1);
            assert_ne!(text, PRODUCT, "{wrong}");
            assert!(Manifest::parse(&text).is_err(), "{wrong}");
        }
    }
}
