//! How a person comes to be known by the face: consent, pictures, approval, and the way back.
//!
//! Consent is a decision of its own and can be taken back at any moment; what was made of the face
//! is then deleted, and only the fact that it was deleted stays. Facts carry no biometrics.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::template::{Likeness, Metric, ModelId, Recogniser, Template};
use crate::domain::id::{AccountId, PersonId};
use crate::domain::refusal::{Refusal, RefusalKind};

/// Fewest pictures that make a template.
pub const PICTURES_MIN: usize = 3;
/// Most pictures that make a template.
pub const PICTURES_MAX: usize = 5;
/// The text of consent that is in force; another text asks everybody again.
pub const CONSENT_VERSION: u32 = 1;
/// Longest reason of a refusal, characters.
pub const REASON_CHARS_MAX: usize = 200;

/// One person's enrolment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    person: PersonId,
    consent: Option<Consent>,
    #[serde(flatten)]
    stage: Stage,
}

/// What a person agreed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// Of the text.
    pub version: u32,
    /// When.
    pub at: DateTime<Utc>,
}

/// Where an enrolment stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "stage")]
pub enum Stage {
    /// There are no pictures.
    Empty {
        /// Why the last ones were refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refused: Option<String>,
    },
    /// Pictures wait for somebody of the staff.
    Proposed {
        /// Who made the template.
        model: ModelId,
        /// When.
        at: DateTime<Utc>,
    },
    /// The person is known by the face.
    Approved {
        /// Who made the template.
        model: ModelId,
        /// Who compared it with the person's papers.
        by: AccountId,
        /// When.
        at: DateTime<Utc>,
    },
}

/// What somebody wants of an enrolment.
#[derive(Clone, Debug)]
pub enum EnrolmentCommand {
    /// The person agrees.
    Consent {
        /// To this text.
        version: u32,
    },
    /// Pictures were taken and belong together.
    Propose {
        /// Who made the template.
        model: ModelId,
        /// How many pictures it was made of.
        pictures: u32,
    },
    /// Staff saw that it is this person.
    Approve {
        /// Who.
        by: AccountId,
        /// Who that is as a person.
        as_person: PersonId,
    },
    /// Staff saw that it is not, or cannot tell.
    Refuse {
        /// Who.
        by: AccountId,
        /// Told to the person.
        reason: String,
    },
    /// The person takes the consent back, or staff does so at the person's wish.
    Withdraw {
        /// Who.
        by: AccountId,
    },
}

/// What happened to an enrolment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum EnrolmentFact {
    /// The person agreed.
    FaceConsented {
        /// To this text.
        version: u32,
        /// When.
        at: DateTime<Utc>,
    },
    /// Pictures wait; earlier ones are gone.
    FaceProposed {
        /// Who made the template.
        model: ModelId,
        /// How many pictures.
        pictures: u32,
        /// When.
        at: DateTime<Utc>,
    },
    /// The template is in use.
    FaceApproved {
        /// Who made it.
        model: ModelId,
        /// Who approved it.
        by: AccountId,
        /// When.
        at: DateTime<Utc>,
    },
    /// Pictures and template were deleted unused.
    FaceRefused {
        /// Who refused.
        by: AccountId,
        /// Why.
        reason: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// The consent is gone, and with it pictures and template.
    FaceWithdrawn {
        /// Who said so.
        by: AccountId,
        /// Whether there was a template or pictures to delete.
        deleted: bool,
        /// When.
        at: DateTime<Utc>,
    },
}

impl Enrolment {
    /// Of a person who was never asked.
    pub fn none(person: PersonId) -> Self {
        Self {
            person,
            consent: None,
            stage: Stage::Empty { refused: None },
        }
    }

    /// Whose.
    pub fn person(&self) -> PersonId {
        self.person
    }

    /// Where it stands.
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// The consent to the text in force, if it was given.
    pub fn consent(&self) -> Option<Consent> {
        self.consent
            .filter(|consent| consent.version == CONSENT_VERSION)
    }

    /// Whether pictures or a template of this face exist.
    pub fn holds_biometrics(&self) -> bool {
        match self.stage {
            Stage::Empty { .. } => false,
            Stage::Proposed { .. } | Stage::Approved { .. } => true,
        }
    }

