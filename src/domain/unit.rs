//! The tree of units: ministry, province, city, county, township.

use serde::{Deserialize, Serialize};

use super::id::UnitId;
use super::limits::{UNIT_CODE_CHARS_MAX, UNIT_NAME_CHARS_MAX};
use super::refusal::{Refusal, RefusalKind};

/// Level of a unit: 1 ministry, 2 province, 3 city, 4 county, 5 township.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i16", into = "i16")]
pub struct Level(i16);

impl Level {
    /// The topmost level.
    pub const MINISTRY: Self = Self(1);
    /// The lowest level; it has no units below it.
    pub const TOWNSHIP: Self = Self(5);

    /// The level of units directly below; none below a township.
    pub fn below(self) -> Option<Self> {
        (self < Self::TOWNSHIP).then(|| Self(self.0 + 1))
    }

    /// 1 to 5.
    pub fn number(self) -> i16 {
        self.0
    }
}

impl TryFrom<i16> for Level {
    type Error = String;
    fn try_from(number: i16) -> Result<Self, String> {
        if (1..=5).contains(&number) {
            Ok(Self(number))
        } else {
            Err(format!("a unit level is 1 to 5, not {number}"))
        }
    }
}

impl From<Level> for i16 {
    fn from(level: Level) -> Self {
        level.0
    }
}

/// A unit and all its ancestors, root first; at most five ids, never empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnitPath(Vec<UnitId>);

impl UnitPath {
    /// The path of a root.
    pub fn root(id: UnitId) -> Self {
        Self(vec![id])
    }

    /// The path of a unit below this one.
    pub fn child(&self, id: UnitId) -> Self {
        let mut ids = self.0.clone();
        ids.push(id);
        Self(ids)
    }

    /// A path as stored; `None` when empty.
    pub fn from_ids(ids: Vec<UnitId>) -> Option<Self> {
        (!ids.is_empty()).then_some(Self(ids))
    }

    /// The ids, root first.
    pub fn ids(&self) -> &[UnitId] {
        &self.0
    }

    /// Whether `other` is this unit or below it.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    /// Whether this is the path of a root.
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }
}

/// What a list or a badge shows of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitRef {
    /// Its id.
    pub id: UnitId,
    /// Its name.
    pub name: String,
    /// Its level.
    pub level: Level,
}

/// A unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its id.
    pub id: UnitId,
    /// The unit above; none for a root.
    pub parent_id: Option<UnitId>,
    /// Its level.
    pub level: Level,
    /// Administrative code in the manner of GB/T 2260 and GB/T 10114, unique.
    pub code: String,
    /// Its name, unique among its siblings.
    pub name: String,
    /// Itself and its ancestors.
    pub path: UnitPath,
}

impl Unit {
    /// A new root of any level: a county's own server has no ministry above it.
    pub fn root(id: UnitId, level: Level, code: &str, name: &str) -> Result<Self, Refusal> {
        Ok(Self {
            id,
            parent_id: None,
            level,
            code: checked_code(code)?,
            name: checked_name(name)?,
            path: UnitPath::root(id),
        })
    }

    /// A new unit directly below this one.
    pub fn child(&self, id: UnitId, code: &str, name: &str) -> Result<Self, Refusal> {
        Ok(Self {
            id,
            parent_id: Some(self.id),
            level: self.level.below().ok_or_else(too_deep)?,
            code: checked_code(code)?,
            name: checked_name(name)?,
            path: self.path.child(id),
        })
    }

    /// What a list shows of it.
    pub fn reference(&self) -> UnitRef {
        UnitRef {
            id: self.id,
            name: self.name.clone(),
            level: self.level,
        }
    }
}

/// A unit's name without surrounding blanks, 1 to [`UNIT_NAME_CHARS_MAX`] characters.
pub fn checked_name(name: &str) -> Result<String, Refusal> {
    let name = name.trim();
    if (1..=UNIT_NAME_CHARS_MAX).contains(&name.chars().count()) {
        return Ok(name.to_owned());
    }
    Err(Refusal::new(
        RefusalKind::Invalid,
        "unit.name",
        "单位名称应为 1 至 100 个字。",
        "A unit's name has 1 to 100 characters.",
    ))
}

/// A unit's code: 1 to [`UNIT_CODE_CHARS_MAX`] ASCII letters, digits or hyphens.
pub fn checked_code(code: &str) -> Result<String, Refusal> {
    let code = code.trim();
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if (1..=UNIT_CODE_CHARS_MAX).contains(&code.len()) && code.chars().all(legal) {
        return Ok(code.to_owned());
    }
    Err(Refusal::new(
        RefusalKind::Invalid,
        "unit.code",
        "单位编码应为 1 至 40 位字母、数字或连字符。",
        "A unit's code has 1 to 40 letters, digits or hyphens.",
    ))
}

/// No such unit, or none that the actor may know of.
pub fn not_found() -> Refusal {
    Refusal::new(
        RefusalKind::NotFound,
        "unit.not_found",
        "没有找到该单位。",
        "There is no such unit.",
    )
}

fn too_deep() -> Refusal {
    Refusal::new(
        RefusalKind::Conflict,
        "unit.too_deep",
        "乡镇司法所下不能再设单位。",
        "A township has no units below it.",
    )
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn id(n: u128) -> UnitId {
        UnitId(Uuid::from_u128(n))
    }

    #[test]
    fn a_path_covers_itself_and_what_is_below_and_nothing_else() {
        let county = UnitPath::root(id(1));
        let township = county.child(id(2));
        let sibling = county.child(id(3));
        assert!(county.covers(&county) && county.covers(&township));
        assert!(!township.covers(&county) && !township.covers(&sibling));
    }

    #[test]
    fn a_township_has_no_units_below_it() {
        let root = Unit::root(id(1), Level::TOWNSHIP, "320506", "木渎司法所").unwrap();
        assert_eq!(
            root.child(id(2), "1", "村").unwrap_err().code,
            "unit.too_deep"
        );
    }

    #[test]
    fn codes_are_plain_ascii() {
        assert!(checked_code("320506-101").is_ok());
        assert!(checked_code("32 05").is_err());
        assert!(checked_code("").is_err());
    }
}
