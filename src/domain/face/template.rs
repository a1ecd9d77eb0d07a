//! What a network makes of a face, and the only way in which two of them are compared.

use serde::{Deserialize, Serialize};

/// Numbers that a template may have at most; networks make 128 to 512.
pub const VALUES_MAX: usize = 1024;

/// Which network made a template: another network, or another version of it, means another
/// template. Stands in every record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ModelId {
    /// Its name in the manifest.
    pub name: String,
    /// SHA-256 of its file, lower-case hexadecimal.
    pub sha256: String,
}

/// How two templates are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// The cosine of the angle between them, -1 to 1: greater is closer.
    Cosine,
    /// The distance between them as the network made them: smaller is closer.
    Euclidean,
}

/// Where one person ends and another begins.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    /// The last value that is a match.
    #[serde(rename = "match")]
    pub matches: f32,
    /// The last value that is unsure; beyond it is somebody else.
    pub unsure: f32,
}

/// A network that makes templates: its identity and how its templates are compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Recogniser {
    model: ModelId,
    metric: Metric,
    thresholds: Thresholds,
}

/// Why a recogniser or a template is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A match must be closer than what is unsure.
    #[error("the threshold of a match must be at least as close as that of unsure")]
    Thresholds,
    /// Not finite, all zero, none or too many.
    #[error("the values are no template")]
    Values,
}

impl Recogniser {
    /// A network whose thresholds are in order.
    pub fn new(model: ModelId, metric: Metric, thresholds: Thresholds) -> Result<Self, Invalid> {
        let Thresholds { matches, unsure } = thresholds;
        let in_order = match metric {
            Metric::Cosine => matches >= unsure && matches > 0.0,
            Metric::Euclidean => matches <= unsure && matches > 0.0,
        };
        match in_order && matches.is_finite() && unsure.is_finite() {
            true => Ok(Self {
                model,
                metric,
                thresholds,
            }),
            false => Err(Invalid::Thresholds),
        }
    }

    /// Its identity.
    pub fn model(&self) -> &ModelId {
        &self.model
    }

    /// How templates are compared.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Where one person ends.
    pub fn thresholds(&self) -> Thresholds {
        self.thresholds
    }

    /// A template of numbers that this network made.
    pub fn template(&self, values: Vec<f32>) -> Result<Template, Invalid> {
        Template::new(self.model.clone(), values)
    }

    /// How alike two templates are; only templates of this very network can be compared.
    pub fn compare(&self, one: &Template, two: &Template) -> Result<Similarity, OtherModel> {
        for template in [one, two] {
            if template.model != self.model || template.values.len() != one.values.len() {
                return Err(OtherModel {
                    found: template.model.name.clone(),
                    needed: self.model.name.clone(),
                });
            }
        }
        let value = match self.metric {
            Metric::Cosine => cosine(&one.values, &two.values),
            Metric::Euclidean => euclidean(&one.values, &two.values),
        };
        Ok(Similarity {
            value,
            metric: self.metric,
            likeness: self.likeness(value),
        })
    }

    fn likeness(&self, value: f32) -> Likeness {
        let Thresholds { matches, unsure } = self.thresholds;
        let within = |threshold: f32| match self.metric {
            Metric::Cosine => value >= threshold,
            Metric::Euclidean => value <= threshold,
        };
        if within(matches) {
            Likeness::Same
        } else if within(unsure) {
            Likeness::Unsure
        } else {
            Likeness::Different
        }
    }
}

/// A face as numbers. It is biometric data: it is never shown, sent or logged.
#[derive(Clone, PartialEq)]
pub struct Template {
    model: ModelId,
    values: Vec<f32>,
}

impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Template({}, ..)", self.model.name)
    }
}

impl Template {
    /// A template of a network, as it was made or kept.
    pub fn new(model: ModelId, values: Vec<f32>) -> Result<Self, Invalid> {
        let some = values.iter().any(|value| *value != 0.0);
        let finite = values.iter().all(|value| value.is_finite());
        match some && finite && values.len() <= VALUES_MAX {
            true => Ok(Self { model, values }),
            false => Err(Invalid::Values),
        }
    }

    /// Which network made it.
    pub fn model(&self) -> &ModelId {
        &self.model
    }

    /// Its numbers, for safe keeping.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

/// Two templates were made by different networks: the person must be enrolled again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a template of {found} cannot be compared by {needed}: the person must be enrolled again")]
pub struct OtherModel {
    /// Who made the template.
    pub found: String,
    /// Who compares.
    pub needed: String,
}

/// How alike two faces are. It comes from [`Recogniser::compare`] and from nowhere else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Similarity {
    value: f32,
    metric: Metric,
    likeness: Likeness,
}

/// What a similarity means at the thresholds of its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Likeness {
    /// The same person.
    Same,
    /// Staff must look.
    Unsure,
    /// Somebody else.
    Different,
}

impl Similarity {
    /// In the measure of the network.
    pub fn value(&self) -> f32 {
        self.value
    }

    /// What it means.
    pub fn likeness(&self) -> Likeness {
        self.likeness
    }

