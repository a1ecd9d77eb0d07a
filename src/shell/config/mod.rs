//! The configuration: a file, over it the environment, over that the command line.
//!
//! Every key stands once in [`keys::KEYS`], from which `docs/configuration.md` is made.

pub mod addresses;
pub mod keys;
mod parse;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use keys::KEYS;

use crate::domain::delivery::ENDPOINTS_MAX;
#[cfg(doc)]
use crate::media::placement::SHARDS_MAX;

/// The file in the data directory that is read when no other is named.
pub const FILE_NAME: &str = "mingtang.toml";
/// Largest configuration file, bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Variables of the build and test scripts that share the prefix and are no keys.
const NOT_KEYS: &[&str] = &["MINGTANG_BIN", "MINGTANG_CACHE", "MINGTANG_DEV_SERVER"];
/// Shortest secret of an API key, characters, outside demo mode.
const API_SECRET_CHARACTERS_MIN: usize = 16;

/// Everything that can be configured, checked. [`keys::KEYS`] says what each field means.
#[derive(Clone)]
#[expect(missing_docs, reason = "each field is described in KEYS")]
pub struct Config {
    pub listen: SocketAddr,
    pub media_listen: IpAddr,
    pub media_port: u16,
    /// From 1 to [`SHARDS_MAX`].
    pub media_threads: usize,
    pub media_udp: bool,
    pub media_tcp: MediaTcp,
    /// Never empty.
    pub media_addresses: Vec<IpAddr>,
    pub turn: Option<Turn>,
    pub data_dir: PathBuf,
    pub database_url: Option<String>,
    pub database_connections_max: u32,
    pub tls: Tls,
    pub tls_names: Vec<String>,
    pub api_keys: BTreeMap<String, String>,
    pub webhook_urls: Vec<String>,
    /// One of `api_keys`, if there are `webhook_urls`.
    pub webhook_key: Option<String>,
    pub ffmpeg: Option<String>,
    pub upload_mib_max: u32,
    pub library_gib_max: u32,
    pub log_format: LogFormat,
    pub log_level: String,
    pub demo: bool,
}

impl std::fmt::Debug for Config {
    /// Leaves out what is secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("media_port", &self.media_port)
            .field("media_threads", &self.media_threads)
            .field("media_udp", &self.media_udp)
            .field("media_tcp", &self.media_tcp)
            .field("turn", &self.turn.is_some())
            .field("data_dir", &self.data_dir)
            .field("embedded_postgres", &self.database_url.is_none())
            .field("tls", &self.tls)
            .field("demo", &self.demo)
            .finish_non_exhaustive()
    }
}

/// Whether and how HTTPS is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Plain HTTP: for this machine, or behind a proxy that ends TLS.
    Off,
    /// A certificate of our own, kept in the data directory.
    SelfSigned,
    /// PEM files.
    Files {
        /// The certificate and its chain.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
}

/// Where media by TCP comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaTcp {
    /// Nowhere.
    Off,
    /// On the port that serves HTTP.
    Shared,
    /// On a port of its own.
    Port(u16),
}

