//! What thresholds mean on a set of known people: how often somebody else matches, and how often
//! the same person does not (ISO/IEC 19795-1 section 4: false match and false non-match rate).

use super::template::{Metric, Thresholds};

/// Thresholds that are tried, evenly over the values that occur.
const STEPS: u32 = 20;

/// Comparisons of a set: each value in the measure of the network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparisons {
    /// Of two pictures of one person.
    pub same: Vec<f32>,
    /// Of pictures of two people.
    pub different: Vec<f32>,
}

/// How often a threshold errs, as shares of 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// The last value that counts as one person.
    pub threshold: f32,
    /// Different people who match.
    pub false_match: f64,
    /// Pictures of one person that do not.
    pub false_non_match: f64,
}

impl Comparisons {
    /// The rates at one threshold; shares of nothing are 0.
    pub fn at(&self, metric: Metric, threshold: f32) -> Rates {
        let matches = |value: &&f32| match metric {
            Metric::Cosine => **value >= threshold,
            Metric::Euclidean => **value <= threshold,
        };
        let share = |values: &[f32]| {
            let count = values.iter().filter(matches).count();
            count as f64 / values.len().max(1) as f64
        };
        let missed = match self.same.is_empty() {
            true => 0.0,
            false => 1.0 - share(&self.same),
        };
        Rates {
            threshold,
            false_match: share(&self.different),
            false_non_match: missed,
        }
    }

    /// The rates at thresholds over all values that occur, and at the two in use.
    pub fn table(&self, metric: Metric, in_use: Thresholds) -> Vec<Rates> {
        let values = || self.same.iter().chain(&self.different).copied();
        let (least, most) = (
            values().fold(f32::INFINITY, f32::min),
            values().fold(f32::NEG_INFINITY, f32::max),
        );
        let mut thresholds = vec![in_use.matches, in_use.unsure];
        if least < most {
            let step = (most - least) / STEPS as f32;
            thresholds.extend((0..=STEPS).map(|number| least + step * number as f32));
        }
        thresholds.sort_by(f32::total_cmp);
        thresholds.dedup();
        let rates = thresholds.into_iter().map(|one| self.at(metric, one));
        rates.collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set() -> Comparisons {
        Comparisons {
            same: vec![0.2, 0.3, 0.55],
            different: vec![0.5, 0.8, 0.9, 1.0],
        }
    }

    #[test]
    fn a_threshold_errs_on_whom_it_takes_for_one_and_for_two() {
        let rates = set().at(Metric::Euclidean, 0.5);
        assert!((rates.false_match - 0.25).abs() < 1e-9);
        assert!((rates.false_non_match - 1.0 / 3.0).abs() < 1e-9);
        let rates = set().at(Metric::Cosine, 0.5);
        assert!((rates.false_match - 1.0).abs() < 1e-9);
        assert!((rates.false_non_match - 2.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn thresholds_in_use_stand_in_the_table_and_nothing_is_made_of_nothing() {
        let in_use = Thresholds {
            matches: 0.5,
            unsure: 0.6,
        };
        let table = set().table(Metric::Euclidean, in_use);
        for wanted in [0.5, 0.6] {
            assert!(table.iter().any(|rates| rates.threshold == wanted));
        }
        let empty = Comparisons::default().table(Metric::Euclidean, in_use);
        assert_eq!(empty.len(), 2);
        assert!(empty.iter().all(|rates| rates.false_match == 0.0));
    }

    proptest! {
        #[test]
        fn a_stricter_threshold_never_matches_more(
            same in prop::collection::vec(0.0_f32..2.0, 0..30),
            different in prop::collection::vec(0.0_f32..2.0, 0..30),
        ) {
            let set = Comparisons { same, different };
            let in_use = Thresholds { matches: 0.5, unsure: 0.6 };
            let table = set.table(Metric::Euclidean, in_use);
            for pair in table.windows(2) {
                prop_assert!(pair[0].false_match <= pair[1].false_match);
                prop_assert!(pair[0].false_non_match >= pair[1].false_non_match);
            }
        }
    }
}
