//! Who gets how much of a way that is too narrow for everything: pictures by priority, each the
//! lowest step first, so that everybody is seen before anybody is seen sharply.

use super::command::ENCODINGS_MAX;
use super::thinning::{TEMPORALS, WHOLE};
use crate::domain::id::LegId;

/// Share of the budget up to which somebody gets more than before; between this and the whole
/// budget nothing changes, so that a noisy estimate does not make pictures flicker.
const RAISE_PERCENT: u64 = 90;

/// Share of the budget up to which a picture that is seen is not taken away altogether: estimates
/// undershoot after every cut.
const KEEP_PERCENT: u64 = 120;

/// Share of the budget up to which a better picture stays: its key frames make it look dearer than
/// it is.
const STAY_PERCENT: u64 = 110;

/// How much of a source a leg takes: of a higher encoding first, then of higher temporal layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    /// The encoding.
    pub encoding: u8,
    /// Its highest temporal layer.
    pub temporal: u8,
}

impl Step {
    /// An encoding with all its pictures.
    pub fn whole(encoding: u8) -> Self {
        Self {
            encoding,
            temporal: WHOLE,
        }
    }
}

/// What an encoding takes up to each temporal layer, bit/s; `None` for what does not come, is no
/// step of its own, or is of no use.
pub type Rates = [Option<u64>; TEMPORALS];

/// One leg's wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The leg.
    pub leg: LegId,
    /// Higher ones come first.
    pub priority: u8,
    /// Highest encoding that is of use.
    pub highest: u8,
    /// What each encoding takes, lowest quality first.
    pub rates: [Rates; ENCODINGS_MAX],
    /// What it has: the highest step granted, or nothing.
    pub before: Option<Step>,
    /// What it gets.
    pub granted: Option<Step>,
}

impl Wish {
    /// The least that can be seen, also where only higher encodings than wanted come.
    fn lowest(&self) -> Option<Step> {
        self.steps().next()
    }

    fn next_above(&self, step: Step) -> Option<Step> {
        let top = self.top()?;
        self.steps()
            .find(|next| *next > step && next.encoding <= top)
    }

    /// The best that is of use.
    fn best(&self) -> Option<Step> {
        let top = self.top()?;
        self.steps().take_while(|step| step.encoding <= top).last()
    }

    /// The highest encoding to take.
    fn top(&self) -> Option<u8> {
        Some(self.highest.max(self.lowest()?.encoding))
    }

    /// The ladder: whatever the lowest encoding has, then of each higher one the whole and what is
    /// next below, because a sharp picture that stutters is worse than a small one that moves.
    fn steps(&self) -> impl Iterator<Item = Step> {
        let lowest = (0..ENCODINGS_MAX).find(|at| self.rates[*at].iter().any(Option::is_some));
        (0..).zip(&self.rates).flat_map(move |(encoding, rates)| {
            let count = rates.iter().flatten().count();
            let skipped = match lowest == Some(usize::from(encoding)) {
                true => 0,
                false => count.saturating_sub(2),
            };
            let come = (0..).zip(rates).filter(|(_, rate)| rate.is_some());
            come.skip(skipped)
                .map(move |(temporal, _)| Step { encoding, temporal })
        })
    }

    fn rate(&self, step: Option<Step>) -> u64 {
        let rate = step.and_then(|step| {
            let rates = self.rates.get(usize::from(step.encoding))?;
            rates.get(usize::from(step.temporal)).copied().flatten()
        });
        rate.unwrap_or(0)
    }

    /// Whether a step is no more than the wish has already.
    fn has(&self, step: Step) -> bool {
        self.before.is_some_and(|before| step <= before)
    }
}

/// What a way carries, bit/s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// What may be sent at all.
    pub whole: u64,
    /// What is well spent on more than the lowest encodings.
    pub kept: u64,
    /// Somebody may get a higher encoding than before.
    pub may_raise: bool,
}

impl Budget {
    /// Up to where a step may be granted. All pictures of the lowest encoding are worth the whole
    /// of it: to leave some out helps against a narrow way only, not against loss.
    fn limit(&self, wish: &Wish, step: Step) -> u64 {
        let is_lowest = wish
            .lowest()
            .is_some_and(|lowest| lowest.encoding == step.encoding);
        let spent = if is_lowest { self.whole } else { self.kept };
        match (wish.has(step), is_lowest || self.may_raise) {
            (true, _) => spent / 100 * STAY_PERCENT,
            (false, true) => spent / 100 * RAISE_PERCENT,
            (false, false) => 0,
        }
    }
}

