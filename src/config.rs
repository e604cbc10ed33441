//! Every setting: its name, its default, what it means. Nothing else reads the environment.
//!
//! The environment wins over the file (`andante.toml`, or the one that `ANDANTE_CONFIG` names), and
//! the file over the defaults. A name nobody knows is refused with the nearest one that exists, and
//! settings that contradict each other stop the start with a sentence that says what to change.

use std::ffi::OsString;
use std::net::{SocketAddr, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use chrono_tz::Tz;
use config::{File, FileFormat, Map, Source, Value};
use entity::account::Provider;
use serde::Deserialize;

use crate::blobs::Bucket;
use crate::host::is_loopback;
use crate::pacing::{Limits, Presets};
use crate::phone::Region;
use crate::store::Seal;

/// One setting, as the README's table shows it.
#[derive(Debug)]
pub struct Setting {
    /// Its name in the file.
    pub name: &'static str,
    /// Its name in the environment.
    pub env: &'static str,
    /// Its default, as one would write it.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

const fn setting(name: &'static str, env: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting { name, env, default, meaning }
}

/// All settings.
pub const SETTINGS: &[Setting] = &[
    setting("bind", "ANDANTE_BIND", "127.0.0.1:3000", "The address and port to listen on; port 0 takes a free one."),
    setting(
        "public_url",
        "ANDANTE_PUBLIC_URL",
        "",
        "What the outside calls this server (`https://send.example.org`), for the links it hands out. Empty: `http://` and the bound address.",
    ),
    setting("data_dir", "ANDANTE_DATA_DIR", "./data", "Where the SQLite file lives."),
    setting("database_url", "DATABASE_URL", "", "`postgres://…` or `sqlite://…`. Empty: SQLite in the data directory."),
    setting(
        "secret_key",
        "ANDANTE_SECRET_KEY",
        "",
        "What accounts' secrets are encrypted with in the database: 32 random bytes as base64 (`openssl rand -base64 32`). Empty: not at all.",
    ),
    setting(
        "allow_readable",
        "ANDANTE_ALLOW_READABLE",
        "false",
        "Lets a start use a SQLite file that others on this machine can read.",
    ),
    setting(
        "redis_url",
        "REDIS_URL",
        "",
        "`redis://…` or `rediss://…`; the nodes of a cluster separated by commas. Empty: the queues are in memory.",
    ),
    setting("redis_cluster", "ANDANTE_REDIS_CLUSTER", "false", "Whether `REDIS_URL` is a Redis Cluster."),
    setting("redis_prefix", "ANDANTE_REDIS_PREFIX", "andante", "What this installation's Redis keys start with."),
    setting(
        "auth",
        "ANDANTE_AUTH",
        "",
        "`open` (no credentials) or `required`. Empty: open on a loopback address, required on any other, behind a proxy, and with a public URL that is not this machine's.",
    ),
    setting(
        "allow_open",
        "ANDANTE_ALLOW_OPEN",
        "false",
        "Lets `auth = open` start on an address that others can reach.",
    ),
    setting(
        "api_key",
        "ANDANTE_API_KEY",
        "",
        "An API key of the operator's, at least 16 characters: the company \"default\" and everything in it. Empty: only users and the keys they make.",
    ),
    setting(
        "registration",
        "ANDANTE_REGISTRATION",
        "true",
        "Whether anybody may register a company; `andante user create` works either way.",
    ),
    setting("login_hours", "ANDANTE_LOGIN_HOURS", "24", "How long a login lasts."),
    setting(
        "login_rate",
        "ANDANTE_LOGIN_RATE",
        "10",
        "Attempts a minute to sign in, register or make users, for each address (or IPv6 network); ten times as many for each user, and so many passwords hashed for each company; 0 is off.",
    ),
    setting(
        "company_accounts",
        "ANDANTE_COMPANY_ACCOUNTS",
        "0",
        "How many accounts of a company may be connected; 0: any number.",
    ),
    setting(
        "cors_origins",
        "ANDANTE_CORS_ORIGINS",
        "*",
        "Which web origins may call the API: `*`, or a list separated by commas. In open mode those of this machine and listed ones.",
    ),
    setting(
        "hosts",
        "ANDANTE_HOSTS",
        "",
        "Names, separated by commas, under which a server in open mode answers besides those of this machine.",
    ),
    setting(
        "http_rate",
        "ANDANTE_HTTP_RATE",
        "",
        "Requests a second for each API key or address, beyond which the answer is 429; 0 is off. Empty: off in open mode, 100 otherwise.",
    ),
    setting(
        "behind_proxy",
        "ANDANTE_BEHIND_PROXY",
        "false",
        "Whether a reverse proxy stands before the server: limits then go by the last address in its `X-Forwarded-For`.",
    ),
    setting(
        "address_connections",
        "ANDANTE_ADDRESS_CONNECTIONS",
        "",
        "Connections that an address may have open at a time, beyond which a new one is closed at once; 0 is off, as it is behind a proxy. Empty: a quarter of the files that the server may open, at most 2000.",
    ),
    setting(
        "address_streams",
        "ANDANTE_ADDRESS_STREAMS",
        "100",
        "Pairing pages that an address may have open at a time; 0 is off.",
    ),
    setting(
        "socket_connections",
        "ANDANTE_SOCKET_CONNECTIONS",
        "5000",
        "Socket.IO clients that a company may have connected to one node.",
    ),
    setting(
        "socket_handshakes",
        "ANDANTE_SOCKET_HANDSHAKES",
        "50",
        "Socket.IO connections a second that an address may open; 0 is off.",
    ),
    setting(
        "stall_seconds",
        "ANDANTE_STALL_SECONDS",
        "30",
        "A client that takes nothing of what it is sent for so long is cut off. On Linux.",
    ),
    setting(
        "instance_ports",
        "ANDANTE_INSTANCE_PORTS",
        "",
        "Ports such as `3001-7999`, of which each account gets one of its own, on the address of `bind`. Empty: none has one.",
    ),
    setting(
        "default_provider",
        "ANDANTE_DEFAULT_PROVIDER",
        "whatsapp",
        "What an account is when the request does not say: `whatsapp`, `whatsappweb`, `telegram` or `simulator`.",
    ),
    setting(
        "phone_region",
        "ANDANTE_PHONE_REGION",
        "",
        "The country, such as `KZ`, `KG` or `RU`, whose phone numbers are taken without its code, as people dial them there. Empty: none.",
    ),
    setting(
        "telegram_api_url",
        "ANDANTE_TELEGRAM_API_URL",
        "https://api.telegram.org",
        "Where the Telegram Bot API is.",
    ),
    setting("whatsapp_url", "ANDANTE_WHATSAPP_URL", "https://web.whatsapp.com/ws/chat", "Where WhatsApp Web is."),
    setting(
        "whatsapp_version",
        "ANDANTE_WHATSAPP_VERSION",
        "",
        "The version of WhatsApp Web that accounts say they are, such as `2.3000.1035194821`. Empty: the one of the day, which WhatsApp is asked for.",
    ),
    setting(
        "whatsappweb_url",
        "ANDANTE_WHATSAPPWEB_URL",
        "https://web.whatsapp.com/",
        "The page of WhatsApp Web, for accounts in a browser.",
    ),
    setting(
        "wajs_path",
        "ANDANTE_WAJS_PATH",
        "",
        "A newer `wppconnect-wa.js` than the one that is built in, by which such a page is worked; read at each start of a browser.",
    ),
    setting(
        "browser_path",
        "ANDANTE_BROWSER_PATH",
        "",
        "The program Chromium. Empty: where Debian has it, or `chromium` or `google-chrome` in `PATH`.",
    ),
    setting(
        "browser_driver_path",
        "ANDANTE_BROWSER_DRIVER_PATH",
        "",
        "The program ChromeDriver, of the same version. Empty: `chromedriver` in `PATH`.",
    ),
    setting(
        "browser_max",
        "ANDANTE_BROWSER_MAX",
        "",
        "How many browsers may run at a time. Empty: one for each 600 MB of memory that are free at the start.",
    ),
    setting(
        "browser_memory_mb",
        "ANDANTE_BROWSER_MEMORY_MB",
        "1200",
        "A browser that takes more megabytes is started anew; its account stays paired.",
    ),
    setting(
        "browser_sandbox",
        "ANDANTE_BROWSER_SANDBOX",
        "true",
        "Whether Chromium's sandbox is on. As root, which Chromium refuses with it, it has to be turned off by name.",
    ),
    setting(
        "private_proxies",
        "ANDANTE_PRIVATE_PROXIES",
        "false",
        "Whether an account's proxy may be at an address of this machine or of a private network.",
    ),
    setting(
        "media_url",
        "ANDANTE_MEDIA_URL",
        "",
        "Where files are kept that go with messages: `s3://bucket/prefix` on a server that speaks S3. Empty: the folder `media` in the data directory.",
    ),
    setting(
        "media_endpoint",
        "ANDANTE_MEDIA_ENDPOINT",
        "",
        "That server's address, such as `https://minio.example.org`. Empty: Amazon's, of the region.",
    ),
    setting("media_region", "ANDANTE_MEDIA_REGION", "us-east-1", "That server's region."),
    setting("media_access_key", "ANDANTE_MEDIA_ACCESS_KEY", "", "The id of the key for that server."),
    setting("media_secret_key", "ANDANTE_MEDIA_SECRET_KEY", "", "The key."),
    setting(
        "media_days",
        "ANDANTE_MEDIA_DAYS",
        "90",
        "How many days a file is kept; one that a message waits for, until that is sent.",
    ),
    setting(
        "media_max_mb",
        "ANDANTE_MEDIA_MAX_MB",
        "100",
        "Megabytes that a file may have. Messengers take less of some kinds.",
    ),
    setting("media_company_mb", "ANDANTE_MEDIA_COMPANY_MB", "10240", "Megabytes that all files of a company may have."),
    setting(
        "media_eager",
        "ANDANTE_MEDIA_EAGER",
        "false",
        "Whether files that come in are fetched at once, and not when somebody asks for them.",
    ),
    setting(
        "private_media",
        "ANDANTE_PRIVATE_MEDIA",
        "false",
        "Whether a file that a request names by its URL may be at an address of this machine or of a private network.",
    ),
    setting(
        "send_deadline_seconds",
        "ANDANTE_SEND_DEADLINE_SECONDS",
        "60",
        "How long a gateway may take for one message; after it the message is `uncertain`.",
    ),
    setting(
        "connect_deadline_seconds",
        "ANDANTE_CONNECT_DEADLINE_SECONDS",
        "30",
        "How long a gateway may take to connect, apart from the person who scans.",
    ),
    setting("shutdown_seconds", "ANDANTE_SHUTDOWN_SECONDS", "20", "How long a stop waits for messages in flight."),
    setting(
        "limits_per_minute",
        "ANDANTE_LIMITS_PER_MINUTE",
        "20",
        "With limits: at most so many messages of an account in any 60 s.",
    ),
    setting(
        "limits_daily_from",
        "ANDANTE_LIMITS_DAILY_FROM",
        "500",
        "With limits: the daily cap on the day of the first connection …",
    ),
    setting("limits_daily_to", "ANDANTE_LIMITS_DAILY_TO", "1000", "… and at the end of the warm-up."),
    setting(
        "limits_warmup_days",
        "ANDANTE_LIMITS_WARMUP_DAYS",
        "7",
        "With limits: how many days the cap takes to grow.",
    ),
    setting(
        "limits_delay_ms",
        "ANDANTE_LIMITS_DELAY_MS",
        "3000-8000",
        "With limits: the random pause between messages, in milliseconds.",
    ),
    setting("limits_rest_after", "ANDANTE_LIMITS_REST_AFTER", "5", "With limits: a rest after each so many messages."),
    setting(
        "limits_rest_ms",
        "ANDANTE_LIMITS_REST_MS",
        "30000-60000",
        "With limits: the random length of a rest, in milliseconds.",
    ),
    setting(
        "limits_timezone",
        "ANDANTE_LIMITS_TIMEZONE",
        "UTC",
        "Where the day starts at midnight, unless an account says otherwise.",
    ),
    setting(
        "limits_quiet_hours",
        "ANDANTE_LIMITS_QUIET_HOURS",
        "",
        "With limits: nothing is sent between these times (`22:00-08:00`). Empty: none.",
    ),
    setting(
        "limits_typing",
        "ANDANTE_LIMITS_TYPING",
        "true",
        "With limits: whether the recipient sees the account typing before a message, where the messenger shows that.",
    ),
    setting(
        "unlimited_delay_ms",
        "ANDANTE_UNLIMITED_DELAY_MS",
        "100-100",
        "Without limits: the pause between messages, in milliseconds.",
    ),
    setting(
        "log",
        "ANDANTE_LOG",
        "info",
        "What is logged: `error`, `warn`, `info`, `debug`, or filters such as `andante=debug,info`; `info,account=warn` leaves out the ordinary steps of accounts.",
    ),
];

/// The file's name unless `ANDANTE_CONFIG` names another.
const FILE: &str = "andante.toml";

#[derive(Deserialize)]
struct Raw {
    bind: String,
    public_url: String,
    data_dir: PathBuf,
    database_url: String,
    secret_key: String,
    allow_readable: bool,
    redis_url: String,
    redis_cluster: bool,
    redis_prefix: String,
    auth: String,
    allow_open: bool,
    api_key: String,
    registration: bool,
    login_hours: u32,
    login_rate: u32,
    company_accounts: u64,
    cors_origins: String,
    hosts: String,
    http_rate: String,
    behind_proxy: bool,
    address_connections: String,
    address_streams: usize,
    socket_connections: usize,
    socket_handshakes: u32,
    stall_seconds: u64,
    instance_ports: String,
    default_provider: String,
    phone_region: String,
    telegram_api_url: String,
    whatsapp_url: String,
    whatsapp_version: String,
    whatsappweb_url: String,
    wajs_path: PathBuf,
    browser_path: PathBuf,
    browser_driver_path: PathBuf,
    browser_max: String,
    browser_memory_mb: u64,
    browser_sandbox: bool,
    private_proxies: bool,
    media_url: String,
    media_endpoint: String,
    media_region: String,
    media_access_key: String,
    media_secret_key: String,
    media_days: u32,
    media_max_mb: u64,
    media_company_mb: u64,
    media_eager: bool,
    private_media: bool,
    send_deadline_seconds: u64,
    connect_deadline_seconds: u64,
    shutdown_seconds: u64,
    limits_per_minute: u32,
    limits_daily_from: u32,
    limits_daily_to: u32,
    limits_warmup_days: u32,
    limits_delay_ms: String,
    limits_rest_after: u32,
    limits_rest_ms: String,
    limits_timezone: String,
    limits_quiet_hours: String,
    limits_typing: bool,
    unlimited_delay_ms: String,
    log: String,
}

/// The settings, read and checked.
#[derive(Clone)]
pub struct Config {
    /// Where to listen.
    pub bind: SocketAddr,
    /// The outside's name for this server, without a slash at the end, if it was set.
    pub public_url: Option<String>,
    /// Where the SQLite file lives.
    pub data_dir: PathBuf,
    /// The database.
    pub database_url: String,
    /// What accounts' secrets are sealed with in it.
    pub seal: Seal,
    /// Whether others on this machine may be able to read its file.
    pub allow_readable: bool,
    /// Redis, or none: the queues are in memory.
    pub redis: Option<Redis>,
    /// Whether no credentials are needed.
    pub is_open: bool,
    /// The operator's key.
    pub api_key: Option<String>,
    /// Whether anybody may register a company.
    pub registration: bool,
    /// How long a login lasts.
    pub login: Duration,
    /// Attempts to sign in a minute for each address; none: no limit.
    pub login_rate: Option<u32>,
    /// How many accounts of a company may be connected; none: any number.
    pub company_accounts: Option<u64>,
    /// Origins that may call; none: all.
    pub cors_origins: Option<Vec<String>>,
    /// Names that an open server answers under, besides this machine's.
    pub hosts: Vec<String>,
    /// Requests a second per caller; none: no limit.
    pub http_rate: Option<u32>,
    /// Whether callers' addresses are those that a reverse proxy names.
    pub behind_proxy: bool,
    /// Connections of an address at a time; none: no limit.
    pub address_connections: Option<usize>,
    /// Event streams of an address at a time; none: no limit.
    pub address_streams: Option<usize>,
    /// Socket.IO clients of a company on this node.
    pub socket_connections: usize,
    /// Socket.IO connections a second from an address; none: no limit.
    pub socket_handshakes: Option<u32>,
    /// How long a client may take nothing of what it is sent.
    pub stall: Duration,
    /// The ports of which each account has one; none: no account has.
    pub instance_ports: Option<RangeInclusive<u16>>,
    /// What an account is when the request does not say.
    pub default_provider: Provider,
    /// The country whose numbers are taken without its code.
    pub phone_region: Option<Region>,
    /// Where the Telegram Bot API is, without a slash at the end.
    pub telegram_api_url: String,
    /// Where WhatsApp Web is.
    pub whatsapp_url: String,
    /// The version of it that accounts say they are; none: the one of the day.
    pub whatsapp_version: Option<(u32, u32, u32)>,
    /// The page of WhatsApp Web.
    pub whatsappweb_url: String,
    /// The library by which it is worked; none: the one that is built in.
    pub wajs_path: Option<PathBuf>,
    /// The browser's program; none: it is looked for.
    pub browser_path: Option<PathBuf>,
    /// Its driver's; none: it is looked for.
    pub browser_driver_path: Option<PathBuf>,
    /// How many browsers may run at a time; none: as memory is free.
    pub browser_max: Option<usize>,
    /// Bytes that a browser may take.
    pub browser_memory: u64,
    /// Whether browsers are in their sandbox.
    pub browser_sandbox: bool,
    /// Whether an account's proxy may be at a private address.
    pub private_proxies: bool,
    /// The bucket that files are in; none: a folder.
    pub media_bucket: Option<Bucket>,
    /// What files are held to.
    pub media: MediaLimits,
    /// Whether files that come in are fetched at once.
    pub media_eager: bool,
    /// Whether a file that is named by its URL may be at a private address.
    pub private_media: bool,
    /// How long a gateway may take for one message.
    pub send_deadline: Duration,
    /// How long a gateway may take to connect.
    pub connect_deadline: Duration,
    /// How long a stop waits for messages in flight.
    pub shutdown_deadline: Duration,
    /// The two presets of limits.
    pub presets: Presets,
    /// Where the server's day starts.
    pub timezone: Tz,
    /// What is logged.
    pub log: String,
}

/// What files are held to.
#[derive(Debug, Clone, Copy)]
pub struct MediaLimits {
    /// How long one is kept.
    pub kept: Duration,
    /// Bytes of one.
    pub largest: u64,
    /// Bytes of all of a company.
    pub of_company: u64,
}

/// How to reach Redis.
#[derive(Clone)]
pub struct Redis {
    /// One URL, or a cluster's separated by commas.
    pub url: String,
    /// Whether it is a cluster.
    pub is_cluster: bool,
    /// What the keys start with.
    pub prefix: String,
}

impl Config {
    /// Reads the settings of this process.
    pub fn load() -> anyhow::Result<Self> {
        // What is no text does not pass for a setting, and is not told to whoever reads the error.
        let text = |word: OsString| word.to_string_lossy().into_owned();
        let env: Map<String, String> = std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect();
        let named = env.get("ANDANTE_CONFIG");
        let file = named.cloned().unwrap_or_else(|| FILE.to_owned());
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("can't read the settings file {file}")),
        };
        Self::read(&text, &env)
    }

    /// Reads settings from the text of a file and an environment.
    pub fn read(file: &str, env: &Map<String, String>) -> anyhow::Result<Self> {
        let from_file = File::from_str(file, FileFormat::Toml).collect().map_err(|error| not_toml(&error))?;
        for name in from_file.keys() {
            known(name, SETTINGS.iter().map(|setting| setting.name))?;
        }
        for name in env.keys().filter(|name| name.starts_with("ANDANTE_") && *name != "ANDANTE_CONFIG") {
            known(name, SETTINGS.iter().map(|setting| setting.env))?;
        }
        let mut builder = config::Config::builder();
        for setting in SETTINGS {
            builder = builder.set_default(setting.name, setting.default)?;
            if let Some(value) = from_file.get(setting.name) {
                builder = builder.set_override(setting.name, Value::clone(value))?;
            }
            if let Some(value) = env.get(setting.env) {
                builder = builder.set_override(setting.name, value.as_str())?;
            }
        }
        let raw: Raw = builder.build()?.try_deserialize().context("a setting has the wrong type")?;
        check(raw)
    }
}

