//! What the configuration takes, refuses and prefers.

use super::*;

fn layers(file: &str, environment: &[(&str, &str)], options: &[(&'static str, &str)]) -> Layers {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Layers {
        file: Some((PathBuf::from("mingtang.toml"), file.to_owned())),
        environment: environment.iter().map(owned).collect(),
        command_line: options
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect(),
    }
}

fn refusal(layers: &Layers) -> String {
    Config::from_layers(layers)
        .expect_err("it must be refused")
        .to_string()
}

#[test]
fn nothing_set_gives_the_defaults() {
    let config = Config::from_layers(&Layers::default()).expect("the defaults are legal");
    assert_eq!(config.listen.to_string(), "127.0.0.1:7880");
    assert_eq!(config.media_port, 7882);
    assert_eq!(config.media_addresses, [config.listen.ip()]);
    assert_eq!(config.data_dir, Path::new("data"));
    assert_eq!(
        (config.database_url, config.database_connections_max),
        (None, 20)
    );
    assert_eq!((config.tls, config.demo), (Tls::Off, false));
    assert!(config.api_keys.is_empty());
}

#[test]
fn the_command_line_beats_the_environment_and_the_environment_the_file() {
    let file = "media_port = 1001\nlog_level = \"warn\"\nlisten = \"127.0.0.1:1\"";
    let environment = [
        ("MINGTANG_MEDIA_PORT", "1002"),
        ("MINGTANG_LISTEN", "127.0.0.1:2"),
    ];
    let layers = layers(file, &environment, &[("media_port", "1003")]);
    let config = Config::from_layers(&layers).expect("legal");
    assert_eq!((config.media_port, config.listen.port()), (1003, 2));
    assert_eq!(config.log_level, "warn");
}

#[test]
fn the_products_own_variable_beats_database_url() {
    let own = ("MINGTANG_DATABASE_URL", "postgres://own");
    let common = ("DATABASE_URL", "postgres://common");
    for environment in [[own, common], [common, own]] {
        let config = Config::from_layers(&layers("", &environment, &[])).expect("legal");
        assert_eq!(config.database_url.as_deref(), Some("postgres://own"));
    }
    let config = Config::from_layers(&layers("", &[common], &[])).expect("legal");
    assert_eq!(config.database_url.as_deref(), Some("postgres://common"));
}

#[test]
fn an_unknown_key_is_refused_with_its_place() {
    assert!(refusal(&layers("lisen = 1", &[], &[])).contains("lisen in mingtang.toml is no key"));
    let typo = refusal(&layers("", &[("MINGTANG_LISEN", "1")], &[]));
    assert!(
        typo.contains("MINGTANG_LISEN in the environment is no key"),
        "{typo}"
    );
    let scripts = layers("", &[("MINGTANG_BIN", "x"), ("HOME", "y")], &[]);
    assert!(Config::from_layers(&scripts).is_ok());
}

#[test]
fn a_value_out_of_its_range_is_refused_with_the_range() {
    for (key, text, wanted) in [
        ("media_port", "-1", "a number from 0 to 65535"),
        ("media_port", "70000", "a number from 0 to 65535"),
        ("media_threads", "0", "a number from 1 to 64"),
        ("media_threads", "65", "a number from 1 to 64"),
        ("media_listen", "here", "an IP address"),
        ("media_tcp_port", "0", "shared, off or a port"),
        ("media_udp", "off", "true or false"),
        ("turn_urls", "stun:x", "a list of at most 8 URLs"),
        ("turn_credential_seconds", "60", "a number from 300"),
        ("database_connections_max", "1", "a number from 2 to 500"),
        ("listen", "7880", "an address and a port"),
        ("media_addresses", "example.org", "a list of IP addresses"),
        ("tls", "on", "off, self-signed or CERTIFICATE,KEY"),
        ("demo", "yes", "true or false"),
        ("log_format", "xml", "text or json"),
        ("log_level", "info=mingtang=x", "a level or a filter"),
    ] {
        let sentence = refusal(&layers("", &[], &[(key, text)]));
        assert!(
            sentence.contains(wanted) && sentence.contains(key),
            "{sentence}"
        );
    }
}

#[test]
fn media_has_at_least_one_way_in() {
    let tcp_alone = layers("media_udp = false\nmedia_tcp_port = 7883", &[], &[]);
    let config = Config::from_layers(&tcp_alone).expect("legal");
    assert_eq!(
        (config.media_udp, config.media_tcp_port()),
        (false, Some(7883))
    );
    let shared = Config::from_layers(&layers("", &[], &[])).expect("legal");
    assert_eq!(shared.media_tcp_port(), Some(shared.listen.port()));
    let apart = layers("media_listen = \"0.0.0.0\"", &[], &[]);
    let apart = Config::from_layers(&apart).expect("legal");
    assert_eq!(apart.media_tcp_port(), None, "not at the same address");
    let neither = layers("media_udp = false\nmedia_tcp_port = \"off\"", &[], &[]);
    assert!(refusal(&neither).contains("no way in"));
}

#[test]
fn each_media_thread_has_a_port_of_its_own() {
    let ports = |file: &str| Config::from_layers(&layers(file, &[], &[])).map(|c| c.media_ports());
    let four = ports("media_port = 7000\nmedia_threads = 4").expect("legal");
    assert_eq!(four, Some(7000..=7003));
    let any = ports("media_port = 0\nmedia_threads = 4").expect("legal");
    assert_eq!(any, Some(0..=0));
    let last = layers("media_port = 65534\nmedia_threads = 3", &[], &[]);
    assert!(refusal(&last).contains("media_threads is 3"));
}

#[test]
fn turn_servers_and_their_secret_come_together_and_the_secret_is_never_shown() {
    let urls = "turn_urls = [\"turn:turn.example.org:3478\"]\n";
    let secret = "turn_secret = \"a-secret-of-the-relays\"";
    let both = format!("{urls}{secret}");
    let config = Config::from_layers(&layers(&both, &[], &[])).expect("legal");
    assert!(!format!("{config:?}").contains("of-the-relays"));
    let turn = config.turn.expect("set");
    assert_eq!((turn.urls.len(), turn.credential_seconds), (1, 28_800));
    assert!(refusal(&layers(urls, &[], &[])).contains("needs turn_secret"));
    assert!(refusal(&layers(secret, &[], &[])).contains("needs turn_urls"));
    let short = refusal(&layers(urls, &[], &[("turn_secret", "too-short")]));
    assert!(short.contains("16 characters") && !short.contains("too-short"));
}

#[test]
fn demo_refuses_other_machines() {
    let open = layers("", &[], &[("demo", "true"), ("listen", "0.0.0.0:7880")]);
    assert!(refusal(&open).contains("loopback"));
    let closed = layers("", &[], &[("demo", "true"), ("listen", "[::1]:7880")]);
    let config = Config::from_layers(&closed).expect("legal");
    assert_eq!(
        config.api_keys.get("devkey").map(String::as_str),
        Some("secret")
    );
}

#[test]
fn api_keys_come_as_table_or_text_and_short_secrets_are_refused() {
    let table = "[api_keys]\nfirst = \"0123456789abcdef=\"";
    let config = Config::from_layers(&layers(table, &[], &[])).expect("legal");
    assert_eq!(config.api_keys["first"], "0123456789abcdef=");
    let text = layers(
        "",
        &[("MINGTANG_API_KEYS", "a=0123456789abcdef,b=0123456789abcdef")],
        &[],
    );
    assert_eq!(Config::from_layers(&text).expect("legal").api_keys.len(), 2);
    assert!(refusal(&layers("", &[("MINGTANG_API_KEYS", "a=short")], &[])).contains("16"));
}

#[test]
fn webhooks_need_web_addresses_and_a_known_key_that_signs() {
    let set = |urls: &str, rest: &str| {
        let file = format!("webhook_urls = [{urls}]\n{rest}");
        Config::from_layers(&layers(&file, &[], &[]))
    };
    let keys = "webhook_key = \"a\"\n[api_keys]\na = \"0123456789abcdef\"";
    let config = set("\"http://127.0.0.1:9/x\", \"https://h\"", keys).expect("legal");
    assert_eq!(config.webhook_urls, ["http://127.0.0.1:9/x", "https://h"]);
    for (urls, rest) in [
        ("\"http://h\"", ""),
        ("\"http://h\"", "webhook_key = \"b\""),
        ("", "webhook_key = \"b\""),
        ("\"ftp://h\"", keys),
        ("\"http://\"", keys),
        ("\"h\"", keys),
    ] {
        let refused = set(urls, rest).expect_err("it must be refused").to_string();
        assert!(refused.contains("webhook_"), "{refused}");
    }
    let many = ["\"http://h\""; ENDPOINTS_MAX + 1].join(",");
    assert!(set(&many, keys).is_err());
    let demo = [("demo", "true"), ("webhook_urls", "http://h")];
    let config = Config::from_layers(&layers("", &[], &demo)).expect("legal");
    assert_eq!(config.webhook_key.as_deref(), Some("devkey"));
}

#[test]
fn no_error_and_no_debug_text_shows_a_secret() {
    let broken = [
        layers("", &[("MINGTANG_WEBHOOK_URLS", "ftp://hunter2@h")], &[]),
        layers("", &[("MINGTANG_API_KEYS", "hunter2hunter2")], &[]),
        layers("", &[("DATABASE_URL", "mysql://u:hunter2@host")], &[]),
    ];
    for layers in &broken {
        assert!(!refusal(layers).contains("hunter2"));
    }
    let secret = [("MINGTANG_API_KEYS", "a=hunter2hunter2hunter2")];
    let config = Config::from_layers(&layers("", &secret, &[])).expect("legal");
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn certificate_files_are_named_as_a_pair() {
    let config = Config::from_layers(&layers("tls = [\"c.pem\", \"k.pem\"]", &[], &[]));
    let files = Tls::Files {
        certificate: "c.pem".into(),
        key: "k.pem".into(),
    };
    assert_eq!(config.expect("legal").tls, files);
}

#[test]
fn the_configuration_page_shows_every_key_as_the_code_has_it() {
    let page = include_str!("../../../docs/configuration.md");
    let table = keys::table();
    assert!(
        page.contains(&table),
        "docs/configuration.md must hold this table:\n{table}"
    );
}
