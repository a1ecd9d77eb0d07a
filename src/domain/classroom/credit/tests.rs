//! Credit against examples, laws, and a second-by-second count.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn at(second: u32) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + i64::from(second), 0).unwrap()
}

fn span(from: u32, to: u32) -> Span {
    Span::new(at(from), at(to))
}

fn missed(second: u32) -> Failure {
    Failure {
        at: at(second),
        reason: Reason::CheckMissed,
    }
}

/// A lesson of one hour, all alive, signed in at 0.
fn hour(passes: &[u32]) -> CreditInput {
    CreditInput {
        rule_version: RULE_VERSION,
        anchors: std::iter::once(0)
            .chain(passes.iter().copied())
            .map(at)
            .collect(),
        failures: Vec::new(),
        alive: vec![span(0, 3_600)],
        breaks: Vec::new(),
        dark: Vec::new(),
        unverified: Vec::new(),
        elsewhere: Vec::new(),
        earned_today_s: 0,
        until: at(3_600),
        closed: true,
    }
}

fn credit(input: &CreditInput) -> Statement {
    fold(input, &ClassroomPolicy::standard())
}

fn rows(statement: &Statement) -> Vec<(u64, Verdict, Option<Reason>)> {
    let row = |s: &Stretch| (s.seconds, s.verdict, s.reason);
    statement.stretches.iter().map(row).collect()
}

#[test]
fn time_counts_between_passes_and_the_open_tail_does_not() {
    let statement = credit(&hour(&[600, 1_200]));
    assert_eq!((statement.credited_s, statement.withheld_s), (1_200, 2_400));
    let mut open = hour(&[600, 1_200]);
    open.until = at(1_500);
    open.closed = false;
    let statement = credit(&open);
    assert_eq!((statement.credited_s, statement.pending_s), (1_200, 300));
}

#[test]
fn an_ignored_check_withholds_back_to_the_last_pass() {
    let mut input = hour(&[600, 1_400, 2_000]);
    input.failures = vec![missed(1_260)];
    assert_eq!(
        rows(&credit(&input)),
        vec![
            (600, Verdict::Credited, None),
            (800, Verdict::Withheld, Some(Reason::CheckMissed)),
            (600, Verdict::Credited, None),
            (1_600, Verdict::Withheld, Some(Reason::NoClosingAnchor)),
        ]
    );
}

#[test]
fn breaks_and_absences_are_shown_but_are_not_held_against_the_learner() {
    let mut input = hour(&[1_000]);
    input.until = at(1_000);
    input.breaks = vec![span(100, 400)];
    input.alive = vec![span(0, 700), span(760, 1_000)];
    let statement = credit(&input);
    assert_eq!((statement.credited_s, statement.withheld_s), (640, 0));
    assert_eq!(
        rows(&statement),
        vec![
            (100, Verdict::Credited, None),
            (300, Verdict::Withheld, Some(Reason::OnBreak)),
            (300, Verdict::Credited, None),
            (60, Verdict::Withheld, Some(Reason::NotAlive)),
            (240, Verdict::Credited, None),
        ]
    );
}

#[test]
fn a_run_below_the_floor_waits_while_it_may_grow_and_then_earns_nothing() {
    let mut input = hour(&[200]);
    input.until = at(260);
    input.closed = false;
    let statement = credit(&input);
    assert_eq!((statement.credited_s, statement.pending_s), (0, 260));
    input.closed = true;
    assert_eq!(credit(&input).credited_s, 0);
    input.anchors.push(at(320));
    input.until = at(320);
    assert_eq!(credit(&input).credited_s, 320);
}

#[test]
fn a_stretch_and_a_day_earn_no_more_than_their_caps() {
    let mut input = hour(&[1_800]);
    input.until = at(1_800);
    let statement = credit(&input);
    assert_eq!((statement.credited_s, statement.withheld_s), (1_200, 600));
    let mut figures = ClassroomPolicy::standard().figures().clone();
    figures.day_cap_s = Some(1_000);
    input.earned_today_s = 300;
    let statement = fold(&input, &ClassroomPolicy::new(figures).unwrap());
    assert_eq!((statement.credited_s, statement.withheld_s), (700, 1_100));
}

#[test]
fn a_second_earned_in_another_lesson_is_not_earned_again() {
    let mut input = hour(&[600]);
    input.until = at(600);
    input.elsewhere = vec![span(100, 200)];
    let statement = credit(&input);
    assert_eq!(statement.credited_s, 500);
    assert!(rows(&statement).contains(&(100, Verdict::Withheld, Some(Reason::EarnedElsewhere))));
}

#[test]
fn after_a_long_absence_nothing_counts_until_the_next_pass() {
    let mut input = hour(&[600, 2_400, 3_000]);
    input.alive = vec![span(0, 1_000), span(2_000, 3_600)];
    input.unverified = vec![span(1_000, 2_400)];
    let statement = credit(&input);
    assert_eq!(statement.credited_s, 600 + 400 + 600);
}

prop_compose! {
    fn some_spans()(ends in vec((0_u32..900, 0_u32..200), 0..5)) -> Vec<Span> {
        ends.into_iter().map(|(from, length)| span(from, from + length)).collect()
    }
}