/// Grants encodings within a budget and returns the budget that would grant all wishes. With
/// `may_hold` a wish may come out with nothing; without, each gets at least its lowest step.
///
/// Wishes are sorted by priority, higher first; among equals their order stays.
pub fn allocate(wishes: &mut [Wish], budget: Budget, may_hold: bool) -> u64 {
    // Insertion keeps the order of equals and needs no memory.
    for end in 1..wishes.len() {
        let mut at = end;
        while at > 0 && wishes[at].priority > wishes[at - 1].priority {
            wishes.swap(at, at - 1);
            at -= 1;
        }
    }
    let mut used = 0;
    for wish in wishes.iter_mut() {
        let lowest = wish.lowest();
        let cost = wish.rate(lowest);
        let limit = match wish.before {
            Some(_) => budget.whole / 100 * KEEP_PERCENT,
            None => budget.whole / 100 * RAISE_PERCENT,
        };
        wish.granted = lowest.filter(|_| !may_hold || used + cost <= limit);
        used += wish.rate(wish.granted);
    }
    raise(wishes, &mut used, budget);
    room_for(wishes.iter().map(|wish| wish.rate(wish.best())).sum())
}

/// The least budget of which so much is still granted anew: whoever looked for room for the sum
/// alone would stop looking just below it.
fn room_for(bps: u64) -> u64 {
    bps.div_ceil(RAISE_PERCENT) * 100
}