    /// The closer one first.
    pub fn closest_first(&self, other: &Similarity) -> std::cmp::Ordering {
        match self.metric {
            Metric::Cosine => other.value.total_cmp(&self.value),
            Metric::Euclidean => self.value.total_cmp(&other.value),
        }
    }
}

fn cosine(one: &[f32], two: &[f32]) -> f32 {
    let sum = |pairs: &mut dyn Iterator<Item = (f32, f32)>| {
        pairs.map(|(a, b)| f64::from(a) * f64::from(b)).sum::<f64>()
    };
    let both = sum(&mut one.iter().copied().zip(two.iter().copied()));
    let first = sum(&mut one.iter().copied().zip(one.iter().copied()));
    let second = sum(&mut two.iter().copied().zip(two.iter().copied()));
    (both / (first * second).sqrt()) as f32
}

fn euclidean(one: &[f32], two: &[f32]) -> f32 {
    let squares = one.iter().zip(two).map(|(a, b)| f64::from(a - b).powi(2));
    squares.sum::<f64>().sqrt() as f32
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn model(name: &str) -> ModelId {
        ModelId {
            name: name.to_owned(),
            sha256: format!("{name:0>64}"),
        }
    }

    /// A network of one number whose templates match up to 0.5 apart and are unsure up to 0.6.
    pub(crate) fn euclid() -> Recogniser {
        let thresholds = Thresholds {
            matches: 0.5,
            unsure: 0.6,
        };
        Recogniser::new(model("euclid"), Metric::Euclidean, thresholds).expect("in order")
    }

    /// A similarity of this distance, by way of two templates.
    pub(crate) fn at(distance: f32) -> Similarity {
        let eyes = euclid();
        let one = eyes.template(vec![1.0, 0.0]).expect("numbers");
        let two = eyes.template(vec![1.0, distance]).expect("numbers");
        eyes.compare(&one, &two).expect("one network")
    }

    fn angles() -> Recogniser {
        let thresholds = Thresholds {
            matches: 0.363,
            unsure: 0.3,
        };
        Recogniser::new(model("angles"), Metric::Cosine, thresholds).expect("in order")
    }

    #[test]
    fn distances_mean_what_the_thresholds_say() {
        let table = [
            (0.0, Likeness::Same),
            (0.5, Likeness::Same),
            (0.51, Likeness::Unsure),
            (0.6, Likeness::Unsure),
            (0.61, Likeness::Different),
        ];
        for (distance, likeness) in table {
            assert_eq!(at(distance).likeness(), likeness, "{distance}");
        }
    }

    #[test]
    fn a_template_of_another_network_or_version_is_not_compared() {
        let ours = euclid().template(vec![1.0, 0.0]).expect("numbers");
        let other = angles().template(vec![1.0, 0.0]).expect("numbers");
        let mut newer = model("euclid");
        newer.sha256 = "f".repeat(64);
        let newer = Template::new(newer, vec![1.0, 0.0]).expect("numbers");
        let longer = euclid().template(vec![1.0, 0.0, 0.0]).expect("numbers");
        for foreign in [other, newer, longer] {
            assert!(euclid().compare(&ours, &foreign).is_err(), "{foreign:?}");
            assert!(euclid().compare(&foreign, &ours).is_err(), "{foreign:?}");
        }
    }

    #[test]
    fn numbers_that_say_nothing_are_no_template() {
        for values in [
            vec![],
            vec![0.0, 0.0],
            vec![f32::NAN, 1.0],
            vec![f32::INFINITY],
            vec![1.0; VALUES_MAX + 1],
        ] {
            assert_eq!(euclid().template(values).err(), Some(Invalid::Values));
        }
    }

    #[test]
    fn thresholds_out_of_order_are_refused() {
        let thresholds = |matches, unsure| Thresholds { matches, unsure };
        let made = |metric, thresholds| Recogniser::new(model("m"), metric, thresholds);
        assert!(made(Metric::Euclidean, thresholds(0.6, 0.5)).is_err());
        assert!(made(Metric::Cosine, thresholds(0.3, 0.4)).is_err());
        assert!(made(Metric::Cosine, thresholds(f32::NAN, 0.4)).is_err());
    }

    #[test]
    fn a_template_shows_none_of_its_numbers() {
        let template = euclid().template(vec![0.25, 0.75]).expect("numbers");
        assert_eq!(format!("{template:?}"), "Template(euclid, ..)");
    }

    proptest! {
        #[test]
        fn comparing_is_symmetric_and_a_face_is_like_itself(
            one in prop::collection::vec(-1.0_f32..1.0, 8),
            two in prop::collection::vec(-1.0_f32..1.0, 8),
        ) {
            for eyes in [euclid(), angles()] {
                let (Ok(one), Ok(two)) = (eyes.template(one.clone()), eyes.template(two.clone()))
                else {
                    return Ok(());
                };
                let there = eyes.compare(&one, &two).expect("one network");
                let back = eyes.compare(&two, &one).expect("one network");
                prop_assert!((there.value() - back.value()).abs() < 1e-5);
                let itself = eyes.compare(&one, &one).expect("one network");
                prop_assert_eq!(itself.likeness(), Likeness::Same);
                let equal = (itself.value() - there.value()).abs() < 1e-5;
                prop_assert!(itself.closest_first(&there).is_le() || equal);
            }
        }
    }
}