prop_compose! {
    fn any_input()(
        passes in vec(1_u32..1_000, 0..6),
        failures in vec(1_u32..1_000, 0..3),
        alive in some_spans(),
        breaks in some_spans(),
        dark in some_spans(),
        unverified in some_spans(),
        elsewhere in some_spans(),
        until in 1_u32..1_000,
        closed in any::<bool>(),
    ) -> CreditInput {
        CreditInput {
            rule_version: RULE_VERSION,
            anchors: std::iter::once(0).chain(passes).map(at).collect(),
            failures: failures.into_iter().map(missed).collect(),
            alive, breaks, dark, unverified, elsewhere,
            earned_today_s: 0,
            until: at(until),
            closed,
        }
    }
}

/// Short figures, so that a thousand seconds meet every bound.
fn tight() -> ClassroomPolicy {
    let mut figures = ClassroomPolicy::standard().figures().clone();
    figures.gap_min_s = 20;
    figures.gap_scale_s = 30;
    figures.gap_max_s = 90;
    figures.stretch_max_s = 150;
    figures.floor_s = 60;
    ClassroomPolicy::new(figures).unwrap()
}

/// The same rule said another way: second by second, with no set arithmetic.
fn credited_by_seconds(input: &CreditInput, policy: &ClassroomPolicy) -> u64 {
    let holds = |spans: &[Span], moment| spans.iter().any(|s| s.contains(moment));
    let mut anchors: Vec<_> = input
        .anchors
        .iter()
        .filter(|a| **a <= input.until)
        .collect();
    anchors.sort();
    anchors.dedup();
    let (mut total, mut run) = (0, 0);
    let figures = policy.figures();
    let keep = |run: u64| {
        if run < u64::from(figures.floor_s) {
            0
        } else {
            run
        }
    };
    for pair in anchors.windows(2) {
        let (from, to) = (*pair[0], *pair[1]);
        if input.failures.iter().any(|f| from < f.at && f.at <= to) {
            total += keep(run);
            run = 0;
            continue;
        }
        let mut earned = 0;
        for second in 0..(to - from).num_seconds() {
            let moment = from + chrono::TimeDelta::seconds(second);
            let counts = holds(&input.alive, moment)
                && !holds(&input.breaks, moment)
                && !holds(&input.dark, moment)
                && !holds(&input.unverified, moment)
                && !holds(&input.elsewhere, moment);
            if counts && earned < u64::from(figures.stretch_max_s) {
                earned += 1;
            }
        }
        run += earned;
    }
    total + keep(run)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn the_fold_agrees_with_counting_second_by_second(input in any_input()) {
        let policy = tight();
        prop_assert_eq!(
            fold(&input, &policy).credited_s,
            credited_by_seconds(&input, &policy)
        );
    }

    #[test]
    fn credit_exceeds_neither_life_nor_the_wall_clock(input in any_input()) {
        let statement = fold(&input, &tight());
        let whole = span(0, 0).from..input.until;
        let lived = within(&input.alive, &Span::new(whole.start, whole.end));
        prop_assert!(statement.credited_s * 1_000 <= total_millis(&lived));
        let wall = (whole.end - whole.start).num_seconds() as u64;
        prop_assert!(statement.credited_s + statement.withheld_s + statement.pending_s <= wall);
    }

    #[test]
    fn the_timeline_covers_every_moment_exactly_once(input in any_input()) {
        let rows = fold(&input, &tight()).stretches;
        let wall: u64 = rows.iter().map(|row| row.span.millis()).sum();
        prop_assert_eq!(wall, Span::new(at(0), input.until).millis());
        prop_assert!(rows.windows(2).all(|pair| pair[0].span.to <= pair[1].span.from));
    }

    #[test]
    fn taking_a_pass_away_never_adds_credit(fewer in any_input(), pass in 1_u32..1_000) {
        let mut input = fewer.clone();
        input.anchors.push(at(pass));
        prop_assert!(fold(&fewer, &tight()).credited_s <= fold(&input, &tight()).credited_s);
    }

    #[test]
    fn less_life_never_adds_credit(input in any_input(), hole in (0_u32..900, 1_u32..200)) {
        let mut fewer = input.clone();
        fewer.alive = subtract(&input.alive, &[span(hole.0, hole.0 + hole.1)]);
        prop_assert!(fold(&fewer, &tight()).credited_s <= fold(&input, &tight()).credited_s);
    }

    #[test]
    fn a_lost_tail_of_fifteen_seconds_costs_at_most_fifteen(input in any_input()) {
        let mut policy = tight().figures().clone();
        policy.floor_s = 0;
        let policy = ClassroomPolicy::new(policy).unwrap();
        let end = input.until - chrono::TimeDelta::seconds(15);
        let mut fewer = input.clone();
        fewer.alive = subtract(&input.alive, &[Span::new(end, input.until)]);
        let lost = fold(&input, &policy).credited_s - fold(&fewer, &policy).credited_s;
        prop_assert!(lost <= 15);
    }
}
