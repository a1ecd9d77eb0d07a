//! Finding the machine's Postgres programs.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Error;

/// Where Debian and Ubuntu keep one directory per major version.
const DEBIAN_FOLDER: &str = "/usr/lib/postgresql";

/// The programs of one Postgres version.
#[derive(Clone, Debug)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Programs that can open the cluster: of its major version if it exists, else the newest.
    pub(super) fn for_cluster(cluster: &Path) -> Result<Self, Error> {
        let wanted = std::fs::read_to_string(cluster.join("PG_VERSION")).ok();
        let wanted = wanted.map(|version| version.trim().to_owned());
        find(wanted.as_deref()).ok_or(Error::NotInstalled { wanted })
    }

    /// `initdb`
    pub(super) fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }

    /// `postgres`
    pub fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }
}

/// The newest installed programs, or those of one major version.
pub fn find(major: Option<&str>) -> Option<Programs> {
    let mut folders: Vec<(u32, PathBuf)> = std::fs::read_dir(DEBIAN_FOLDER)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            Some((version, path.join("bin")))
        })
        .collect();
    folders.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    folders
        .into_iter()
        .map(|(_, folder)| folder)
        .chain(folder_by_pg_config())
        .chain(folder_in_path())
        .filter(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
        .find(|folder| major.is_none_or(|major| version_of(folder).as_deref() == Some(major)))
        .map(|folder| Programs { folder })
}

fn folder_by_pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
}

fn folder_in_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).find(|folder| folder.join("initdb").exists())
}

/// The major version that `postgres --version` says: `postgres (PostgreSQL) 15.18 (Debian …)`.
fn version_of(folder: &Path) -> Option<String> {
    let output = Command::new(folder.join("postgres"))
        .arg("--version")
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let digits = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit());
    let version = text.split_whitespace().find(digits)?;
    version
        .split(['.', 'b', 'r', 'd'])
        .next()
        .map(str::to_owned)
}