/// Says where the file is not TOML, and not what is there: it may be a secret.
fn not_toml(error: &config::ConfigError) -> anyhow::Error {
    let said = error.to_string();
    anyhow!("the settings file is not TOML: {}", said.lines().next().unwrap_or_default())
}

/// Whether a public URL, if there is one, names this machine only.
fn is_here(public_url: &str) -> bool {
    let host = public_url.split_once("://").map_or(public_url, |(_, rest)| rest);
    host.is_empty() || is_loopback(host.split('/').next().unwrap_or_default())
}

/// Refuses a name that is not among `names`, with the nearest that is.
fn known(name: &str, names: impl Iterator<Item = &'static str> + Clone) -> anyhow::Result<()> {
    if names.clone().any(|known| known == name) {
        return Ok(());
    }
    let nearest = names.min_by_key(|known| strsim::damerau_levenshtein(known, name)).unwrap_or_default();
    bail!("there is no setting {name}; did you mean {nearest}?")
}

fn check(raw: Raw) -> anyhow::Result<Config> {
    let bind = raw
        .bind
        .to_socket_addrs()
        .ok()
        .and_then(|mut found| found.next())
        .ok_or_else(|| anyhow!("bind must be an address and a port such as 127.0.0.1:3000, not {:?}", raw.bind))?;
    let is_open = match raw.auth.as_str() {
        "" => bind.ip().is_loopback() && raw.api_key.is_empty() && !raw.behind_proxy && is_here(&raw.public_url),
        "open" => true,
        "required" => false,
        other => bail!("auth must be open or required, not {other:?}"),
    };
    ensure!(
        !is_open || bind.ip().is_loopback() || raw.allow_open,
        "refusing to start: auth is open, and {bind} can be reached from other machines, so anyone could send from your \
         accounts. Bind to 127.0.0.1, or set ANDANTE_AUTH=required, or, if something else guards the port, \
         ANDANTE_ALLOW_OPEN=true"
    );
    ensure!(
        raw.api_key.is_empty() || raw.api_key.len() >= 16,
        "ANDANTE_API_KEY must be a secret of at least 16 characters"
    );
    ensure!((1..=8_760).contains(&raw.login_hours), "login_hours must be from 1 to 8760, which is a year");
    ensure!(raw.stall_seconds > 0, "stall_seconds must be at least 1");
    let is_open_rate = raw.http_rate.is_empty() && is_open;
    let http_rate = match raw.http_rate.as_str() {
        "" => 100,
        rate => rate.parse().context("http_rate must be a whole number of requests a second")?,
    };
    let address_connections = match raw.address_connections.as_str() {
        "" => a_quarter_of_the_files(),
        most => most.parse().context("address_connections must be a whole number of connections")?,
    };
    ensure!((1..=36_500).contains(&raw.media_days), "media_days must be from 1 to 36500, which is a century");
    ensure!((1..=2_048).contains(&raw.media_max_mb), "media_max_mb must be from 1 to 2048");
    ensure!(
        (raw.media_max_mb..=1 << 40).contains(&raw.media_company_mb),
        "media_company_mb must be at least media_max_mb"
    );
    ensure!(raw.send_deadline_seconds > 0, "send_deadline_seconds must be at least 1");
    ensure!(raw.connect_deadline_seconds > 0, "connect_deadline_seconds must be at least 1");
    let quiet_hours = match raw.limits_quiet_hours.split_once('-') {
        None if raw.limits_quiet_hours.is_empty() => None,
        None => bail!("limits_quiet_hours must be two times such as 22:00-08:00"),
        Some((from, to)) => Some([from.to_owned(), to.to_owned()]),
    };
    let limited = Limits {
        per_minute: Some(raw.limits_per_minute),
        daily_limit_from: Some(raw.limits_daily_from),
        daily_limit_to: Some(raw.limits_daily_to),
        warmup_days: Some(raw.limits_warmup_days),
        delay_ms: Some(span("limits_delay_ms", &raw.limits_delay_ms)?),
        rest_after: Some(raw.limits_rest_after),
        rest_ms: Some(span("limits_rest_ms", &raw.limits_rest_ms)?),
        timezone: Some(raw.limits_timezone),
        quiet_hours,
        typing: Some(raw.limits_typing),
    };
    limited.check().context("the limits in the settings can't be")?;
    let unlimited =
        Limits { delay_ms: Some(span("unlimited_delay_ms", &raw.unlimited_delay_ms)?), ..Limits::default() };
    unlimited.check().context("the limits in the settings can't be")?;
    Ok(Config {
        bind,
        public_url: web_url("public_url", &raw.public_url)?,
        database_url: if raw.database_url.is_empty() {
            format!("sqlite://{}", raw.data_dir.join("andante.db").display())
        } else {
            raw.database_url
        },
        data_dir: raw.data_dir,
        seal: Seal::read(&raw.secret_key).map_err(|error| anyhow!("ANDANTE_SECRET_KEY {error}"))?,
        allow_readable: raw.allow_readable,
        redis: (!raw.redis_url.is_empty()).then_some(Redis {
            url: raw.redis_url,
            is_cluster: raw.redis_cluster,
            prefix: raw.redis_prefix,
        }),
        is_open,
        api_key: (!is_open && !raw.api_key.is_empty()).then_some(raw.api_key),
        registration: raw.registration,
        login: Duration::from_secs(u64::from(raw.login_hours) * 3600),
        login_rate: (raw.login_rate > 0).then_some(raw.login_rate),
        company_accounts: (raw.company_accounts > 0).then_some(raw.company_accounts),
        cors_origins: (raw.cors_origins != "*")
            .then(|| raw.cors_origins.split(',').map(|origin| origin.trim().to_owned()).collect()),
        hosts: raw.hosts.split(',').map(str::trim).filter(|host| !host.is_empty()).map(str::to_owned).collect(),
        http_rate: (http_rate > 0 && !is_open_rate).then_some(http_rate),
        behind_proxy: raw.behind_proxy,
        // There every connection is the proxy's.
        address_connections: (address_connections > 0 && !raw.behind_proxy).then_some(address_connections),
        address_streams: (raw.address_streams > 0).then_some(raw.address_streams),
        socket_connections: raw.socket_connections,
        socket_handshakes: (raw.socket_handshakes > 0).then_some(raw.socket_handshakes),
        stall: Duration::from_secs(raw.stall_seconds),
        instance_ports: ports(&raw.instance_ports)?,
        default_provider: raw.default_provider.parse().map_err(|_| {
            anyhow!(
                "default_provider must be whatsapp, whatsappweb, telegram or simulator, not {:?}",
                raw.default_provider
            )
        })?,
        phone_region: region(&raw.phone_region)?,
        telegram_api_url: web_url("telegram_api_url", &raw.telegram_api_url)?.unwrap_or_default(),
        whatsapp_url: web_url("whatsapp_url", &raw.whatsapp_url)?.unwrap_or_default(),
        whatsapp_version: version(&raw.whatsapp_version)?,
        whatsappweb_url: web_url("whatsappweb_url", &raw.whatsappweb_url)?.unwrap_or_default() + "/",
        wajs_path: path(raw.wajs_path),
        browser_path: path(raw.browser_path),
        browser_driver_path: path(raw.browser_driver_path),
        browser_max: match raw.browser_max.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| anyhow!("browser_max must be a whole number, not {text:?}"))?),
        },
        browser_memory: raw.browser_memory_mb.saturating_mul(1 << 20),
        browser_sandbox: raw.browser_sandbox,
        private_proxies: raw.private_proxies,
        media_bucket: bucket(
            &raw.media_url,
            &raw.media_endpoint,
            raw.media_region,
            raw.media_access_key,
            raw.media_secret_key,
        )?,
        media: MediaLimits {
            kept: Duration::from_secs(u64::from(raw.media_days) * 24 * 3600),
            largest: raw.media_max_mb << 20,
            of_company: raw.media_company_mb << 20,
        },
        media_eager: raw.media_eager,
        private_media: raw.private_media,
        send_deadline: Duration::from_secs(raw.send_deadline_seconds),
        connect_deadline: Duration::from_secs(raw.connect_deadline_seconds),
        shutdown_deadline: Duration::from_secs(raw.shutdown_seconds),
        timezone: limited.zone().context("the limits in the settings can't be")?,
        presets: Presets { limited, unlimited },
        log: raw.log,
    })
}

