//! Which tokens open which rooms, with which rights.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::*;

/// 2026-01-01T00:00:00Z.
const NOW: i64 = 1_767_225_600;

struct At(i64);

impl Clock for At {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.0, 0).unwrap()
    }
}

/// Knows `lesson-1`, where `ann` may only listen.
struct OneLesson;

impl RoomRules for OneLesson {
    fn permissions<'a>(&'a self, room: &'a str, identity: &'a str) -> Decision<'a> {
        Box::pin(async move {
            match (room, identity) {
                ("lesson-1", "ann") => Ok(Some(SessionAdmission {
                    permissions: listener(),
                    name: "安".to_owned(),
                    attributes: BTreeMap::from([("role".to_owned(), "learner".to_owned())]),
                    reserved: BTreeSet::new(),
                    policy: None,
                    camera_is_read: false,
                    players_shown: false,
                })),
                ("lesson-1", "eve") => Ok(Some(SessionAdmission {
                    permissions: Permissions {
                        update_own_metadata: true,
                        ..listener()
                    },
                    name: "伊".to_owned(),
                    attributes: BTreeMap::from([("role".to_owned(), "learner".to_owned())]),
                    reserved: BTreeSet::from(["floor".to_owned()]),
                    policy: None,
                    camera_is_read: false,
                    players_shown: false,
                })),
                ("lesson-1", _) => Err(no_such_room()),
                _ => Ok(None),
            }
        })
    }
}

fn listener() -> Permissions {
    Permissions {
        publish: false,
        sources: Vec::new(),
        subscribe: true,
        publish_data: false,
        update_own_metadata: false,
        hidden: false,
        recorder: false,
    }
}

fn call_at(seconds: i64) -> Call {
    let others = BTreeMap::from([("devkey".to_owned(), b"secret".to_vec())]);
    let keys = Keys::new(("mingtang".to_owned(), vec![7; 32]), others);
    Call::new(keys, Arc::new(OneLesson), Arc::new(At(seconds)))
}

fn sign(claims: &Value, secret: &[u8]) -> String {
    let key = EncodingKey::from_secret(secret);
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
}

fn claims() -> Value {
    json!({
        "iss": "devkey", "sub": "ann", "nbf": NOW - 10, "exp": NOW + 600, "name": "Ann",
        "video": {"room": "plain", "roomJoin": true},
    })
}

fn claims_with(path: &str, value: Value) -> Value {
    let mut claims = claims();
    *claims.pointer_mut(path).unwrap() = value;
    claims
}

fn arrival() -> Arrival {
    Arrival {
        layout: Layout::Single,
        kind: ParticipantKind::Standard,
        watches: None,
        auto_subscribe: true,
        client: ClientDescription::default(),
        metadata: String::new(),
        attributes: BTreeMap::new(),
    }
}

async fn admit(token: &str) -> Result<Admission, Refusal> {
    call_at(NOW).admit(token, arrival()).await
}

async fn refused(claims: &Value) -> &'static str {
    admit(&sign(claims, b"secret")).await.unwrap_err().code
}

#[tokio::test]
async fn a_good_token_opens_a_plain_room_with_everything_but_changing_oneself() {
    let admission = admit(&sign(&claims(), b"secret")).await.unwrap();
    assert_eq!(
        (admission.room.as_str(), admission.identity.as_str()),
        ("plain", "ann")
    );
    assert_eq!(admission.name, "Ann");
    let expected = Permissions {
        publish: true,
        publish_data: true,
        ..listener()
    };
    assert_eq!(admission.permissions, expected);
}

#[tokio::test]
async fn a_forged_token_is_refused() {
    let forged = sign(&claims(), b"guess");
    assert_eq!(admit(&forged).await.unwrap_err().code, "call.bad_token");
    let good = sign(&claims(), b"secret");
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (header, _) = head.split_once('.').unwrap();
    let other = URL_SAFE_NO_PAD.encode(claims_with("/sub", json!("bob")).to_string());
    let swapped = format!("{header}.{other}.{signature}");
    assert_eq!(admit(&swapped).await.unwrap_err().code, "call.bad_token");
}

#[tokio::test]
async fn an_unknown_key_is_refused() {
    assert_eq!(
        refused(&claims_with("/iss", json!("nobody"))).await,
        "call.bad_token"
    );
}

