//! Certificates of the HTTPS server: a self-signed one kept in the data directory, or files.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Datelike, Days, NaiveDate, Utc};
use rcgen::{CertificateParams, DnType, KeyPair};

use crate::shell::config::{Config, Tls};
use crate::shell::data_dir::{create_private, write_private};

/// Directory of the self-signed certificate.
const FOLDER: &str = "tls";
/// Days that a self-signed certificate is valid: phones refuse more than 825.
const VALID_DAYS: u64 = 800;
/// It is made anew when fewer days are left.
const RENEWED_DAYS: u64 = 60;

/// A certificate chain and its key, PEM.
#[derive(Clone)]
pub struct Identity {
    /// The chain.
    pub certificate: Vec<u8>,
    /// The private key.
    pub key: Vec<u8>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(..)")
    }
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written.
    #[error("cannot use {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A host name that cannot stand in a certificate.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// Certificate and key are not usable together.
    #[error("the certificate and key of the key tls do not work: {0}")]
    Unusable(std::io::Error),
}

/// The certificate that a configuration asks for; `None` serves plain HTTP.
pub fn identity(
    config: &Config,
    data_dir: &Path,
    now: DateTime<Utc>,
) -> Result<Option<Identity>, Error> {
    match &config.tls {
        Tls::Off => Ok(None),
        Tls::Files { certificate, key } => Ok(Some(Identity {
            certificate: read(certificate)?,
            key: read(key)?,
        })),
        Tls::SelfSigned => self_signed(data_dir, &names(config), now).map(Some),
    }
}

/// The form in which the HTTPS server takes it; also tells whether certificate and key fit.
pub async fn server_config(
    identity: Identity,
) -> Result<axum_server::tls_rustls::RustlsConfig, Error> {
    use axum_server::tls_rustls::RustlsConfig;
    // An error says that a provider is installed already, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    RustlsConfig::from_pem(identity.certificate, identity.key)
        .await
        .map_err(Error::Unusable)
}

/// Names and addresses under which people call the server.
fn names(config: &Config) -> Vec<String> {
    let mut names = vec!["localhost".to_owned()];
    if let Ok(name) = std::fs::read_to_string("/proc/sys/kernel/hostname") {
        names.push(name.trim().to_owned());
    }
    let loopback: [IpAddr; 2] = [[127, 0, 0, 1].into(), [0, 0, 0, 0, 0, 0, 0, 1].into()];
    let addresses = loopback.iter().chain(&config.media_addresses);
    names.extend(addresses.map(IpAddr::to_string));
    names.extend(config.tls_names.iter().cloned());
    names.sort();
    names.dedup();
    names
}

/// The kept certificate, or a new one when names changed or its end is near.
fn self_signed(data_dir: &Path, names: &[String], now: DateTime<Utc>) -> Result<Identity, Error> {
    let folder = data_dir.join(FOLDER);
    let paths = ["certificate.pem", "key.pem", "made-for"].map(|name| folder.join(name));
    let [certificate_path, key_path, note_path] = &paths;
    if is_current(note_path, names, now) {
        return Ok(Identity {
            certificate: read(certificate_path)?,
            key: read(key_path)?,
        });
    }
    let last_day = now.date_naive() + Days::new(VALID_DAYS);
    let (certificate, key) = make(names, now.date_naive(), last_day)?;
    create_private(&folder).map_err(|source| Error::Io {
        path: folder.clone(),
        source,
    })?;
    let note = format!("{last_day} {}", names.join(" "));
    let contents = [&certificate, &key, &note];
    for (path, content) in paths.iter().zip(contents) {
        write_private(path, content.as_bytes()).map_err(|source| Error::Io {
            path: path.clone(),
            source,
        })?;
    }
    Ok(Identity {
        certificate: certificate.into_bytes(),
        key: key.into_bytes(),
    })
}

fn is_current(note: &Path, names: &[String], now: DateTime<Utc>) -> bool {
    let text = std::fs::read_to_string(note).unwrap_or_default();
    let Some((day, made_for)) = text.split_once(' ') else {
        return false;
    };
    let renewed_on = now.date_naive() + Days::new(RENEWED_DAYS);
    made_for == names.join(" ") && day.parse::<NaiveDate>().is_ok_and(|day| day > renewed_on)
}

fn make(
    names: &[String],
    first: NaiveDate,
    last: NaiveDate,
) -> Result<(String, String), rcgen::Error> {
    let mut parameters = CertificateParams::new(names)?;
    parameters
        .distinguished_name
        .push(DnType::CommonName, "Mingtang");
    let day =
        |date: NaiveDate| rcgen::date_time_ymd(date.year(), date.month() as u8, date.day() as u8);
    // A client's clock may be behind ours.
    parameters.not_before = day(first - Days::new(1));
    parameters.not_after = day(last);
    let key = KeyPair::generate()?;
    let certificate = parameters.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::Io {
        path: path.to_path_buf(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).expect("a moment")
    }

    #[test]
    fn the_self_signed_certificate_stays_until_names_or_time_ask_for_another() {
        let folder = tempfile::tempdir().expect("a directory");
        let at = |names: &[&str], now| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            self_signed(folder.path(), &names, now)
                .expect("made")
                .certificate
        };
        let first = at(&["localhost", "10.0.0.1"], moment());
        assert_eq!(at(&["localhost", "10.0.0.1"], moment()), first);
        let renamed = at(&["localhost", "10.0.0.2"], moment());
        assert_ne!(renamed, first);
        let late = moment() + Days::new(VALID_DAYS - RENEWED_DAYS);
        assert_ne!(at(&["localhost", "10.0.0.2"], late), renamed);
    }

    #[tokio::test]
    async fn a_certificate_and_a_strangers_key_are_refused() {
        let folder = tempfile::tempdir().expect("a directory");
        let names = ["localhost".to_owned()];
        let one = self_signed(&folder.path().join("a"), &names, moment()).expect("made");
        let other = self_signed(&folder.path().join("b"), &names, moment()).expect("made");
        let mixed = Identity {
            certificate: one.certificate.clone(),
            key: other.key,
        };
        assert!(server_config(one).await.is_ok());
        assert!(matches!(
            server_config(mixed).await,
            Err(Error::Unusable(_))
        ));
    }
}