    /// Decides a command. Refuses with `face.consent_version`, `face.consent_needed`,
    /// `face.pictures`, `face.nothing_to_decide`, `face.own_face` or `face.reason`.
    pub fn decide(
        &self,
        command: &EnrolmentCommand,
        now: DateTime<Utc>,
    ) -> Result<Vec<EnrolmentFact>, Refusal> {
        match command {
            EnrolmentCommand::Consent { version } => self.agree(*version, now),
            EnrolmentCommand::Propose { model, pictures } => self.propose(model, *pictures, now),
            EnrolmentCommand::Approve { by, as_person } => {
                let model = self.proposed()?.clone();
                if *as_person == self.person {
                    return Err(own_face());
                }
                let (by, at) = (*by, now);
                Ok(vec![EnrolmentFact::FaceApproved { model, by, at }])
            }
            EnrolmentCommand::Refuse { by, reason } => {
                self.proposed()?;
                let reason = checked_reason(reason)?;
                let (by, at) = (*by, now);
                Ok(vec![EnrolmentFact::FaceRefused { by, reason, at }])
            }
            EnrolmentCommand::Withdraw { by } => {
                let nothing = self.consent.is_none() && !self.holds_biometrics();
                let fact = EnrolmentFact::FaceWithdrawn {
                    by: *by,
                    deleted: self.holds_biometrics(),
                    at: now,
                };
                Ok(if nothing { Vec::new() } else { vec![fact] })
            }
        }
    }

    fn agree(&self, version: u32, at: DateTime<Utc>) -> Result<Vec<EnrolmentFact>, Refusal> {
        if version != CONSENT_VERSION {
            return Err(Refusal::new(
                RefusalKind::Conflict,
                "face.consent_version",
                "同意书已更新，请重新阅读后再确认。",
                "The text of consent has changed: please read it again.",
            ));
        }
        match self.consent() {
            Some(_) => Ok(Vec::new()),
            None => Ok(vec![EnrolmentFact::FaceConsented { version, at }]),
        }
    }

    fn propose(
        &self,
        model: &ModelId,
        pictures: u32,
        at: DateTime<Utc>,
    ) -> Result<Vec<EnrolmentFact>, Refusal> {
        if self.consent().is_none() {
            return Err(consent_needed());
        }
        if !(PICTURES_MIN..=PICTURES_MAX).contains(&(pictures as usize)) {
            return Err(Refusal::new(
                RefusalKind::Invalid,
                "face.pictures",
                "采集需要三至五张清晰的画面。",
                "An enrolment needs three to five clear pictures.",
            ));
        }
        let model = model.clone();
        Ok(vec![EnrolmentFact::FaceProposed {
            model,
            pictures,
            at,
        }])
    }

    fn proposed(&self) -> Result<&ModelId, Refusal> {
        match &self.stage {
            Stage::Proposed { model, .. } => Ok(model),
            Stage::Empty { .. } | Stage::Approved { .. } => Err(Refusal::new(
                RefusalKind::Conflict,
                "face.nothing_to_decide",
                "没有待审核的人脸采集。",
                "There is no enrolment to decide about.",
            )),
        }
    }

    /// Takes in a fact.
    pub fn apply(&mut self, fact: &EnrolmentFact) {
        let empty = Stage::Empty { refused: None };
        match fact {
            EnrolmentFact::FaceConsented { version, at } => {
                let (version, at) = (*version, *at);
                self.consent = Some(Consent { version, at });
            }
            EnrolmentFact::FaceProposed { model, at, .. } => {
                let (model, at) = (model.clone(), *at);
                self.stage = Stage::Proposed { model, at };
            }
            EnrolmentFact::FaceApproved { model, by, at } => {
                let (model, by, at) = (model.clone(), *by, *at);
                self.stage = Stage::Approved { model, by, at };
            }
            EnrolmentFact::FaceRefused { reason, .. } => {
                let refused = Some(reason.clone());
                self.stage = Stage::Empty { refused };
            }
            EnrolmentFact::FaceWithdrawn { .. } => (self.consent, self.stage) = (None, empty),
        }
    }
}