#[tokio::test]
async fn an_unsigned_or_differently_signed_token_is_refused() {
    let body = URL_SAFE_NO_PAD.encode(claims().to_string());
    for algorithm in ["none", "None", "HS384", "RS256"] {
        let header = json!({"alg": algorithm, "typ": "JWT"}).to_string();
        let header = URL_SAFE_NO_PAD.encode(header);
        for token in [format!("{header}.{body}."), format!("{header}.{body}.c2ln")] {
            assert_eq!(
                admit(&token).await.unwrap_err().code,
                "call.bad_token",
                "{algorithm}"
            );
        }
    }
    let key = EncodingKey::from_secret(b"secret");
    let stronger = jsonwebtoken::encode(&Header::new(Algorithm::HS512), &claims(), &key).unwrap();
    assert_eq!(admit(&stronger).await.unwrap_err().code, "call.bad_token");
}

#[tokio::test]
async fn a_token_counts_from_its_beginning_to_its_end_with_half_a_minute_of_skew() {
    let token = sign(&claims(), b"secret");
    let code = |result: Result<Admission, Refusal>| result.err().map(|refusal| refusal.code);
    for (at, expected) in [
        (NOW - 41, Some("call.bad_token")),
        (NOW - 40, None),
        (NOW + 629, None),
        (NOW + 630, Some("call.expired_token")),
    ] {
        assert_eq!(
            code(call_at(at).admit(&token, arrival()).await),
            expected,
            "{at}"
        );
    }
}

#[tokio::test]
async fn a_token_without_an_end_is_refused() {
    let mut endless = claims();
    endless.as_object_mut().unwrap().remove("exp");
    assert_eq!(refused(&endless).await, "call.expired_token");
}

#[tokio::test]
async fn a_token_without_a_grant_a_room_or_an_identity_is_refused() {
    assert_eq!(
        refused(&claims_with("/video", Value::Null)).await,
        "call.no_grant"
    );
    assert_eq!(
        refused(&claims_with("/video/roomJoin", json!(false))).await,
        "call.no_grant"
    );
    assert_eq!(
        refused(&claims_with("/video/room", json!(""))).await,
        "call.incomplete_grant"
    );
    assert_eq!(
        refused(&claims_with("/sub", json!(""))).await,
        "call.incomplete_grant"
    );
}

#[tokio::test]
async fn huge_and_broken_tokens_are_refused() {
    let huge = claims_with("/name", json!("x".repeat(TOKEN_BYTES_MAX)));
    assert_eq!(refused(&huge).await, "call.bad_token");
    assert_eq!(
        refused(&claims_with("/name", json!("x".repeat(257)))).await,
        "call.too_large"
    );
    let many: serde_json::Map<_, _> = (0..65).map(|n| (n.to_string(), json!(""))).collect();
    let mut crowded = claims();
    crowded["attributes"] = Value::Object(many);
    assert_eq!(refused(&crowded).await, "call.too_large");
    for broken in [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c",
        "e30.e30.e30",
        "\u{0}",
        "a.b.c.d",
    ] {
        assert_eq!(
            admit(broken).await.unwrap_err().code,
            "call.bad_token",
            "{broken:?}"
        );
    }
}

#[tokio::test]
async fn sources_narrow_publishing_and_unknown_ones_do_not_widen_it() {
    let mut narrow = claims();
    narrow["video"]["canPublishSources"] = json!(["camera", "SCREEN_SHARE"]);
    let rights = admit(&sign(&narrow, b"secret")).await.unwrap().permissions;
    assert_eq!(
        rights.sources,
        [TrackSource::Camera, TrackSource::ScreenShare]
    );
    narrow["video"]["canPublishSources"] = json!(["hologram"]);
    assert!(
        !admit(&sign(&narrow, b"secret"))
            .await
            .unwrap()
            .permissions
            .publish
    );
    narrow["video"]["canPublish"] = json!(false);
    let rights = admit(&sign(&narrow, b"secret")).await.unwrap().permissions;
    assert!(!rights.publish && !rights.publish_data);
}

#[tokio::test]
async fn a_rule_of_the_room_beats_the_grant() {
    let mut wide = claims_with("/video/room", json!("lesson-1"));
    wide["video"]["canPublish"] = json!(true);
    wide["attributes"] = json!({"role": "teacher"});
    let admission = admit(&sign(&wide, b"secret")).await.unwrap();
    assert_eq!(admission.permissions, listener());
    assert_eq!(admission.name, "安");
    assert_eq!(admission.attributes["role"], "learner");
}