/// Goes up one step of one wish after the other, those of a higher priority to their top first.
fn raise(wishes: &mut [Wish], used: &mut u64, budget: Budget) {
    let mut start = 0;
    while let Some(first) = wishes.get(start) {
        let priority = first.priority;
        let same = wishes[start..]
            .iter()
            .take_while(|wish| wish.priority == priority);
        let end = start + same.count();
        for _ in 1..ENCODINGS_MAX * TEMPORALS {
            for wish in &mut wishes[start..end] {
                let Some(now) = wish.granted else { continue };
                let Some(next) = wish.next_above(now) else {
                    continue;
                };
                let total = *used - wish.rate(Some(now)) + wish.rate(Some(next));
                if total <= budget.limit(wish, next) {
                    wish.granted = Some(next);
                    *used = total;
                }
            }
        }
        start = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::sample::Chance;

    /// Of encodings without temporal layers.
    fn wish(priority: u8, rates: [u64; 3], before: Option<u8>) -> Wish {
        Wish {
            leg: LegId(0),
            priority,
            highest: 2,
            rates: rates.map(|rate| [None, None, (rate > 0).then_some(rate)]),
            before: before.map(Step::whole),
            granted: None,
        }
    }

    /// Of the same with three temporal layers, of which the lower ones take half and three
    /// quarters.
    fn layered(before: Option<Step>) -> Wish {
        let steps = |rate: u64| [Some(rate / 2), Some(rate * 3 / 4), Some(rate)];
        Wish {
            rates: LAYERS.map(steps),
            before,
            ..wish(1, LAYERS, None)
        }
    }

    fn step(encoding: u8, temporal: u8) -> Option<Step> {
        Some(Step { encoding, temporal })
    }

    fn budget(whole: u64) -> Budget {
        Budget {
            whole,
            kept: whole,
            may_raise: true,
        }
    }

    const LAYERS: [u64; 3] = [150_000, 500_000, 1_500_000];

    fn granted(wishes: &[Wish]) -> Vec<Option<u8>> {
        let encoding = |wish: &Wish| wish.granted.map(|step| step.encoding);
        wishes.iter().map(encoding).collect()
    }

    #[test]
    fn pictures_come_whole_before_they_come_sharp_and_sharp_ones_at_half_their_rate_at_least() {
        let mut budget = budget(0);
        let mut ladder = Vec::new();
        for whole in (0..2_000_000).step_by(5_000) {
            (budget.whole, budget.kept) = (whole, whole);
            let mut wishes = [layered(None)];
            assert_eq!(allocate(&mut wishes, budget, true), room_for(1_500_000));
            if ladder.last() != Some(&wishes[0].granted) {
                ladder.push(wishes[0].granted);
            }
        }
        let expected = [
            None,
            step(0, 0),
            step(0, 1),
            step(0, 2),
            step(1, 1),
            step(1, 2),
            step(2, 1),
            step(2, 2),
        ];
        assert_eq!(ladder, expected);
    }

    #[test]
    fn everybody_moves_at_all_before_anybody_moves_smoothly() {
        let mut wishes = [layered(None); 3];
        allocate(&mut wishes, budget(300_000), true);
        let steps: Vec<_> = wishes.iter().map(|wish| wish.granted).collect();
        assert_eq!(steps, [step(0, 1), step(0, 0), step(0, 0)]);
    }

    #[test]
    fn a_higher_encoding_that_alone_comes_is_taken_in_steps_too() {
        let mut only = layered(None);
        only.highest = 0;
        only.rates[0] = Rates::default();
        only.rates[1] = Rates::default();
        let mut wishes = [only];
        allocate(&mut wishes, budget(1_000_000), true);
        assert_eq!(wishes[0].granted, step(2, 0));
        allocate(&mut wishes, budget(9_000_000), true);
        assert_eq!(wishes[0].granted, step(2, 2));
    }

    #[test]
    fn what_is_asked_for_is_room_enough_for_everybody() {
        for rate in (1..3_000_000).step_by(997) {
            let mut wishes = [wish(1, [rate, 2 * rate, 3 * rate], None); 3];
            let wanted = allocate(&mut wishes, budget(0), true);
            allocate(&mut wishes, budget(wanted), true);
            assert_eq!(granted(&wishes), [Some(2); 3]);
        }
    }

    #[test]
    fn everybody_is_seen_before_anybody_is_seen_sharply() {
        let mut wishes = [wish(1, LAYERS, None); 4];
        let wanted = allocate(&mut wishes, budget(1_200_000), true);
        assert_eq!(wanted, room_for(6_000_000));
        assert_eq!(granted(&wishes), [Some(1), Some(0), Some(0), Some(0)]);
        allocate(&mut wishes, budget(8_000_000), true);
        assert_eq!(granted(&wishes), [Some(2); 4]);
    }

    #[test]
    fn the_screen_and_the_speaker_come_first() {
        let mut wishes = [wish(1, LAYERS, None), wish(3, [900_000, 0, 0], None)];
        allocate(&mut wishes, budget(1_000_000), true);
        assert_eq!((wishes[0].priority, wishes[0].granted), (3, step(0, 2)));
        assert_eq!(wishes[1].granted, None);
    }

    #[test]
    fn what_does_not_fit_is_held_only_once_the_way_is_known() {
        let mut wishes = [wish(1, [2_400_000, 0, 0], Some(0))];
        allocate(&mut wishes, budget(300_000), false);
        assert_eq!(granted(&wishes), [Some(0)]);
        allocate(&mut wishes, budget(300_000), true);
        assert_eq!(granted(&wishes), [None]);
    }

    #[test]
    fn an_estimate_that_trembles_does_not_make_pictures_flicker() {
        let mut wishes = [wish(1, LAYERS, Some(1))];
        allocate(&mut wishes, budget(1_550_000), true);
        assert_eq!(granted(&wishes), [Some(1)]);
        wishes[0].before = step(2, 2);
        allocate(&mut wishes, budget(1_550_000), true);
        assert_eq!(granted(&wishes), [Some(2)]);
    }

    #[test]
    fn where_much_is_lost_pictures_shrink_and_do_not_grow_but_none_is_held_for_it() {
        let mut wishes = [wish(1, LAYERS, Some(2)), wish(1, LAYERS, Some(0))];
        let budget = Budget {
            whole: 3_000_000,
            kept: 700_000,
            may_raise: false,
        };
        allocate(&mut wishes, budget, true);
        assert_eq!(granted(&wishes), [Some(1), Some(0)]);
        let budget = Budget {
            kept: 100,
            ..budget
        };
        allocate(&mut wishes, budget, true);
        assert_eq!(granted(&wishes), [Some(0); 2]);
    }

    #[test]
    fn loss_takes_higher_encodings_away_but_no_pictures_of_the_lowest() {
        let mut wishes = [layered(step(2, 2)), layered(step(0, 0))];
        let budget = Budget {
            whole: 3_000_000,
            kept: 100,
            may_raise: false,
        };
        allocate(&mut wishes, budget, true);
        let steps = wishes.map(|wish| wish.granted);
        assert_eq!(steps, [step(0, 2), step(0, 2)]);
    }

    #[test]
    fn a_smaller_wish_gets_no_more_than_is_of_use() {
        let mut wishes = [Wish {
            highest: 0,
            ..wish(1, LAYERS, None)
        }];
        assert_eq!(
            allocate(&mut wishes, budget(9_000_000), true),
            room_for(150_000)
        );
        assert_eq!(granted(&wishes), [Some(0)]);
    }

    #[test]
    fn what_is_granted_fits_and_nothing_of_higher_priority_waits_for_lower() {
        let mut chance = Chance::new(8);
        for _ in 0..20_000 {
            let mut wishes: Vec<Wish> = (0..1 + chance.below(6))
                .map(|_| {
                    let rates = LAYERS.map(|rate| match chance.below(4) {
                        0 => 0,
                        _ => rate + chance.below(100_000) as u64,
                    });
                    let before = [None, Some(0), Some(2)][chance.below(3)];
                    let mut wish = wish(chance.below(3) as u8, rates, before);
                    if chance.below(2) == 0 {
                        let half = wish.rates.map(|rates| rates[2].map(|rate| rate / 2));
                        wish.rates
                            .iter_mut()
                            .zip(half)
                            .for_each(|(r, half)| r[0] = half);
                    }
                    wish
                })
                .collect();
            let whole = chance.below(6_000_000) as u64;
            allocate(&mut wishes, budget(whole), true);
            let used: u64 = wishes.iter().map(|wish| wish.rate(wish.granted)).sum();
            assert!(
                used <= whole / 100 * KEEP_PERCENT,
                "{used} of {whole}: {wishes:?}"
            );
            assert!(wishes.is_sorted_by(|a, b| a.priority >= b.priority));
        }
    }
}
