//! Bounds that several layers share. A bound of one place lives there.

/// Largest request body, bytes (docs/api).
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// Most items on one page of a list (docs/api).
pub const PAGE_SIZE_MAX: u32 = 200;

/// Items on a page when the request names no size.
pub const PAGE_SIZE_DEFAULT: u32 = 50;

/// Longest name of a person, characters.
pub const PERSON_NAME_CHARS_MAX: usize = 60;

/// Longest name of a unit, characters.
pub const UNIT_NAME_CHARS_MAX: usize = 100;

/// Longest code of a unit, characters.
pub const UNIT_CODE_CHARS_MAX: usize = 40;

/// Shortest password, characters (NIST SP 800-63B-4 section 3.1.1.2 asks for 8 beside a second
/// factor and 15 alone; offices type on shared keyboards, so the floor is 8 and length is free).
pub const PASSWORD_CHARS_MIN: usize = 8;

/// Longest password, bytes: hashing cost stays bounded.
pub const PASSWORD_BYTES_MAX: usize = 256;

/// Most role grants of one account.
pub const GRANTS_MAX: usize = 64;
