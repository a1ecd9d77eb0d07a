//! From text to checked values; each error names the key, its place and the range.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZero;
use std::ops::RangeInclusive;

use super::{Given, LogFormat, MediaTcp, Refused, Tls, Turn};
use crate::media::placement::SHARDS_MAX;

/// Most TURN URLs; browsers ask each of them.
const TURN_URLS_MAX: usize = 8;
/// Shortest secret shared with TURN servers, characters.
const TURN_SECRET_CHARACTERS_MIN: usize = 16;

/// Media threads when none are given, at most.
const MEDIA_THREADS_MAX: usize = 16;

type Merged = BTreeMap<&'static str, Given>;

fn refuse(key: &str, given: &Given, wanted: &str) -> Refused {
    Refused(format!(
        "{key} ({}): {:?} is not {wanted}",
        given.place, given.text
    ))
}

/// A value of the file in the form of the environment; `None` for kinds that no key takes.
pub(super) fn plain(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(switch) => Some(switch.to_string()),
        toml::Value::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(plain).collect();
            Some(items?.join(","))
        }
        toml::Value::Table(table) => {
            let pairs: Option<Vec<String>> = table
                .iter()
                .map(|(name, value)| Some(format!("{name}={}", plain(value)?)))
                .collect();
            Some(pairs?.join(","))
        }
        toml::Value::Float(_) | toml::Value::Datetime(_) => None,
    }
}

pub(super) fn text<'a>(given: &'a Merged, key: &str) -> Option<&'a str> {
    given
        .get(key)
        .map(|given| given.text.trim())
        .filter(|text| !text.is_empty())
}

pub(super) fn list(given: &Merged, key: &str) -> Vec<String> {
    let items = text(given, key)
        .unwrap_or_default()
        .split(',')
        .map(str::trim);
    items
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect()
}

pub(super) fn address(given: &Merged, key: &str) -> Result<SocketAddr, Refused> {
    let wanted = "an address and a port, such as 127.0.0.1:7880";
    match given.get(key) {
        Some(found) => found
            .text
            .trim()
            .parse()
            .map_err(|_| refuse(key, found, wanted)),
        None => Err(Refused(format!("{key} must be {wanted}"))),
    }
}

pub(super) fn number(
    given: &Merged,
    key: &str,
    range: RangeInclusive<u32>,
) -> Result<u32, Refused> {
    let wanted = format!("a number from {} to {}", range.start(), range.end());
    let found = given
        .get(key)
        .ok_or_else(|| Refused(format!("{key} must be {wanted}")))?;
    let number = found
        .text
        .trim()
        .parse()
        .ok()
        .filter(|number| range.contains(number));
    number.ok_or_else(|| refuse(key, found, &wanted))
}

/// As many threads as cores unless given.
pub(super) fn media_threads(given: &Merged) -> Result<usize, Refused> {
    if text(given, "media_threads").is_some() {
        return Ok(number(given, "media_threads", 1..=SHARDS_MAX as u32)? as usize);
    }
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    Ok(cores.min(MEDIA_THREADS_MAX))
}

pub(super) fn switch(given: &Merged, key: &str) -> Result<bool, Refused> {
    match (given.get(key), text(given, key)) {
        (_, Some("true")) => Ok(true),
        (_, Some("false") | None) => Ok(false),
        (Some(found), Some(_)) => Err(refuse(key, found, "true or false")),
        (None, Some(_)) => Ok(false),
    }
}

pub(super) fn ip(given: &Merged, key: &str) -> Result<Option<IpAddr>, Refused> {
    match (text(given, key), given.get(key)) {
        (None, _) | (_, None) => Ok(None),
        (Some(ip), Some(found)) => match ip.parse() {
            Ok(ip) => Ok(Some(ip)),
            Err(_) => Err(refuse(key, found, "an IP address")),
        },
    }
}

pub(super) fn ip_list(given: &Merged, key: &str) -> Result<Vec<IpAddr>, Refused> {
    let Some(found) = given.get(key) else {
        return Ok(Vec::new());
    };
    list(given, key)
        .iter()
        .map(|item| {
            item.parse()
                .map_err(|_| refuse(key, found, "a list of IP addresses"))
        })
        .collect()
}

/// `key=secret,key=secret`. Errors leave the secrets out.
pub(super) fn pairs(given: &Merged, key: &str) -> Result<BTreeMap<String, String>, Refused> {
    let mut found = BTreeMap::new();
    for (index, item) in list(given, key).iter().enumerate() {
        match item.split_once('=') {
            Some((name, secret)) if !name.is_empty() && !secret.is_empty() => {
                found.insert(name.to_owned(), secret.to_owned());
            }
            Some(_) | None => {
                let place = given.get(key).map_or("", |given| given.place.as_str());
                let ordinal = index + 1;
                return Err(Refused(format!(
                    "{key} ({place}): item {ordinal} is not key=secret"
                )));
            }
        }
    }
    Ok(found)
}

