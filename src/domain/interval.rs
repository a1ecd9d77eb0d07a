//! Set arithmetic of half-open intervals, of whatever they measure.

/// `[from, to)`; one whose end is not after its start holds nothing.
pub trait Interval: Copy {
    /// What it is measured in.
    type Bound: Copy + Ord;

    /// The interval between two bounds.
    fn between(from: Self::Bound, to: Self::Bound) -> Self;

    /// First point inside, and first point no longer inside.
    fn bounds(&self) -> (Self::Bound, Self::Bound);

    /// True when it holds no point.
    fn is_empty(&self) -> bool {
        let (from, to) = self.bounds();
        to <= from
    }

    /// The common part, possibly empty.
    #[must_use]
    fn intersect(&self, other: &Self) -> Self {
        let ((from, to), (other_from, other_to)) = (self.bounds(), other.bounds());
        Self::between(from.max(other_from), to.min(other_to))
    }
}

/// The same points as sorted intervals that neither touch nor overlap.
pub fn union<I: Interval>(intervals: &[I]) -> Vec<I> {
    let filled = intervals.iter().filter(|interval| !interval.is_empty());
    let mut sorted: Vec<_> = filled.map(Interval::bounds).collect();
    sorted.sort_unstable();
    let mut merged: Vec<(I::Bound, I::Bound)> = Vec::with_capacity(sorted.len());
    for (from, to) in sorted {
        match merged.last_mut() {
            Some((_, end)) if from <= *end => *end = to.max(*end),
            Some(_) | None => merged.push((from, to)),
        }
    }
    let whole = merged.into_iter().map(|(from, to)| I::between(from, to));
    whole.collect()
}

/// The points of `intervals` that lie in none of `holes`.
pub fn subtract<I: Interval>(intervals: &[I], holes: &[I]) -> Vec<I> {
    let holes = union(holes);
    let mut left = Vec::new();
    for interval in union(intervals) {
        let (mut from, to) = interval.bounds();
        let inside = holes.iter().map(|hole| hole.intersect(&interval));
        for hole in inside.filter(|hole| !hole.is_empty()) {
            let (hole_from, hole_to) = hole.bounds();
            left.push(I::between(from, hole_from.max(from)));
            from = from.max(hole_to);
        }
        left.push(I::between(from, to));
    }
    left.retain(|interval| !interval.is_empty());
    left
}
