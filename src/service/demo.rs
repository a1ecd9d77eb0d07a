//! Demo data: one unit of every level, and somebody for every role. Names are invented.

use super::setup::{self, NewUser};
use super::{Context, Error};
use crate::domain::actor::Role;
use crate::domain::id::AccountId;
use crate::domain::person::PersonKind;
use crate::domain::unit::{Level, Unit};

/// What was seeded, for further demo data to stand on.
#[derive(Clone, Debug)]
pub struct Demo {
    /// Level 4; officer and teacher work here.
    pub county: Unit,
    /// Level 5; the learners belong here.
    pub township: Unit,
    /// A sibling of the township.
    pub sibling: Unit,
    /// `admin`: administrator of the whole tree.
    pub administrator: AccountId,
    /// `officer`: officer of the county.
    pub officer: AccountId,
    /// `teacher`: teacher of the county.
    pub teacher: AccountId,
    /// `learner1` to `learner3`: learners of the township.
    pub learners: Vec<AccountId>,
}

/// Seeds what is not there yet; all accounts get this password when they are made.
pub async fn seed(context: &Context, password: &str) -> Result<Demo, Error> {
    let ministry = setup::root(context, Level::MINISTRY, "100000", "司法部").await?;
    let province = setup::unit(context, &ministry, "320000", "江苏省司法厅").await?;
    let city = setup::unit(context, &province, "320500", "苏州市司法局").await?;
    let county = setup::unit(context, &city, "320506", "吴中区司法局").await?;
    let township = setup::unit(context, &county, "320506100", "木渎司法所").await?;
    let sibling = setup::unit(context, &county, "320506103", "甪直司法所").await?;
    let staff = PersonKind::Staff;
    let administrator = user(
        context,
        NewUser {
            username: "admin",
            password,
            name: "顾明远",
            kind: staff,
            role: Role::SystemAdministrator,
            unit: ministry.id,
        },
    );
    let administrator = administrator.await?;
    let officer = NewUser {
        username: "officer",
        password,
        name: "沈若兰",
        kind: staff,
        role: Role::UnitOfficer,
        unit: county.id,
    };
    let teacher = NewUser {
        username: "teacher",
        name: "陆文清",
        role: Role::Teacher,
        ..officer
    };
    let officer = user(context, officer).await?;
    let teacher_id = user(context, teacher).await?;
    let mut learners = Vec::new();
    for (username, name) in [
        ("learner1", "周子安"),
        ("learner2", "钱小满"),
        ("learner3", "吴向阳"),
    ] {
        let (kind, role, unit) = (PersonKind::Subject, Role::Learner, township.id);
        let learner = NewUser {
            username,
            password,
            name,
            kind,
            role,
            unit,
        };
        learners.push(user(context, learner).await?);
    }
    Ok(Demo {
        county,
        township,
        sibling,
        administrator,
        officer,
        teacher: teacher_id,
        learners,
    })
}

async fn user(context: &Context, new: NewUser<'_>) -> Result<AccountId, Error> {
    match setup::find_user(context, new.username).await? {
        Some(account) => Ok(account),
        None => setup::add_user(context, new).await,
    }
}
