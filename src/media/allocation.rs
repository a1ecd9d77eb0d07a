//! Who gets how much of a way that is too narrow for everything: pictures by priority, each the
//! lowest encoding first, so that everybody is seen before anybody is seen sharply.

use super::command::ENCODINGS_MAX;
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

/// One leg's wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The leg.
    pub leg: LegId,
    /// Higher ones come first.
    pub priority: u8,
    /// Highest encoding that is of use.
    pub highest: u8,
    /// What each encoding takes, bit/s, lowest quality first; `None` for those that do not come.
    pub rates: [Option<u64>; ENCODINGS_MAX],
    /// What it has: the highest encoding granted, or nothing.
    pub before: Option<u8>,
    /// What it gets.
    pub granted: Option<u8>,
}

impl Wish {
    /// The lowest encoding that comes, also where only higher ones than wanted do.
    fn lowest(&self) -> Option<u8> {
        self.encodings().next()
    }

    fn next_above(&self, encoding: u8) -> Option<u8> {
        self.encodings()
            .find(|at| *at > encoding && *at <= self.highest)
    }

    fn encodings(&self) -> impl Iterator<Item = u8> {
        (0..)
            .zip(self.rates)
            .filter_map(|(at, rate): (u8, _)| rate.map(|_| at))
    }

    fn rate(&self, encoding: Option<u8>) -> u64 {
        let rate = encoding.and_then(|at| self.rates.get(usize::from(at)).copied().flatten());
        rate.unwrap_or(0)
    }

    /// Whether an encoding is no more than the wish has already.
    fn has(&self, encoding: u8) -> bool {
        self.before.is_some_and(|before| encoding <= before)
    }
}

/// What a way carries, bit/s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// What may be sent at all.
    pub whole: u64,
    /// What is well spent on more than the lowest encodings.
    pub kept: u64,
    /// Somebody may get more than before.
    pub may_raise: bool,
}

/// Grants encodings within a budget and returns what all wishes together would take. With
/// `may_hold` a wish may come out with nothing; without, each gets at least its lowest encoding.
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
    let raised = match budget.may_raise {
        true => budget.kept / 100 * RAISE_PERCENT,
        false => 0,
    };
    raise(wishes, &mut used, budget.kept / 100 * STAY_PERCENT, raised);
    wishes.iter().map(|wish| wish.rate(wish.best())).sum()
}

/// Goes up one step of one wish after the other, those of a higher priority to their top first.
fn raise(wishes: &mut [Wish], used: &mut u64, kept: u64, raised: u64) {
    let mut start = 0;
    while let Some(first) = wishes.get(start) {
        let priority = first.priority;
        let same = wishes[start..]
            .iter()
            .take_while(|wish| wish.priority == priority);
        let end = start + same.count();
        for _ in 1..ENCODINGS_MAX {
            for wish in &mut wishes[start..end] {
                let Some(now) = wish.granted else { continue };
                let Some(next) = wish.next_above(now) else {
                    continue;
                };
                let total = *used - wish.rate(Some(now)) + wish.rate(Some(next));
                let limit = if wish.has(next) { kept } else { raised };
                if total <= limit {
                    wish.granted = Some(next);
                    *used = total;
                }
            }
        }
        start = end;
    }
}

impl Wish {
    /// The best encoding that is of use.
    fn best(&self) -> Option<u8> {
        let within = self.encodings().take_while(|at| *at <= self.highest).last();
        within.or(self.lowest())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::sample::Chance;

    fn wish(priority: u8, rates: [u64; 3], before: Option<u8>) -> Wish {
        Wish {
            leg: LegId(0),
            priority,
            highest: 2,
            rates: rates.map(|rate| (rate > 0).then_some(rate)),
            before,
            granted: None,
        }
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
        wishes.iter().map(|wish| wish.granted).collect()
    }

    #[test]
    fn everybody_is_seen_before_anybody_is_seen_sharply() {
        let mut wishes = [wish(1, LAYERS, None); 4];
        let wanted = allocate(&mut wishes, budget(1_200_000), true);
        assert_eq!(wanted, 6_000_000);
        assert_eq!(granted(&wishes), [Some(1), Some(0), Some(0), Some(0)]);
        allocate(&mut wishes, budget(8_000_000), true);
        assert_eq!(granted(&wishes), [Some(2); 4]);
    }

    #[test]
    fn the_screen_and_the_speaker_come_first() {
        let mut wishes = [wish(1, LAYERS, None), wish(3, [900_000, 0, 0], None)];
        allocate(&mut wishes, budget(1_000_000), true);
        assert_eq!((wishes[0].priority, wishes[0].granted), (3, Some(0)));
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
        wishes[0].before = Some(2);
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
    fn a_smaller_wish_gets_no_more_than_is_of_use() {
        let mut wishes = [Wish {
            highest: 0,
            ..wish(1, LAYERS, None)
        }];
        assert_eq!(allocate(&mut wishes, budget(9_000_000), true), 150_000);
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
                    wish(chance.below(3) as u8, rates, before)
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