/// Errors leave the URL out: it may hold a password.
pub(super) fn database_url(given: &Merged) -> Result<Option<String>, Refused> {
    let Some(url) = text(given, "database_url") else {
        return Ok(None);
    };
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(Some(url.to_owned()));
    }
    let place = given
        .get("database_url")
        .map_or("", |given| given.place.as_str());
    Err(Refused(format!(
        "database_url ({place}) must begin with postgres://"
    )))
}

/// Errors leave the URLs out: they may hold passwords.
pub(super) fn web_addresses(
    given: &Merged,
    key: &str,
    count_max: usize,
) -> Result<Vec<String>, Refused> {
    let items = list(given, key);
    let place = given.get(key).map_or("", |given| given.place.as_str());
    if items.len() > count_max {
        return Err(Refused(format!(
            "{key} ({place}) must have at most {count_max} items"
        )));
    }
    for (item, ordinal) in items.iter().zip(1..) {
        let url = reqwest::Url::parse(item).ok();
        let web = |url: reqwest::Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        if !url.is_some_and(web) {
            return Err(Refused(format!(
                "{key} ({place}): item {ordinal} is not a URL of http:// or https:// with a host"
            )));
        }
    }
    Ok(items)
}

pub(super) fn tls(given: &Merged) -> Result<Tls, Refused> {
    let wanted = "off, self-signed or CERTIFICATE,KEY (two PEM files)";
    let files = list(given, "tls");
    match (text(given, "tls"), files.as_slice(), given.get("tls")) {
        (Some("off") | None, _, _) | (_, _, None) => Ok(Tls::Off),
        (Some("self-signed"), _, _) => Ok(Tls::SelfSigned),
        (_, [certificate, key], _) => Ok(Tls::Files {
            certificate: certificate.into(),
            key: key.into(),
        }),
        (_, _, Some(found)) => Err(refuse("tls", found, wanted)),
    }
}

pub(super) fn media_tcp(given: &Merged) -> Result<MediaTcp, Refused> {
    let key = "media_tcp_port";
    match (text(given, key), given.get(key)) {
        (Some("shared") | None, _) | (_, None) => Ok(MediaTcp::Shared),
        (Some("off"), _) => Ok(MediaTcp::Off),
        (Some(port), Some(found)) => match port.parse() {
            Ok(0) | Err(_) => Err(refuse(key, found, "shared, off or a port from 1 to 65535")),
            Ok(port) => Ok(MediaTcp::Port(port)),
        },
    }
}

/// TURN servers; errors leave the secret out.
pub(super) fn turn(given: &Merged) -> Result<Option<Turn>, Refused> {
    let urls = list(given, "turn_urls");
    let credential_seconds = number(given, "turn_credential_seconds", 300..=604_800)?;
    let is_turn = |url: &String| url.starts_with("turn:") || url.starts_with("turns:");
    if let Some(found) = given.get("turn_urls")
        && (urls.len() > TURN_URLS_MAX || !urls.iter().all(is_turn))
    {
        let wanted = "a list of at most 8 URLs such as turn:turn.example.org:3478";
        return Err(refuse("turn_urls", found, wanted));
    }
    match (text(given, "turn_secret"), urls.is_empty()) {
        (None, true) => Ok(None),
        (Some(secret), false) if secret.chars().count() >= TURN_SECRET_CHARACTERS_MIN => {
            Ok(Some(Turn {
                urls,
                secret: secret.to_owned(),
                credential_seconds,
            }))
        }
        (Some(_), false) => Err(Refused(format!(
            "turn_secret must have at least {TURN_SECRET_CHARACTERS_MIN} characters"
        ))),
        (None, false) => Err(Refused("turn_urls needs turn_secret".to_owned())),
        (Some(_), true) => Err(Refused("turn_secret needs turn_urls".to_owned())),
    }
}

pub(super) fn log_format(given: &Merged) -> Result<LogFormat, Refused> {
    match (text(given, "log_format"), given.get("log_format")) {
        (Some("text") | None, _) | (_, None) => Ok(LogFormat::Text),
        (Some("json"), _) => Ok(LogFormat::Json),
        (Some(_), Some(found)) => Err(refuse("log_format", found, "text or json")),
    }
}

pub(super) fn log_level(given: &Merged) -> Result<String, Refused> {
    let level = text(given, "log_level").unwrap_or("info");
    match (
        level.parse::<tracing_subscriber::filter::Targets>(),
        given.get("log_level"),
    ) {
        (Err(_), Some(found)) => Err(refuse("log_level", found, "a level or a filter")),
        (Ok(_), _) | (_, None) => Ok(level.to_owned()),
    }
}
