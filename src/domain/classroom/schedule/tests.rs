//! The draws against their stated law, by a Kolmogorov-Smirnov test of our own.

use proptest::prelude::*;

use super::law::{gap_law as law, kolmogorov_p};
use super::*;

fn seed(n: u64) -> Seed {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    Seed::from_bytes(bytes)
}

#[test]
fn the_gaps_of_ten_thousand_learners_fit_the_stated_law() {
    let policy = ClassroomPolicy::standard();
    println!("seeds 0..10000, big-endian in the first eight bytes");
    let gaps: Vec<f64> = (0..10_000)
        .filter_map(|n| recompute(&seed(n), &policy, 1))
        .map(|raw| raw.gap_ms as f64 / 1_000.0)
        .collect();
    let mean_minutes = gaps.iter().sum::<f64>() / gaps.len() as f64 / 60.0;
    let p = kolmogorov_p(gaps, |seconds| law(seconds, &policy));
    println!("Kolmogorov-Smirnov p = {p:.4}, mean gap {mean_minutes:.2} min");
    assert!(p > 0.01, "p = {p}");
    assert!((8.7..9.3).contains(&mean_minutes), "{mean_minutes}");
}

#[test]
fn the_test_of_the_law_finds_a_fixed_timer_and_a_wrong_scale() {
    let policy = ClassroomPolicy::standard();
    let fixed = vec![540.0; 10_000];
    assert!(kolmogorov_p(fixed, |s| law(s, &policy)) < 1e-6);
    let mut figures = policy.figures().clone();
    figures.gap_scale_s = 600;
    let other = ClassroomPolicy::new(figures).unwrap();
    let gaps = (0..10_000)
        .filter_map(|n| recompute(&seed(n), &other, 1))
        .map(|raw| raw.gap_ms as f64 / 1_000.0)
        .collect();
    assert!(kolmogorov_p(gaps, |s| law(s, &policy)) < 0.01);
}

#[test]
fn a_draw_is_the_hmac_of_its_big_endian_index() {
    // Computed with Python: hmac.new(bytes(32), (5).to_bytes(8, "big"), "sha256").
    let zero = Seed::from_bytes([0; 32]);
    let mac = hex(&zero.mac(5));
    assert_eq!(mac, FIFTH_MAC);
    let head = u64::from_str_radix(&FIFTH_MAC[..16], 16).unwrap();
    let fraction = head as f64 / 2.0_f64.powi(64);
    assert!((zero.draw(5) - fraction).abs() < 1e-15);
}

const FIFTH_MAC: &str = "a08a96420ad8a5683a9d96bb438066063c09f865a39cc66bf48e706b4be0abd4";

#[test]
fn both_kinds_come_in_every_two_checks() {
    let policy = ClassroomPolicy::standard();
    for n in 0..200 {
        let seed = seed(n);
        let kinds: Vec<CheckKind> = RawSchedule::new(&seed, &policy)
            .take(20)
            .map(|raw| raw.kind)
            .collect();
        assert!(kinds.chunks(2).all(|pair| pair[0] != pair[1]), "seed {n}");
    }
}

#[test]
fn a_seed_is_never_printed_and_survives_being_kept() {
    let seed = seed(7);
    assert_eq!(format!("{seed:?}"), "Seed(secret)");
    assert_eq!(Seed::from_hex(&seed.reveal()), Some(seed.clone()));
    assert_eq!(Seed::from_hex("00"), None);
    assert_eq!(Seed::from_hex(&"é".repeat(32)), None);
    assert_ne!(seed.nonce(0, 0), seed.nonce(0, 1));
    assert_ne!(seed.nonce(0, 0), seed.nonce(1, 0));
}

proptest! {
    #[test]
    fn every_gap_keeps_the_policys_bounds(bytes in any::<[u8; 32]>()) {
        for policy in [ClassroomPolicy::standard(), ClassroomPolicy::demo()] {
            let figures = policy.figures();
            let seed = Seed::from_bytes(bytes);
            let mut clock_ms = 0;
            for raw in RawSchedule::new(&seed, &policy).take(30) {
                let (from_s, to_s) = match raw.ordinal {
                    0 => (figures.first_check_from_s, figures.first_check_to_s),
                    _ => (figures.gap_min_s, figures.gap_max_s),
                };
                prop_assert!((millis(from_s)..=millis(to_s)).contains(&raw.gap_ms));
                clock_ms += raw.gap_ms;
                prop_assert_eq!(raw.due_clock_ms, clock_ms);
            }
        }
    }

    #[test]
    fn the_closing_check_falls_into_the_last_share(
        bytes in any::<[u8; 32]>(),
        lesson_s in 60_u64..20_000,
    ) {
        let policy = ClassroomPolicy::standard();
        let offset_ms = closing_offset_ms(&Seed::from_bytes(bytes), &policy, lesson_s * 1_000);
        prop_assert!(offset_ms >= lesson_s * 900);
        prop_assert!(offset_ms <= lesson_s * 1_000);
    }

    #[test]
    fn recomputing_one_check_gives_what_the_list_gave(
        bytes in any::<[u8; 32]>(),
        ordinal in 0_u32..40,
    ) {
        let policy = ClassroomPolicy::standard();
        let seed = Seed::from_bytes(bytes);
        let listed = RawSchedule::new(&seed, &policy).nth(ordinal as usize);
        prop_assert_eq!(recompute(&seed, &policy, ordinal), listed);
    }
}