#[tokio::test]
async fn a_token_for_a_plain_room_does_not_open_a_lesson_and_unknown_lessons_are_closed() {
    for (room, identity) in [("lesson-1", "bob"), ("lesson-2", "ann")] {
        let mut other = claims_with("/video/room", json!(room));
        other["sub"] = json!(identity);
        assert_eq!(refused(&other).await, "call.no_such_room", "{room}");
    }
}

#[tokio::test]
async fn a_client_changes_its_own_attributes_on_arrival_only_where_its_rights_say_so() {
    let said = || Arrival {
        metadata: "mine".to_owned(),
        attributes: BTreeMap::from([("hand".to_owned(), "1".to_owned())]),
        ..arrival()
    };
    let mut token = claims();
    let admission = call_at(NOW)
        .admit(&sign(&token, b"secret"), said())
        .await
        .unwrap();
    assert!(admission.metadata.is_empty() && admission.attributes.is_empty());
    token["video"]["canUpdateOwnMetadata"] = json!(true);
    let admission = call_at(NOW)
        .admit(&sign(&token, b"secret"), said())
        .await
        .unwrap();
    assert_eq!(
        (admission.metadata.as_str(), admission.attributes.len()),
        ("mine", 1)
    );
}

#[tokio::test]
async fn on_arrival_a_client_sets_no_attribute_that_the_session_owns_and_renames_nobody() {
    let mut token = claims_with("/video/room", json!("lesson-1"));
    token["sub"] = json!("eve");
    token["metadata"] = json!("of the token");
    let said = ["role", "floor", "hand"].map(|key| (key.to_owned(), "teacher".to_owned()));
    let said = Arrival {
        metadata: "mine".to_owned(),
        attributes: BTreeMap::from(said),
        ..arrival()
    };
    let admitted = call_at(NOW).admit(&sign(&token, b"secret"), said).await;
    let admission = admitted.unwrap();
    let expected = [("role", "learner"), ("hand", "teacher")];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(admission.attributes, BTreeMap::from(expected));
    assert_eq!(admission.metadata, "");
    assert_eq!(admission.name, "伊");
    let owned = ["floor", "role"].map(str::to_owned);
    assert_eq!(admission.fixed.attributes, BTreeSet::from(owned));
    assert!(admission.fixed.name_and_metadata);
}

#[tokio::test]
async fn a_minted_token_admits_its_identity_until_it_ends() {
    let invitation = Invitation {
        room: "plain".to_owned(),
        identity: "bob".to_owned(),
        name: "鲍勃".to_owned(),
        permissions: Permissions {
            publish: true,
            sources: vec![TrackSource::Microphone],
            hidden: true,
            ..listener()
        },
        attributes: BTreeMap::from([("role".to_owned(), "teacher".to_owned())]),
        valid_for: TimeDelta::seconds(60),
    };
    let token = call_at(NOW).mint(&invitation).unwrap();
    let admission = admit(&token).await.unwrap();
    assert_eq!(admission.identity, "bob");
    assert_eq!(admission.permissions, invitation.permissions);
    assert_eq!(admission.attributes, invitation.attributes);
    let late = call_at(NOW + 90).admit(&token, arrival()).await;
    assert_eq!(late.unwrap_err().code, "call.expired_token");
}

fn as_now(permissions: Permissions) -> ParticipantView {
    ParticipantView {
        participant: crate::domain::id::ParticipantId(uuid::Uuid::from_u128(1)),
        identity: "ann".to_owned(),
        name: "Ann".to_owned(),
        metadata: "m".to_owned(),
        attributes: BTreeMap::from([("k".to_owned(), "v".to_owned())]),
        state: crate::media::signal::ParticipantState::Active,
        version: 1,
        joined_at: DateTime::from_timestamp(NOW, 0).unwrap(),
        permissions,
        tracks: Vec::new(),
        client: ClientDescription::default(),
        kind: ParticipantKind::Standard,
        left: None,
    }
}

