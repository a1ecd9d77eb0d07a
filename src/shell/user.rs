//! `mingtang user add`: people made by whoever runs the server, above all the first administrator.

use std::io::{BufRead, IsTerminal, Write};

use clap::Args;

use crate::domain::actor::Role;
use crate::domain::person::PersonKind;
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::domain::unit::{Level, Unit};
use crate::service::setup::{self, NewUser};
use crate::service::{Context, Error};

/// Longest password that is read, bytes.
const PASSWORD_BYTES_MAX: u64 = 1_024;

/// Whom to add.
#[derive(Args, Debug)]
pub struct AddUser {
    /// Name for signing in
    #[arg(long)]
    pub username: String,
    /// Name that people see
    #[arg(long)]
    pub name: String,
    /// system_administrator, unit_officer, teacher or learner
    #[arg(long)]
    pub role: Role,
    /// Code of the unit in charge; by default the topmost unit
    #[arg(long, value_name = "CODE")]
    pub unit: Option<String>,
    /// Makes the topmost unit with this name, when there is no unit yet
    #[arg(long, value_name = "NAME")]
    pub unit_name: Option<String>,
    /// Level of that unit, 1 (ministry) to 5 (township)
    #[arg(long, default_value_t = 4)]
    pub unit_level: i16,
}

/// Adds the user. The password is checked as any new one.
pub async fn add(context: &Context, user: &AddUser, password: &str) -> Result<Unit, Error> {
    let unit = unit(context, user).await?;
    let kind = match user.role {
        Role::Learner => PersonKind::Subject,
        Role::SystemAdministrator | Role::UnitOfficer | Role::Teacher => PersonKind::Staff,
    };
    let new = NewUser {
        username: &user.username,
        password,
        name: &user.name,
        kind,
        role: user.role,
        unit: unit.id,
    };
    setup::add_user(context, new).await?;
    Ok(unit)
}

async fn unit(context: &Context, user: &AddUser) -> Result<Unit, Error> {
    match (&user.unit, &user.unit_name, setup::topmost(context).await?) {
        (None, _, Some(topmost)) => Ok(topmost),
        (Some(code), _, Some(_)) => setup::find_unit(context, code)
            .await?
            .ok_or_else(|| no_unit(code).into()),
        (Some(code), Some(name), None) => {
            let level = Level::try_from(user.unit_level).map_err(|_| no_level())?;
            setup::root(context, level, code, name).await
        }
        (None, _, None) | (Some(_), None, None) => Err(first_unit().into()),
    }
}

fn no_unit(code: &str) -> Refusal {
    Refusal {
        kind: RefusalKind::NotFound,
        code: "unit.not_found",
        zh: format!("没有编码为 {code} 的单位。"),
        en: format!("There is no unit of the code {code}."),
    }
}

fn no_level() -> Refusal {
    Refusal::new(
        RefusalKind::Invalid,
        "unit.level",
        "单位层级为 1（部）至 5（乡镇）。",
        "A unit's level is 1 (ministry) to 5 (township).",
    )
}

fn first_unit() -> Refusal {
    Refusal::new(
        RefusalKind::Invalid,
        "unit.first",
        "还没有任何单位：请用 --unit、--unit-name 和 --unit-level 建立第一个单位。",
        "There is no unit yet: name the first one by --unit, --unit-name and --unit-level.",
    )
}

/// Asks for a password without showing it, or reads one line where nobody sits.
pub fn read_password() -> std::io::Result<String> {
    let stdin = std::io::stdin();
    let terminal = stdin.is_terminal();
    if terminal {
        print!("Password: ");
        std::io::stdout().flush()?;
        show_typing(false);
    }
    let mut line = String::new();
    let read = std::io::Read::take(stdin.lock(), PASSWORD_BYTES_MAX).read_line(&mut line);
    if terminal {
        show_typing(true);
        println!();
    }
    read?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

fn show_typing(shown: bool) {
    // SAFETY: all zeros is a value of this plain structure.
    let mut state: libc::termios = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a whole structure that outlives the call.
    if unsafe { libc::tcgetattr(libc::STDIN_FILENO, &raw mut state) } != 0 {
        return;
    }
    if shown {
        state.c_lflag |= libc::ECHO;
    } else {
        state.c_lflag &= !libc::ECHO;
    }
    // SAFETY: as above.
    unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, &raw const state) };
}
