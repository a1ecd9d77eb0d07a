//! Which refusal a broken constraint means. One that is not named here is a failure.

use crate::domain::refusal::{Refusal, RefusalKind};
use crate::domain::{recording, unit};

/// The refusal for a named constraint.
pub fn refusal(constraint: &str) -> Option<Refusal> {
    match constraint {
        "account_username_key" => Some(Refusal::new(
            RefusalKind::Conflict,
            "person.username_taken",
            "该用户名已被使用，请换一个。",
            "This username is taken. Choose another.",
        )),
        "unit_code_key" => Some(Refusal::new(
            RefusalKind::Conflict,
            "unit.code_taken",
            "该单位编码已被使用。",
            "Another unit has this code.",
        )),
        "unit_sibling_name_key" => Some(Refusal::new(
            RefusalKind::Conflict,
            "unit.name_taken",
            "同一上级单位下已有同名单位。",
            "A unit of this name exists at the same place.",
        )),
        "person_unit_fkey" | "role_grant_unit_fkey" | "unit_parent_fkey" => Some(unit::not_found()),
        "recording_lesson_open_key" => Some(recording::already_running()),
        _ => None,
    }
}

/// The refusal for text that Postgres does not store, by its SQLSTATE: it knows no zero character,
/// neither in text (22021) nor in JSON (22P05).
pub fn not_storable(state: &str) -> Option<Refusal> {
    matches!(state, "22021" | "22P05").then(|| {
        Refusal::new(
            RefusalKind::Invalid,
            "text.not_storable",
            "文字中含有不能保存的字符。",
            "The text has a character that cannot be kept.",
        )
    })
}
