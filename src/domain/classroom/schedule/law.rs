//! Whether drawn gaps fit the stated law: the Kolmogorov-Smirnov test, as anybody may repeat it.

use crate::domain::classroom::policy::ClassroomPolicy;

/// Share of gaps up to `seconds` under the law: a shifted exponential, cut off above.
pub fn gap_law(seconds: f64, policy: &ClassroomPolicy) -> f64 {
    let figures = policy.figures();
    let (min, max) = (f64::from(figures.gap_min_s), f64::from(figures.gap_max_s));
    let below = |s: f64| 1.0 - (-(s - min) / f64::from(figures.gap_scale_s)).exp();
    (below(seconds.clamp(min, max)) / below(max)).clamp(0.0, 1.0)
}

/// Kolmogorov's asymptotic probability of a distance at least this large (Stephens' correction);
/// 0 for an empty sample.
pub fn kolmogorov_p(mut sample: Vec<f64>, cumulative: impl Fn(f64) -> f64) -> f64 {
    if sample.is_empty() {
        return 0.0;
    }
    sample.sort_by(f64::total_cmp);
    let count = sample.len() as f64;
    let distances = sample.iter().enumerate().map(|(rank, value)| {
        let share = cumulative(*value);
        let below = (share - rank as f64 / count).abs();
        let above = ((rank + 1) as f64 / count - share).abs();
        below.max(above)
    });
    let distance = distances.fold(0.0_f64, f64::max);
    let lambda = (count.sqrt() + 0.12 + 0.11 / count.sqrt()) * distance;
    // The series does not converge near zero, where the probability is one.
    if lambda < 0.2 {
        return 1.0;
    }
    let terms = (1..=100_i32).map(|k| {
        let sign = if k % 2 == 1 { 1.0 } else { -1.0 };
        let k = f64::from(k);
        sign * (-2.0 * k * k * lambda * lambda).exp()
    });
    (2.0 * terms.sum::<f64>()).clamp(0.0, 1.0)
}
