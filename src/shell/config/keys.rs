//! Every configuration key with its default, unit and range: the one place that says so.

/// A configuration key. Its variable is `MINGTANG_` and the name in capitals.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name in the file.
    pub name: &'static str,
    /// Its value when nothing is set, in the form of the environment.
    pub default: Option<&'static str>,
    /// Unit and range, or the form.
    pub range: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

/// All keys, in the order in which a person meets them.
pub const KEYS: &[Key] = &[
    Key {
        name: "listen",
        default: Some("127.0.0.1:7880"),
        range: "address:port",
        meaning: "Where HTTP or HTTPS is served. `0.0.0.0:7880` serves all networks.",
    },
    Key {
        name: "media_listen",
        default: None,
        range: "IP address",
        meaning: "Where the ports of media are opened, if not at the address of `listen`: behind \
                  a proxy on the same machine, `0.0.0.0` or `::`.",
    },
    Key {
        name: "media_port",
        default: Some("7882"),
        range: "UDP port, 0 to 65535",
        meaning: "Where audio and video come in. Each further media thread has a port of its own, \
                  one higher than that before. 0 takes any free ones, for trying things out.",
    },
    Key {
        name: "media_threads",
        default: None,
        range: "number, 1 to 64",
        meaning: "How many threads carry media. By default one for each processor core, at most \
                  16. Large rooms are spread over them.",
    },
    Key {
        name: "media_udp",
        default: Some("true"),
        range: "`true` or `false`",
        meaning: "Whether media may come by UDP, which suits it best. `false` opens no UDP port.",
    },
    Key {
        name: "media_tcp_port",
        default: Some("shared"),
        range: "`shared`, `off` or a TCP port, 1 to 65535",
        meaning: "Where media comes in from networks that block UDP: on the port of `listen`, \
                  nowhere, or on a port of its own (behind a proxy that passes HTTP alone).",
    },
    Key {
        name: "media_addresses",
        default: None,
        range: "list of IP addresses",
        meaning: "Addresses that browsers are told to send media to, the preferred one first. By \
                  default the address of `listen`, or all of the machine's addresses when that \
                  is a wildcard, IPv6 and IPv4 by turns. Behind address translation: the outside \
                  address, and the inside one if there are browsers inside.",
    },
    Key {
        name: "turn_urls",
        default: None,
        range: "list of at most 8 URLs, `turn:` or `turns:`",
        meaning: "TURN servers that relay media for browsers in the strictest networks, such as \
                  `turns:turn.example.org:443?transport=tcp`.",
    },
    Key {
        name: "turn_secret",
        default: None,
        range: "at least 16 characters",
        meaning: "The secret that the TURN servers share with this one (`static-auth-secret` of \
                  coturn). Browsers get passwords made with it, which end by themselves.",
    },
    Key {
        name: "turn_credential_seconds",
        default: Some("28800"),
        range: "seconds, 300 to 604800",
        meaning: "How long such a password lets a browser in; longer than a meeting lasts.",
    },
    Key {
        name: "data_dir",
        default: Some("data"),
        range: "path",
        meaning: "Where the database, keys and certificates live. One server per directory.",
    },
    Key {
        name: "database_url",
        default: None,
        range: "postgres:// URL",
        meaning: "The database. By default a private Postgres in the data directory, which the \
                  server starts and stops. The variable `DATABASE_URL` is read too.",
    },
    Key {
        name: "database_connections_max",
        default: Some("20"),
        range: "connections, 2 to 500",
        meaning: "Open connections to Postgres at once.",
    },
    Key {
        name: "tls",
        default: Some("off"),
        range: "`off`, `self-signed` or `CERTIFICATE,KEY`",
        meaning: "HTTPS: none, with a certificate of our own kept in the data directory, or with \
                  two PEM files. Browsers give a camera only over HTTPS or to this machine itself.",
    },
    Key {
        name: "tls_names",
        default: None,
        range: "list of host names",
        meaning: "Further names in the self-signed certificate, beside the machine's name and \
                  addresses.",
    },
    Key {
        name: "api_keys",
        default: None,
        range: "table of key and secret; a secret has at least 16 characters",
        meaning: "Keys with which other programs mint access tokens as LiveKit's SDKs do. In a \
                  variable: `key=secret,key=secret`. Demo mode adds `devkey` with `secret`.",
    },
    Key {
        name: "webhook_urls",
        default: None,
        range: "list of at most 8 http:// or https:// URLs",
        meaning: "Where LiveKit's webhook events go: signed, in order, again and again until \
                  accepted, for 3 days at most. See `docs/api`.",
    },
    Key {
        name: "webhook_key",
        default: None,
        range: "name of one of `api_keys`",
        meaning: "Which key signs webhook events. Needed with `webhook_urls`; in demo mode it is \
                  `devkey` unless said otherwise.",
    },
    Key {
        name: "ffmpeg",
        default: None,
        range: "path, or the name of a program on the search path",
        meaning: "The ffmpeg that imports films, with its ffprobe beside it. By default `ffmpeg` \
                  of the search path; without one no films can be uploaded.",
    },
    Key {
        name: "upload_mib_max",
        default: Some("4096"),
        range: "MiB, 1 to 65536",
        meaning: "Largest file of a film.",
    },
    Key {
        name: "library_gib_max",
        default: Some("200"),
        range: "GiB, 1 to 65536",
        meaning: "What all films and unfinished uploads may take together.",
    },
    Key {
        name: "log_format",
        default: Some("text"),
        range: "`text` or `json`",
        meaning: "How log lines look.",
    },
    Key {
        name: "log_level",
        default: Some("info"),
        range: "`error`, `warn`, `info`, `debug`, `trace`, or a filter such as \
                `info,mingtang::media=debug`",
        meaning: "What is logged. Persons and addresses appear at `debug` and below only.",
    },
    Key {
        name: "demo",
        default: Some("false"),
        range: "`true` or `false`",
        meaning: "Makes demo units, people and a lesson with a published password, and plays the \
                  mishaps that LiveKit's clients can ask for in tests. Loopback only.",
    },
];

/// The key of this name.
pub fn named(name: &str) -> Option<&'static str> {
    KEYS.iter().map(|key| key.name).find(|known| *known == name)
}

/// The table of `docs/configuration.md`, Markdown.
pub fn table() -> String {
    let mut lines = vec![
        "| key | default | unit, range | what it does |".to_owned(),
        "|---|---|---|---|".to_owned(),
    ];
    for key in KEYS {
        let default = key
            .default
            .map_or_else(|| "–".to_owned(), |text| format!("`{text}`"));
        lines.push(format!(
            "| `{}` | {default} | {} | {} |",
            key.name, key.range, key.meaning
        ));
    }
    lines.join("\n")
}
