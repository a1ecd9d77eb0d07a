//! The benchmarks run to their end by themselves and print what programs read.

use std::process::Command;

use serde_json::Value;

/// Runs `mingtang bench` and reads its one line of JSON.
fn bench(arguments: &str) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mingtang"));
    command.env_remove("DATABASE_URL").arg("bench");
    let output = command.args(arguments.split(' ')).arg("--json").output();
    let output = output.expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "bench {arguments}: {errors}");
    let line = String::from_utf8_lossy(&output.stdout).into_owned();
    serde_json::from_str(&line).expect("one line of JSON")
}

fn number(report: &Value, key: &str) -> f64 {
    let value = report[key].as_f64();
    value.unwrap_or_else(|| panic!("{key} is no number in {report}"))
}

#[test]
fn forwarding_is_measured_with_feedback_and_everything_arrives() {
    // Little enough that no estimate of the way, however young, holds it back.
    let small = "--packets-per-second 100 --payload 200";
    let report = bench(&format!(
        "forward --subscribers 5 --seconds 2 --feedback {small}"
    ));
    for key in [
        "cpu_us_per_packet",
        "media_cpu_us_per_packet",
        "floor_us_per_packet",
        "latency_ms_p50",
        "latency_ms_p99",
        "setup_ms_p50",
        "setup_ms_p99",
        "setup_to_media_ms_p50",
        "setup_to_media_ms_p99",
        "cpu_ms_per_connection",
    ] {
        assert!(number(&report, key) > 0.0, "{key} in {report}");
    }
    number(&report, "memory_kib_per_subscriber");
    number(&report, "feedback_extra_us_per_packet");
    assert!(number(&report, "delivered_ratio") > 0.99, "{report}");
    assert!(number(&report, "repaired_ratio") > 0.005, "{report}");
}

#[test]
fn a_meeting_brings_every_stream_to_everybody_else() {
    let report = bench("meeting --participants 4 --seconds 1");
    assert!((number(&report, "forwarded_streams") - 24.0).abs() < 0.5);
    assert!(number(&report, "delivered_ratio") > 0.99, "{report}");
}

#[test]
fn a_storm_is_let_in_and_leaves() {
    let report = bench("storm --subscribers 40 --seconds 2");
    assert!((number(&report, "joined") - 40.0).abs() < 0.5, "{report}");
    assert!(number(&report, "refused") < 0.5, "{report}");
    assert!(number(&report, "join_ms_max") > 0.0, "{report}");
}

#[test]
fn idle_peers_and_shards_are_measured() {
    let idle = bench("idle --peers 6 --room-size 3 --seconds 1");
    assert!(number(&idle, "cpu_us_per_peer_second") > 0.0, "{idle}");
    let relay = bench("relay --subscribers 4 --seconds 1");
    assert!(number(&relay, "cpu_ratio") > 0.0, "{relay}");
    for (spread, count) in [("one", 1), ("two", 2)] {
        let spread = &relay[spread];
        assert!(number(spread, "delivered_ratio") > 0.99, "{relay}");
        let shares = spread["shares"].as_object().expect("shares by thread");
        let named = shares.keys().all(|name| name.contains("media"));
        assert!(named && shares.len() == count, "{relay}");
    }
}
