//! The evidence pack: what is in it is recomputed here by its own description alone, with nothing
//! of the product but the bytes.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};
use std::sync::Arc;

use hmac::{Hmac, Mac};
use mingtang::domain::id::EvidencePackId;
use mingtang::service::{classroom, evidence, ledger};
use mingtang::shell::typefaces::Installed;
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::class::Class;
use super::rules::code;
use crate::support::World;

type Files = BTreeMap<String, Vec<u8>>;

async fn attended() -> Class {
    let mut world = World::new().await;
    world.context.typefaces = Arc::new(Installed);
    let mut class = Class::live_in(world).await;
    class.until_prompt(class.demo.learners[0]).await;
    class.pass(900).await;
    class
}

async fn ended(class: &mut Class) {
    classroom::end(&class.context, &class.teacher, class.lesson)
        .await
        .unwrap();
    class.pass(180).await;
}

fn unzipped(zip: &[u8]) -> Files {
    let mut archive = zip::ZipArchive::new(Cursor::new(zip)).unwrap();
    let mut files = Files::new();
    for place in 0..archive.len() {
        let mut file = archive.by_index(place).unwrap();
        let name = file.name().unwrap().into_owned();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        files.insert(name, bytes);
    }
    files
}

fn json(files: &Files, name: &str) -> Value {
    serde_json::from_slice(&files[name]).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// As README.txt of the pack describes it.
fn hash_of(stream: &Uuid, fact: &Value) -> String {
    let (kind, body) = (text(&fact["kind"]), text(&fact["body"]));
    let mut hasher = Sha256::new_with_prefix(b"mingtang fact 1\n");
    hasher.update(stream.as_bytes());
    hasher.update(fact["seq"].as_u64().unwrap().to_be_bytes());
    hasher.update(fact["at_us"].as_i64().unwrap().to_be_bytes());
    for part in [kind, body] {
        hasher.update(u32::try_from(part.len()).unwrap().to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.update(bytes(text(&fact["previous_hash"])));
    hex(&hasher.finalize())
}

#[tokio::test]
async fn a_pack_proves_its_chain_and_the_commitment_of_its_draws_by_itself() {
    let mut class = attended().await;
    let learner = class.learners[0].clone();
    let id = class.attendances[&learner.account];
    let early = evidence::issue(&class.context, &learner, id, "http://here").await;
    assert_eq!(code(early), "evidence.open");
    ended(&mut class).await;
    let pack = evidence::issue(&class.context, &learner, id, "http://here")
        .await
        .unwrap();
    let files = unzipped(&pack.zip);
    let manifest = json(&files, "manifest.json");
    for (name, digest) in manifest["sha256"].as_object().unwrap() {
        assert_eq!(text(digest), hex(&Sha256::digest(&files[name])), "{name}");
    }
    assert!(files["report.pdf"].starts_with(b"%PDF") && files["report.pdf"].len() > 5_000);

    let facts = json(&files, "facts.json");
    let stream: Uuid = text(&facts["stream"]).parse().unwrap();
    let own = facts["facts"].as_array().unwrap();
    let mut chain: BTreeMap<u64, (String, String)> = BTreeMap::new();
    let others = json(&files, "chain.json");
    for link in own.iter().chain(others.as_array().unwrap()) {
        let hashes = (text(&link["previous_hash"]), text(&link["hash"]));
        let place = link["seq"].as_u64().unwrap();
        chain.insert(place, (hashes.0.to_owned(), hashes.1.to_owned()));
    }
    for fact in own {
        assert_eq!(text(&fact["hash"]), hash_of(&stream, fact), "{fact}");
    }
    let last = *chain.keys().next_back().unwrap();
    assert_eq!(chain.len() as u64, last + 1, "no link is missing");
    for place in 1..=last {
        assert_eq!(chain[&place].0, chain[&(place - 1)].1, "{place}");
    }
    draws(own);
}

/// The seed that closed the attendance is the one that was committed, and each scheduled check
/// fell at or after its draw: the first one in the policy's first window.
fn draws(own: &[Value]) {
    let body = |kind: &str| -> Value {
        let fact = own.iter().find(|fact| fact["kind"] == kind).unwrap();
        serde_json::from_str(text(&fact["body"])).unwrap()
    };
    let (opened, closed) = (body("attendance_opened"), body("attendance_closed"));
    let seed = bytes(text(&closed["seed"]));
    assert_eq!(text(&opened["commitment"]), hex(&Sha256::digest(&seed)));
    let mut mac = Hmac::<Sha256>::new_from_slice(&seed).unwrap();
    mac.update(&0_u64.to_be_bytes());
    let draw = mac.finalize().into_bytes();
    let fraction = u64::from_be_bytes(draw[..8].try_into().unwrap()) as f64 / 2_f64.powi(64);
    let figures = &opened["policy"];
    let figure = |name: &str| figures[name].as_f64().unwrap();
    let (from, to) = (figure("first_check_from_s"), figure("first_check_to_s"));
    let due_ms = (from + fraction * (to - from)) * 1_000.0;
    let first = own
        .iter()
        .filter(|fact| fact["kind"] == "check_asked")
        .map(|fact| serde_json::from_str::<Value>(text(&fact["body"])).unwrap())
        .find(|check| check["cause"] == "scheduled" && check["ordinal"] == 0)
        .unwrap();
    let drawn = first["due_clock_ms"].as_f64().unwrap();
    assert!((drawn - due_ms).abs() <= 1.0, "{drawn} {due_ms}");
    assert!(first["clock_ms"].as_f64().unwrap() >= drawn);
}

#[tokio::test]
async fn a_pack_is_for_its_learner_and_officers_and_the_server_knows_it_again() {
    let mut class = attended().await;
    ended(&mut class).await;
    let id = class.attendances[&class.demo.learners[0]];
    let other = evidence::issue(&class.context, &class.learners[1], id, "http://here").await;
    assert_eq!(code(other), "attendance.not_found");
    let pack = evidence::issue(&class.context, &class.officer, id, "http://here")
        .await
        .unwrap();
    let files = unzipped(&pack.zip);
    let manifest = json(&files, "manifest.json");
    let pack_id = EvidencePackId(text(&manifest["pack"]).parse().unwrap());
    let issued = evidence::issued(&class.context, pack_id).await.unwrap();
    let digest = hex(&Sha256::digest(&files["manifest.json"]));
    assert_eq!(issued.manifest_sha256, digest);
    let unknown = evidence::issued(&class.context, EvidencePackId(Uuid::nil())).await;
    assert_eq!(code(unknown), "evidence.unknown");
    let sound = ledger::verify(&class.context, None).await.unwrap();
    assert!(sound.is_sound());
    let names = std::str::from_utf8(&files["facts.json"]).unwrap();
    let others = class.attendances[&class.demo.learners[1]].to_string();
    assert!(!names.contains(&others), "nothing of others is in it");
}