#[tokio::test]
async fn a_renewed_token_opens_the_same_room_with_the_rights_of_now_and_no_others() {
    let mut with_office = claims();
    with_office["video"]["roomAdmin"] = json!(true);
    with_office["video"]["roomList"] = json!(true);
    let token = sign(&with_office, b"secret");
    let call = call_at(NOW);
    let credential = call.credential(&token).unwrap();
    let renewed = call.renew(&credential, &as_now(listener())).unwrap();
    let claims = call.claims(&renewed).unwrap();
    assert_eq!(
        (claims.iss.as_str(), claims.sub.as_str()),
        ("devkey", "ann")
    );
    assert_eq!(claims.exp, NOW + 600, "no later than before");
    let grant = claims.video.unwrap();
    assert!(!grant.room_admin && !grant.room_list && !grant.room_create);
    let admission = admit(&renewed).await.unwrap();
    assert_eq!(admission.room, "plain");
    assert_eq!(admission.permissions, listener());
    assert_eq!(admission.metadata, "m");
    assert_eq!(admission.attributes["k"], "v");
}

#[test]
fn a_renewed_token_lasts_ten_minutes_more_when_the_first_one_ends() {
    let token = sign(&claims(), b"secret");
    let credential = call_at(NOW).credential(&token).unwrap();
    let later = call_at(NOW + 590);
    let renewed = later.renew(&credential, &as_now(listener())).unwrap();
    assert_eq!(later.claims(&renewed).unwrap().exp, NOW + 590 + 600);
}

#[test]
fn a_token_that_would_be_too_long_to_come_back_with_is_not_renewed() {
    let token = sign(&claims(), b"secret");
    let call = call_at(NOW);
    let credential = call.credential(&token).unwrap();
    let mut view = as_now(listener());
    view.metadata = "m".repeat(TOKEN_BYTES_MAX);
    let refused = call.renew(&credential, &view).unwrap_err();
    assert_eq!(refused.code, "call.not_minted");
}

#[tokio::test]
async fn a_token_says_as_what_its_bearer_comes_and_so_does_the_renewed_one() {
    let kinds = [
        ("agent", ParticipantKind::Agent),
        ("SIP", ParticipantKind::Sip),
        ("egress", ParticipantKind::Egress),
        ("standard", ParticipantKind::Standard),
        ("something newer", ParticipantKind::Standard),
    ];
    let call = call_at(NOW);
    for (name, kind) in kinds {
        let mut claims = claims();
        claims["kind"] = json!(name);
        let token = sign(&claims, b"secret");
        let admission = admit(&token).await.unwrap();
        assert_eq!(admission.kind, kind, "{name}");
        let records = kind == ParticipantKind::Egress;
        assert_eq!(admission.permissions.recorder, records, "{name}");
        let view = ParticipantView {
            kind,
            ..as_now(listener())
        };
        let credential = call.credential(&token).unwrap();
        let renewed = call.renew(&credential, &view).unwrap();
        assert_eq!(admit(&renewed).await.unwrap().kind, kind, "{name}");
    }
}

#[tokio::test]
async fn a_device_and_a_lesson_take_no_kind_from_a_token() {
    let mut claims = claims();
    claims["kind"] = json!("egress");
    let device = Arrival {
        kind: ParticipantKind::Ingress,
        ..arrival()
    };
    let token = sign(&claims, b"secret");
    let admitted = call_at(NOW).admit(&token, device).await.unwrap();
    assert_eq!(admitted.kind, ParticipantKind::Ingress);
    claims["video"]["room"] = json!("lesson-1");
    let admitted = admit(&sign(&claims, b"secret")).await.unwrap();
    assert_eq!(admitted.kind, ParticipantKind::Standard);
    assert!(!admitted.permissions.recorder);
}

#[tokio::test]
async fn in_a_sessions_room_a_player_watches_hidden_and_a_device_and_a_person_do_not() {
    let mut token = claims_with("/video/room", json!("lesson-1"));
    token["sub"] = json!("ann");
    let token = sign(&token, b"secret");
    for (kind, hidden) in [
        (ParticipantKind::Standard, false),
        (ParticipantKind::Ingress, false),
        (ParticipantKind::Egress, true),
    ] {
        let came = Arrival { kind, ..arrival() };
        let admission = call_at(NOW).admit(&token, came).await.unwrap();
        assert_eq!(admission.permissions.hidden, hidden, "{kind:?}");
    }
    let plain = sign(&claims(), b"secret");
    let came = Arrival {
        kind: ParticipantKind::Egress,
        ..arrival()
    };
    let admission = call_at(NOW).admit(&plain, came).await.unwrap();
    assert!(!admission.permissions.hidden, "a grant says who is hidden");
}