/// TURN servers that believe passwords made with a shared secret.
#[derive(Clone)]
#[expect(missing_docs, reason = "each field is described in KEYS")]
pub struct Turn {
    /// Never empty.
    pub urls: Vec<String>,
    pub secret: String,
    pub credential_seconds: u32,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why a configuration is refused: a sentence that names the key and where its value stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// What is set, before it is read: the later a layer, the stronger.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// Name and text of the configuration file.
    pub file: Option<(PathBuf, String)>,
    /// Variables; those of other programs are passed over.
    pub environment: Vec<(String, String)>,
    /// Keys and values given as options.
    pub command_line: Vec<(&'static str, String)>,
}

/// A value as text, with what to call its place in an error.
pub(crate) struct Given {
    text: String,
    place: String,
}

impl Config {
    /// Reads the file (`--config`, or [`FILE_NAME`] in the data directory if there is one) and the
    /// environment of this process.
    pub fn load(
        file: Option<&Path>,
        command_line: Vec<(&'static str, String)>,
    ) -> Result<Self, Refused> {
        let environment: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let mut layers = Layers {
            file: None,
            environment,
            command_line,
        };
        layers.file = match file {
            Some(path) => Some((path.to_path_buf(), read_file(path)?)),
            None => {
                let path = layers.data_dir()?.join(FILE_NAME);
                path.exists()
                    .then(|| read_file(&path))
                    .transpose()?
                    .map(|text| (path, text))
            }
        };
        Self::from_layers(&layers)
    }

    /// The TCP port that media may come to. A port can be shared only at the same address.
    pub fn media_tcp_port(&self) -> Option<u16> {
        match self.media_tcp {
            MediaTcp::Off => None,
            MediaTcp::Shared if self.media_listen != self.listen.ip() => None,
            MediaTcp::Shared => Some(self.listen.port()),
            MediaTcp::Port(port) => Some(port),
        }
    }

    /// The UDP ports of the media threads; `None` where there are not so many above the first, and
    /// just 0 where any will do.
    pub fn media_ports(&self) -> Option<RangeInclusive<u16>> {
        let further = match self.media_port {
            0 => 0,
            _ => u16::try_from(self.media_threads.saturating_sub(1)).ok()?,
        };
        Some(self.media_port..=self.media_port.checked_add(further)?)
    }

    /// Checks every value and how they go together.
    pub fn from_layers(layers: &Layers) -> Result<Self, Refused> {
        let given = layers.merge()?;
        let config = Self::parse(&given)?;
        config.check()?;
        Ok(config)
    }

    fn parse(given: &BTreeMap<&'static str, Given>) -> Result<Self, Refused> {
        let listen = parse::address(given, "listen")?;
        let demo = parse::switch(given, "demo")?;
        let mut api_keys = parse::pairs(given, "api_keys")?;
        let mut webhook_key = parse::text(given, "webhook_key").map(str::to_owned);
        if demo {
            api_keys.insert("devkey".to_owned(), "secret".to_owned());
            webhook_key.get_or_insert_with(|| "devkey".to_owned());
        }
        let media_listen = parse::ip(given, "media_listen")?.unwrap_or(listen.ip());
        let mut media_addresses = parse::ip_list(given, "media_addresses")?;
        if media_addresses.is_empty() {
            media_addresses = addresses::reachable_at(media_listen);
        }
        Ok(Self {
            listen,
            media_listen,
            media_port: parse::number(given, "media_port", 0..=65_535)? as u16,
            media_threads: parse::media_threads(given)?,
            media_udp: parse::switch(given, "media_udp")?,
            media_tcp: parse::media_tcp(given)?,
            media_addresses,
            turn: parse::turn(given)?,
            data_dir: parse::text(given, "data_dir").unwrap_or_default().into(),
            database_url: parse::database_url(given)?,
            database_connections_max: parse::number(given, "database_connections_max", 2..=500)?,
            tls: parse::tls(given)?,
            tls_names: parse::list(given, "tls_names"),
            api_keys,
            webhook_urls: parse::web_addresses(given, "webhook_urls", ENDPOINTS_MAX)?,
            webhook_key,
            ffmpeg: parse::text(given, "ffmpeg").map(str::to_owned),
            upload_mib_max: parse::number(given, "upload_mib_max", 1..=65_536)?,
            library_gib_max: parse::number(given, "library_gib_max", 1..=65_536)?,
            log_format: parse::log_format(given)?,
            log_level: parse::log_level(given)?,
            demo,
        })
    }

    fn check(&self) -> Result<(), Refused> {
        if self.demo && !self.listen.ip().is_loopback() {
            return Err(Refused(format!(
                "demo mode has public passwords and serves this machine alone: listen is {}, \
                 and must be a loopback address such as 127.0.0.1:7880",
                self.listen
            )));
        }
        if !self.media_udp && self.media_tcp_port().is_none() {
            return Err(Refused(
                "media_udp is false and media_tcp_port opens no port: media has no way in"
                    .to_owned(),
            ));
        }
        if self.media_udp && self.media_ports().is_none() {
            return Err(Refused(format!(
                "media_port is {} and media_threads is {}: there are no so many ports above it",
                self.media_port, self.media_threads
            )));
        }
        let known = |key: &String| self.api_keys.contains_key(key);
        let signs = self.webhook_key.as_ref().is_some_and(known);
        if !signs && (self.webhook_key.is_some() || !self.webhook_urls.is_empty()) {
            return Err(Refused(
                "webhook_key must name one of api_keys: it signs what goes to webhook_urls"
                    .to_owned(),
            ));
        }
        let short = |secret: &&String| secret.chars().count() < API_SECRET_CHARACTERS_MIN;
        if !self.demo && self.api_keys.values().any(|secret| short(&secret)) {
            return Err(Refused(format!(
                "api_keys: a secret must have at least {API_SECRET_CHARACTERS_MIN} characters"
            )));
        }
        Ok(())
    }
}

impl Layers {
    fn data_dir(&self) -> Result<PathBuf, Refused> {
        let given = self.merge()?;
        Ok(parse::text(&given, "data_dir").unwrap_or_default().into())
    }