/// Why pictures make no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Apart {
    /// Fewer than [`PICTURES_MIN`] or more than [`PICTURES_MAX`].
    #[error("three to five pictures make a template")]
    Count,
    /// Two of them are not one person, or were made by different networks.
    #[error("the pictures do not show one person")]
    Different,
}

/// One template of several pictures, each pair of which must be the same person.
pub fn averaged(recogniser: &Recogniser, templates: &[Template]) -> Result<Template, Apart> {
    if !(PICTURES_MIN..=PICTURES_MAX).contains(&templates.len()) {
        return Err(Apart::Count);
    }
    for (index, one) in templates.iter().enumerate() {
        for two in &templates[index + 1..] {
            let alike = recogniser.compare(one, two).map_err(|_| Apart::Different)?;
            if alike.likeness() != Likeness::Same {
                return Err(Apart::Different);
            }
        }
    }
    let mut sum = vec![0.0; templates[0].values().len()];
    for template in templates {
        let share = match recogniser.metric() {
            // Only the direction counts, and every picture counts the same.
            Metric::Cosine => 1.0 / length(template.values()),
            Metric::Euclidean => 1.0 / templates.len() as f32,
        };
        for (total, value) in sum.iter_mut().zip(template.values()) {
            *total += value * share;
        }
    }
    recogniser.template(sum).map_err(|_| Apart::Different)
}

fn length(values: &[f32]) -> f32 {
    values.iter().map(|value| value * value).sum::<f32>().sqrt()
}

fn checked_reason(reason: &str) -> Result<String, Refusal> {
    let reason = reason.trim();
    let fits = !reason.is_empty() && reason.chars().count() <= REASON_CHARS_MAX;
    match fits {
        true => Ok(reason.to_owned()),
        false => Err(Refusal::new(
            RefusalKind::Invalid,
            "face.reason",
            "请填写理由，不超过 200 字。",
            "Give a reason of at most 200 characters.",
        )),
    }
}

/// Nothing of a face without consent.
pub fn consent_needed() -> Refusal {
    Refusal::new(
        RefusalKind::Conflict,
        "face.consent_needed",
        "需要先同意使用人脸信息；您也可以选择不使用摄像头的方式。",
        "Your consent is needed first; you can also choose the route without a camera.",
    )
}

