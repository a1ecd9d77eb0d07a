//! The decision over a burst of pictures, and the proof that a person was recognised.

use super::template::{Likeness, Similarity};

/// Most pictures of a burst that are compared.
pub const FRAMES_MAX: usize = 5;
/// Fewest pictures that decide.
pub const FRAMES_MIN: usize = 3;

/// That the enrolled person was recognised. Only a [`Similarity`] makes one, and only a comparison
/// of two templates of one network makes that: without networks there is no way to a pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verified(Similarity);

impl Verified {
    /// The proof that lies in a similarity, if there is one.
    pub fn by(similarity: Similarity) -> Option<Self> {
        match similarity.likeness() {
            Likeness::Same => Some(Self(similarity)),
            Likeness::Unsure | Likeness::Different => None,
        }
    }

    /// What it rests on.
    pub fn similarity(&self) -> Similarity {
        self.0
    }
}

/// What a burst shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// The enrolled person.
    Match(Verified),
    /// Perhaps.
    Unsure(Similarity),
    /// Somebody else, as far as one burst can say.
    Mismatch(Similarity),
}

impl Verdict {
    /// What it rests on.
    pub fn similarity(&self) -> Similarity {
        match self {
            Verdict::Match(verified) => verified.similarity(),
            Verdict::Unsure(similarity) | Verdict::Mismatch(similarity) => *similarity,
        }
    }
}

/// Decides by the median of the pictures that could be compared; of an even number, by the less
/// alike of the two in the middle. `None` of fewer than [`FRAMES_MIN`].
pub fn decide(similarities: &[Similarity]) -> Option<Verdict> {
    if similarities.len() < FRAMES_MIN {
        return None;
    }
    let mut sorted = similarities.to_vec();
    sorted.sort_by(Similarity::closest_first);
    let median = *sorted.get(sorted.len() / 2)?;
    Some(match (median.likeness(), Verified::by(median)) {
        (_, Some(verified)) => Verdict::Match(verified),
        (Likeness::Different, None) => Verdict::Mismatch(median),
        (Likeness::Same | Likeness::Unsure, None) => Verdict::Unsure(median),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::face::template::tests::at;

    fn likeness(distances: &[f32]) -> Option<Likeness> {
        let similarities: Vec<Similarity> = distances.iter().map(|one| at(*one)).collect();
        decide(&similarities).map(|verdict| verdict.similarity().likeness())
    }

    #[test]
    fn the_median_of_at_least_three_decides() {
        let table: &[(&[f32], Option<Likeness>)] = &[
            (&[], None),
            (&[0.1, 0.1], None),
            (&[0.1, 0.1, 0.9], Some(Likeness::Same)),
            (&[0.1, 0.9, 0.9], Some(Likeness::Different)),
            (&[0.1, 0.55, 0.9], Some(Likeness::Unsure)),
            (&[0.1, 0.1, 0.9, 0.9], Some(Likeness::Different)),
            (&[0.9, 0.1, 0.1, 0.9, 0.1], Some(Likeness::Same)),
        ];
        for (distances, wanted) in table {
            assert_eq!(likeness(distances), *wanted, "{distances:?}");
        }
    }

    proptest! {
        #[test]
        fn a_match_needs_more_than_half_of_the_pictures_to_match(
            distances in prop::collection::vec(0.0_f32..1.2, 3..=5),
        ) {
            let close = distances.iter().filter(|distance| **distance <= 0.5).count();
            let matched = likeness(&distances) == Some(Likeness::Same);
            prop_assert_eq!(matched, close * 2 > distances.len());
        }

        #[test]
        fn the_order_of_pictures_decides_nothing(
            distances in prop::collection::vec(0.0_f32..1.2, 3..=5), turn in 0_usize..5,
        ) {
            let mut other = distances.clone();
            other.rotate_left(turn % distances.len());
            prop_assert_eq!(likeness(&distances), likeness(&other));
        }
    }
}