    /// One value a key: the default, then what the layers say.
    fn merge(&self) -> Result<BTreeMap<&'static str, Given>, Refused> {
        let mut merged = BTreeMap::new();
        for key in KEYS {
            if let Some(text) = key.default {
                let place = "the default".to_owned();
                merged.insert(
                    key.name,
                    Given {
                        text: text.to_owned(),
                        place,
                    },
                );
            }
        }
        for (name, text, place) in self.of_file()? {
            merged.insert(name, Given { text, place });
        }
        for (name, text, place) in self.of_environment()? {
            merged.insert(name, Given { text, place });
        }
        for (name, text) in &self.command_line {
            let place = format!("--{}", name.replace('_', "-"));
            merged.insert(
                name,
                Given {
                    text: text.clone(),
                    place,
                },
            );
        }
        Ok(merged)
    }

    fn of_file(&self) -> Result<Vec<(&'static str, String, String)>, Refused> {
        let Some((path, text)) = &self.file else {
            return Ok(Vec::new());
        };
        let place = path.display().to_string();
        let table: toml::Table = text
            .parse()
            .map_err(|error| Refused(format!("{place} is not TOML: {error}")))?;
        let mut found = Vec::new();
        for (name, value) in &table {
            let key = keys::named(name).ok_or_else(|| unknown(name, &place))?;
            let text = parse::plain(value)
                .ok_or_else(|| Refused(format!("{name} in {place}: this kind is not taken")))?;
            found.push((key, text, place.clone()));
        }
        Ok(found)
    }

    fn of_environment(&self) -> Result<Vec<(&'static str, String, String)>, Refused> {
        let mut found = Vec::new();
        for (variable, text) in &self.environment {
            if variable == "DATABASE_URL" {
                // First, so that the product's own variable is stronger.
                found.insert(0, ("database_url", text.clone(), variable.clone()));
            } else if let Some(name) = variable.strip_prefix("MINGTANG_") {
                if NOT_KEYS.contains(&variable.as_str()) || name.starts_with("TEST_") {
                    continue;
                }
                let key = keys::named(&name.to_lowercase())
                    .ok_or_else(|| unknown(variable, "the environment"))?;
                found.push((key, text.clone(), variable.clone()));
            }
        }
        Ok(found)
    }
}

fn unknown(name: &str, place: &str) -> Refused {
    let known: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
    Refused(format!(
        "{name} in {place} is no key; there are: {}",
        known.join(", ")
    ))
}

fn read_file(path: &Path) -> Result<String, Refused> {
    let refuse = |why: String| Refused(format!("cannot read {}: {why}", path.display()));
    let length = std::fs::metadata(path)
        .map_err(|error| refuse(error.to_string()))?
        .len();
    if length > FILE_BYTES_MAX {
        return Err(refuse(format!(
            "it has {length} bytes, and {FILE_BYTES_MAX} are allowed"
        )));
    }
    std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))
}

#[cfg(test)]
mod tests;