fn own_face() -> Refusal {
    Refusal::new(
        RefusalKind::Forbidden,
        "face.own_face",
        "不能审核自己的人脸采集。",
        "Nobody approves an enrolment of their own.",
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::face::template::tests::{euclid, model};

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + second, 0).expect("a time")
    }

    fn person(number: u128) -> PersonId {
        PersonId(uuid::Uuid::from_u128(number))
    }

    fn account(number: u128) -> AccountId {
        AccountId(uuid::Uuid::from_u128(number))
    }

    fn consent() -> EnrolmentCommand {
        EnrolmentCommand::Consent {
            version: CONSENT_VERSION,
        }
    }

    fn propose() -> EnrolmentCommand {
        EnrolmentCommand::Propose {
            model: model("net"),
            pictures: 3,
        }
    }

    fn approve() -> EnrolmentCommand {
        EnrolmentCommand::Approve {
            by: account(9),
            as_person: person(9),
        }
    }

    fn after(commands: &[EnrolmentCommand]) -> Enrolment {
        let mut enrolment = Enrolment::none(person(1));
        for command in commands {
            let facts = enrolment.decide(command, at(0)).expect("it is taken");
            facts.iter().for_each(|fact| enrolment.apply(fact));
        }
        enrolment
    }

    fn code(enrolment: &Enrolment, command: &EnrolmentCommand) -> &'static str {
        enrolment
            .decide(command, at(1))
            .expect_err("it is refused")
            .code
    }

    #[test]
    fn no_picture_is_kept_without_consent_to_the_text_in_force() {
        assert_eq!(code(&after(&[]), &propose()), "face.consent_needed");
        let old = EnrolmentCommand::Consent {
            version: CONSENT_VERSION + 1,
        };
        assert_eq!(code(&after(&[]), &old), "face.consent_version");
        assert!(after(&[consent(), propose()]).holds_biometrics());
    }

    #[test]
    fn a_face_is_in_use_only_after_somebody_else_approved_it() {
        let proposed = after(&[consent(), propose()]);
        let own = EnrolmentCommand::Approve {
            by: account(1),
            as_person: person(1),
        };
        assert_eq!(code(&proposed, &own), "face.own_face");
        let approved = after(&[consent(), propose(), approve()]);
        assert!(matches!(approved.stage(), Stage::Approved { .. }));
        assert_eq!(code(&approved, &approve()), "face.nothing_to_decide");
    }

    #[test]
    fn a_refusal_says_why_and_leaves_nothing_of_the_face() {
        let refuse = |reason: &str| EnrolmentCommand::Refuse {
            by: account(9),
            reason: reason.to_owned(),
        };
        let proposed = after(&[consent(), propose()]);
        assert_eq!(code(&proposed, &refuse("  ")), "face.reason");
        assert_eq!(code(&proposed, &refuse(&"长".repeat(201))), "face.reason");
        let refused = after(&[consent(), propose(), refuse("不清楚")]);
        assert!(!refused.holds_biometrics());
        let reason = Some("不清楚".to_owned());
        assert_eq!(*refused.stage(), Stage::Empty { refused: reason });
        assert!(refused.consent().is_some());
    }

    #[test]
    fn consent_can_be_taken_back_at_any_moment_and_says_whether_something_was_deleted() {
        let withdraw = EnrolmentCommand::Withdraw { by: account(1) };
        let stages: [&[EnrolmentCommand]; 3] = [
            &[consent()],
            &[consent(), propose()],
            &[consent(), propose(), approve()],
        ];
        for (index, commands) in stages.into_iter().enumerate() {
            let mut enrolment = after(commands);
            let facts = enrolment.decide(&withdraw, at(2)).expect("always");
            let wanted = EnrolmentFact::FaceWithdrawn {
                by: account(1),
                deleted: index > 0,
                at: at(2),
            };
            assert_eq!(facts, [wanted]);
            facts.iter().for_each(|fact| enrolment.apply(fact));
            assert_eq!(enrolment, Enrolment::none(person(1)));
        }
        assert_eq!(after(&[]).decide(&withdraw, at(2)), Ok(Vec::new()));
    }

    #[test]
    fn stored_enrolments_are_read_again_as_they_were() {
        for commands in [vec![], vec![consent(), propose(), approve()]] {
            let enrolment = after(&commands);
            let text = serde_json::to_string(&enrolment).expect("written");
            assert_eq!(
                serde_json::from_str::<Enrolment>(&text).expect("read"),
                enrolment
            );
        }
    }

    #[test]
    fn facts_carry_no_numbers_of_a_face() {
        let enrolment = after(&[consent()]);
        let facts = enrolment.decide(&propose(), at(1)).expect("taken");
        let text = serde_json::to_string(&facts).expect("written");
        assert!(!text.contains("values") && !text.contains("template"));
    }

    fn templates(places: &[f32]) -> Vec<Template> {
        let of = |place: &f32| euclid().template(vec![1.0, *place]).expect("numbers");
        places.iter().map(of).collect()
    }

    #[test]
    fn pictures_of_two_people_make_no_template() {
        let table: &[(&[f32], Option<Apart>)] = &[
            (&[0.0, 0.1], Some(Apart::Count)),
            (&[0.0, 0.1, 0.2], None),
            (&[0.0, 0.1, 0.9], Some(Apart::Different)),
            // Each is close to its neighbour, and the ends are not one person.
            (&[0.0, 0.4, 0.8], Some(Apart::Different)),
            (&[0.0, 0.1, 0.2, 0.1, 0.0, 0.1], Some(Apart::Count)),
        ];
        for (places, wanted) in table {
            let found = averaged(&euclid(), &templates(places)).err();
            assert_eq!(found, *wanted, "{places:?}");
        }
    }

    proptest! {
        #[test]
        fn the_average_is_like_each_of_its_pictures(
            places in prop::collection::vec(0.0_f32..0.5, 3..=5),
        ) {
            let templates = templates(&places);
            let one = averaged(&euclid(), &templates).expect("one person");
            for template in &templates {
                let alike = euclid().compare(&one, template).expect("one network");
                prop_assert_eq!(alike.likeness(), Likeness::Same);
            }
        }
    }
}