/// Half of the files that this process may open: the other half is for who connects.
#[must_use]
pub fn half_of_the_files() -> usize {
    let files = rlimit::Resource::NOFILE.get_soft().unwrap_or(u64::MAX);
    usize::try_from(files / 2).unwrap_or(usize::MAX)
}

/// A quarter of the files that this process may open, connections among them; at most 2000.
fn a_quarter_of_the_files() -> usize {
    let files = rlimit::Resource::NOFILE.get_soft().unwrap_or(u64::MAX);
    usize::try_from(files / 4).unwrap_or(usize::MAX).clamp(1, 2_000)
}

fn path(path: PathBuf) -> Option<PathBuf> {
    (!path.as_os_str().is_empty()).then_some(path)
}

/// A country that has phone numbers.
fn region(text: &str) -> anyhow::Result<Option<Region>> {
    if text.is_empty() {
        return Ok(None);
    }
    let region = crate::phone::region(text);
    region.map(Some).ok_or_else(|| anyhow!("ANDANTE_PHONE_REGION must be a country such as KZ, KG or RU, not {text:?}"))
}

/// A bucket, and how it is reached.
fn bucket(
    url: &str,
    endpoint: &str,
    region: String,
    access_key: String,
    secret_key: String,
) -> anyhow::Result<Option<Bucket>> {
    if url.is_empty() {
        return Ok(None);
    }
    let named = url.strip_prefix("s3://").map(|rest| rest.split_once('/').unwrap_or((rest, "")));
    let named = named.filter(|(name, _)| !name.is_empty());
    let (name, prefix) =
        named.ok_or_else(|| anyhow!("media_url must be s3://bucket or s3://bucket/prefix, not {url:?}"))?;
    ensure!(
        !access_key.is_empty() && !secret_key.is_empty(),
        "media_url needs ANDANTE_MEDIA_ACCESS_KEY and ANDANTE_MEDIA_SECRET_KEY"
    );
    let (name, prefix) = (name.to_owned(), prefix.trim_matches('/').to_owned());
    let endpoint = web_url("media_endpoint", endpoint)?;
    Ok(Some(Bucket { name, prefix, endpoint, region, access_key, secret_key }))
}

