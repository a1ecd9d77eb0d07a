//! How results are printed: a table for people, one line of JSON for programs.

use std::time::Duration;

use serde::Serialize;

/// One line of a table.
pub struct Row {
    /// What was measured.
    pub name: &'static str,
    /// Its value.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
}

/// A line of a table.
pub fn row(name: &'static str, value: f64, unit: &'static str) -> Row {
    Row { name, value, unit }
}

/// A result.
pub trait Report: Serialize {
    /// The table.
    fn rows(&self) -> Vec<Row>;

    /// What a number cannot say, below the table.
    fn remark(&self) -> Option<String> {
        None
    }
}

/// Prints a result.
pub fn print(report: &impl Report, json: bool) -> serde_json::Result<()> {
    if json {
        println!("{}", serde_json::to_string(report)?);
        return Ok(());
    }
    for Row { name, value, unit } in report.rows() {
        println!("{name:38}{value:>12.2} {unit}");
    }
    if let Some(remark) = report.remark() {
        println!("{remark}");
    }
    Ok(())
}

/// The value below which `share` of a sorted list lies (nearest rank); zero for an empty list.
pub fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

/// The same of an unsorted list, in milliseconds.
pub fn percentile_ms(times: &[Duration], share: f64) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    1e3 * percentile(&sorted, share).as_secs_f64()
}

/// The middle of a list, the lower one of two; zero for an empty list.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
        .get(sorted.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let sorted: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(percentile(&sorted, 0.5), Duration::from_millis(50));
        assert_eq!(percentile(&sorted, 0.99), Duration::from_millis(99));
        assert_eq!(percentile(&sorted, 1.0), Duration::from_millis(100));
        assert_eq!(percentile(&[], 0.5), Duration::ZERO);
    }

    #[test]
    fn a_median_is_a_value_that_was_measured() {
        assert!((median(&[3.0, 1.0, 2.0, 9.0]) - 2.0).abs() < f64::EPSILON);
        assert!(median(&[]).abs() < f64::EPSILON);
    }
}
