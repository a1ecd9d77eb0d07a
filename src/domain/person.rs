//! People, and the accounts by which they sign in.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::actor::{Role, RoleGrant};
use super::id::{AccountId, PersonId};
use super::limits::{PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN, PERSON_NAME_CHARS_MAX};
use super::refusal::{Refusal, RefusalKind};
use super::unit::{UnitPath, UnitRef};

/// On which side of the office somebody stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonKind {
    /// Under supervision (矫正对象).
    Subject,
    /// Works for the office.
    Staff,
}

impl PersonKind {
    /// The name stored and sent.
    pub fn name(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Staff => "staff",
        }
    }
}

impl FromStr for PersonKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Subject, Self::Staff]
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| format!("unknown kind of person {text:?}"))
    }
}

/// A person with what they may sign in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Its id.
    pub id: PersonId,
    /// Name as written on the identity card.
    pub name: String,
    /// Subject or staff.
    pub kind: PersonKind,
    /// The unit in charge.
    pub unit: UnitRef,
    /// That unit and its ancestors.
    pub unit_path: UnitPath,
    /// The account, if there is one.
    pub account: Option<Account>,
}

impl Person {
    /// Roles held; none without an account.
    pub fn grants(&self) -> &[RoleGrant] {
        self.account.as_ref().map_or(&[], |account| &account.grants)
    }
}

/// A way to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Unique without regard to case.
    pub username: String,
    /// Whether signing in is barred.
    pub disabled: bool,
    /// Roles held.
    pub grants: Vec<RoleGrant>,
}

/// A person's name without surrounding blanks, 1 to [`PERSON_NAME_CHARS_MAX`] characters.
pub fn checked_name(name: &str) -> Result<String, Refusal> {
    let name = name.trim();
    let length = name.chars().count();
    if (1..=PERSON_NAME_CHARS_MAX).contains(&length) && !name.chars().any(char::is_control) {
        return Ok(name.to_owned());
    }
    Err(Refusal::new(
        RefusalKind::Invalid,
        "person.name",
        "姓名应为 1 至 60 个字。",
        "A name has 1 to 60 characters.",
    ))
}

/// A username: 2 to 64 ASCII letters, digits, `.`, `_`, `@` or `-`, a letter or digit first.
pub fn checked_username(username: &str) -> Result<String, Refusal> {
    let username = username.trim();
    let legal = |c: char| c.is_ascii_alphanumeric() || "._@-".contains(c);
    let starts_well = username.starts_with(|c: char| c.is_ascii_alphanumeric());
    if (2..=64).contains(&username.len()) && starts_well && username.chars().all(legal) {
        return Ok(username.to_owned());
    }
    Err(Refusal::new(
        RefusalKind::Invalid,
        "person.username",
        "用户名应为 2 至 64 位字母、数字或 . _ @ -，并以字母或数字开头。",
        "A username has 2 to 64 letters, digits or . _ @ - and starts with a letter or digit.",
    ))
}

/// Refuses a new password that is too short, too long, or the username itself.
pub fn check_new_password(password: &str, username: &str) -> Result<(), Refusal> {
    let long_enough = password.chars().count() >= PASSWORD_CHARS_MIN;
    let short_enough = password.len() <= PASSWORD_BYTES_MAX;
    if long_enough && short_enough && !password.eq_ignore_ascii_case(username) {
        return Ok(());
    }
    Err(Refusal::new(
        RefusalKind::Invalid,
        "person.password",
        "密码至少 8 个字符，最长 256 字节，且不能与用户名相同。",
        "A password has at least 8 characters, at most 256 bytes, and is not the username.",
    ))
}

/// Refuses to make somebody under supervision more than a learner.
pub fn check_role(kind: PersonKind, role: Role) -> Result<(), Refusal> {
    let legal = match kind {
        PersonKind::Staff => true,
        PersonKind::Subject => role == Role::Learner,
    };
    if legal { Ok(()) } else { Err(subject_role()) }
}

fn subject_role() -> Refusal {
    Refusal::new(
        RefusalKind::Conflict,
        "person.subject_role",
        "矫正对象只能担任学员角色。",
        "A person under supervision can only be a learner.",
    )
}

/// No such person, or none that the actor may know of.
pub fn not_found() -> Refusal {
    Refusal::new(
        RefusalKind::NotFound,
        "person.not_found",
        "没有找到该人员。",
        "There is no such person.",
    )
}

/// The person has no account, and what was asked needs one.
pub fn no_account() -> Refusal {
    Refusal::new(
        RefusalKind::Conflict,
        "person.no_account",
        "该人员没有登录账号，请先设置用户名和密码。",
        "This person has no account. Set a username and password first.",
    )
}

/// Nobody bars or demotes themselves: a unit would be left without its last keeper.
pub fn own_account() -> Refusal {
    Refusal::new(
        RefusalKind::Conflict,
        "person.own_account",
        "不能停用本人账号或撤销本人角色，请由其他管理员操作。",
        "You cannot disable your own account or take your own role. Ask another administrator.",
    )
}

/// One's own password is changed with the old one: a session left open must not suffice.
pub fn own_password() -> Refusal {
    Refusal::new(
        RefusalKind::Conflict,
        "person.own_password",
        "请在个人设置中凭原密码修改本人密码。",
        "Change your own password in your settings, with the old one.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_the_username() {
        assert!(check_new_password("zhangsan", "ZhangSan").is_err());
        assert!(check_new_password("short", "zhangsan").is_err());
        assert!(check_new_password("correct horse", "zhangsan").is_ok());
        assert!(
            check_new_password(&"长".repeat(100), "zhangsan").is_err(),
            "over 256 bytes"
        );
    }

    #[test]
    fn usernames_are_plain_ascii_and_start_with_a_letter_or_digit() {
        for good in ["admin", "a1", "li.si@county", "320506-1"] {
            assert!(checked_username(good).is_ok(), "{good}");
        }
        for bad in ["a", ".admin", "李四", "a b", ""] {
            assert!(checked_username(bad).is_err(), "{bad}");
        }
    }
}
