//! The simulated class ends by itself, repeats itself, and keeps what it promises.

use std::process::Command;

use serde_json::Value;

fn simulate(arguments: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mingtang"));
    command.args(["simulate", "classroom"]);
    let output = command.args(arguments.split(' ')).output();
    let output = output.expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn honest_learners_earn_their_time_and_absent_or_replaced_ones_at_most_a_stretch() {
    let line = simulate("--learners 200 --seed 7 --minutes 45 --json");
    let report: Value = serde_json::from_str(&line).expect("one line of JSON");
    let number = |key: &str| report[key].as_f64().expect("a number");
    assert!(number("honest_credit_ratio") >= 0.98, "{report}");
    assert!(number("flaky_network_credit_ratio") >= 0.95, "{report}");
    assert!(number("idle_credit_seconds_max") <= 1_200.0, "{report}");
    assert!(number("proxy_credit_seconds_max") <= 1_200.0, "{report}");
    assert!(number("stretch_seconds_max") <= 1_200.0, "{report}");
    assert!(number("schedule_ks_p") > 0.01, "{report}");
    assert!(number("disproved") < 0.5, "{report}");
}

#[test]
fn the_same_seed_is_the_same_class_and_another_is_another() {
    let small = |seed: u32| simulate(&format!("--learners 30 --minutes 20 --json --seed {seed}"));
    assert_eq!(small(3), small(3));
    assert_ne!(small(3), small(4));
}