/// Two ports with a dash between.
fn ports(text: &str) -> anyhow::Result<Option<RangeInclusive<u16>>> {
    let read = || {
        let (first, last) = text.split_once('-')?;
        let (first, last): (u16, u16) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (0 < first && first <= last).then_some(first..=last)
    };
    match text {
        "" => Ok(None),
        _ => Ok(Some(read().ok_or_else(|| anyhow!("instance_ports must be ports such as 3001-7999, not {text:?}"))?)),
    }
}

/// Two numbers with a dash between.
fn span(name: &str, text: &str) -> anyhow::Result<[u64; 2]> {
    let read = || {
        let (min, max) = text.split_once('-')?;
        Some([min.trim().parse().ok()?, max.trim().parse().ok()?])
    };
    read().ok_or_else(|| anyhow!("{name} must be two numbers of milliseconds such as 3000-8000, not {text:?}"))
}

fn web_url(name: &str, text: &str) -> anyhow::Result<Option<String>> {
    ensure!(
        text.is_empty() || text.starts_with("http://") || text.starts_with("https://"),
        "{name} must start with http:// or https://, not {text:?}"
    );
    Ok((!text.is_empty()).then(|| text.trim_end_matches('/').to_owned()))
}

/// Three numbers with dots between them; none if there is nothing.
fn version(text: &str) -> anyhow::Result<Option<(u32, u32, u32)>> {
    if text.is_empty() {
        return Ok(None);
    }
    let numbers: Vec<u32> = text.split('.').map_while(|number| number.parse().ok()).collect();
    match numbers[..] {
        [first, second, third] if text.split('.').count() == 3 => Ok(Some((first, second, third))),
        _ => bail!("whatsapp_version must be three numbers, such as 2.3000.1035194821, not {text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str, env: &[(&str, &str)]) -> Result<Config, String> {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Config::read(file, &env).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn the_defaults_stand_alone_on_loopback_in_open_mode() {
        let config = read("", &[]).unwrap();
        assert_eq!(config.bind.to_string(), "127.0.0.1:3000");
        assert_eq!(config.database_url, "sqlite://./data/andante.db");
        assert!(config.is_open && config.redis.is_none() && config.http_rate.is_none());
        assert_eq!(config.presets.limited.per_minute, Some(20));
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
        let file = "bind = \"127.0.0.1:4000\"\nlimits_per_minute = 7\n";
        let config = read(file, &[("ANDANTE_BIND", "127.0.0.1:5000"), ("PATH", "/bin")]).unwrap();
        assert_eq!(config.bind.port(), 5000);
        assert_eq!(config.presets.limited.per_minute, Some(7));
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_nearest_one() {
        assert!(read("bnid = 1", &[]).err().unwrap().contains("did you mean bind?"));
        assert!(read("", &[("ANDANTE_API_KEYS", "x")]).err().unwrap().contains("did you mean ANDANTE_API_KEY?"));
    }

    #[test]
    fn open_mode_stays_on_loopback_unless_it_is_asked_for_by_name() {
        let everywhere = ("ANDANTE_BIND", "0.0.0.0:3000");
        assert!(read("", &[everywhere, ("ANDANTE_AUTH", "open")]).err().unwrap().contains("refusing to start"));
        let guarded = read("", &[everywhere]).unwrap();
        assert!(!guarded.is_open && guarded.api_key.is_none());
        assert!(read("", &[everywhere, ("ANDANTE_API_KEY", "short")]).err().unwrap().contains("16 characters"));
        let key = ("ANDANTE_API_KEY", "0123456789abcdef");
        assert_eq!(read("", &[everywhere, key]).unwrap().http_rate, Some(100));
        let asked_for = [everywhere, ("ANDANTE_AUTH", "open"), ("ANDANTE_ALLOW_OPEN", "true")];
        assert!(read("", &asked_for).unwrap().is_open);
        // Whoever stands before it lets others in.
        assert!(!read("", &[("ANDANTE_BEHIND_PROXY", "true")]).unwrap().is_open);
        assert!(!read("", &[("ANDANTE_PUBLIC_URL", "https://send.example.org")]).unwrap().is_open);
        assert!(read("", &[("ANDANTE_PUBLIC_URL", "http://localhost:8080")]).unwrap().is_open);
    }

    #[test]
    fn an_address_has_so_many_connections_unless_all_are_the_proxy_s() {
        assert!(read("", &[]).unwrap().address_connections.is_some_and(|most| (1..=2_000).contains(&most)));
        assert_eq!(read("", &[("ANDANTE_ADDRESS_CONNECTIONS", "7")]).unwrap().address_connections, Some(7));
        assert_eq!(read("", &[("ANDANTE_ADDRESS_CONNECTIONS", "0")]).unwrap().address_connections, None);
        assert_eq!(read("", &[("ANDANTE_BEHIND_PROXY", "true")]).unwrap().address_connections, None);
    }

    #[test]
    fn what_can_not_be_is_said_in_a_sentence() {
        for (name, value, said) in [
            ("ANDANTE_BIND", "nowhere", "bind must be"),
            ("ANDANTE_LIMITS_DELAY_MS", "9-1", "shortest is longer"),
            ("ANDANTE_LIMITS_DELAY_MS", "fast", "two numbers"),
            ("ANDANTE_LIMITS_TIMEZONE", "Mars/Olympus", "IANA"),
            ("ANDANTE_DEFAULT_PROVIDER", "icq", "whatsapp, whatsappweb, telegram or simulator"),
            ("ANDANTE_PUBLIC_URL", "example.org", "http://"),
            ("ANDANTE_HTTP_RATE", "many", "whole number"),
            ("ANDANTE_ADDRESS_CONNECTIONS", "many", "whole number"),
            ("ANDANTE_SHUTDOWN_SECONDS", "soon", "wrong type"),
            ("ANDANTE_INSTANCE_PORTS", "7999-3001", "ports such as"),
            ("ANDANTE_INSTANCE_PORTS", "0-70000", "ports such as"),
            ("ANDANTE_LOGIN_HOURS", "0", "login_hours"),
            ("ANDANTE_PHONE_REGION", "Kazakhstan", "ANDANTE_PHONE_REGION"),
            ("ANDANTE_SECRET_KEY", "a password", "openssl rand -base64 32"),
        ] {
            let error = read("", &[(name, value)]).err().unwrap();
            assert!(error.contains(said), "{name}={value}: {error}");
        }
    }

    #[test]
    fn the_secret_key_is_in_no_error() {
        let secret = "c2VjcmV0";
        for error in [
            read("", &[("ANDANTE_SECRET_KEY", secret)]),
            read(&format!("secret_key = \"{secret}"), &[]),
            read(&format!("secret_key = {secret}"), &[]),
            read(&format!("secret_key = [\"{secret}\"]"), &[]),
            read(&format!("secret_key = {{ key = \"{secret}\" }}"), &[]),
        ] {
            let error = error.err().unwrap();
            assert!(!error.contains(secret), "{error}");
        }
    }
}
