//! The command line: `serve` (the default), `user create`, `migrate`, `rekey`, `openapi`, `settings`.

use std::io::Write;
use std::process::ExitCode;

use andante::api::docs::Contract;
use andante::auth::login::{self, NewUser};
use andante::auth::password;
use andante::clock::Clock;
use andante::config::{Config, SETTINGS};
use andante::server::Server;
use andante::store::{Seal, Store};
use andante::telemetry;
use anyhow::{Context, anyhow, bail, ensure};
use clap::{Parser, Subcommand};
use entity::ids::CompanyId;
use tokio::signal::unix::{SignalKind, signal};
use utoipa::OpenApi;

/// Requests are allocated on one thread and freed on another (the group commit's), which is what
/// this allocator is good at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The version, and what holds for the binary.
const VERSION: &str = if cfg!(feature = "whatsapp") {
    concat!(
        env!("CARGO_PKG_VERSION"),
        "\nAndante's own code is under MIT or Apache-2.0. This binary has the gateway `whatsapp`, which carries code \
         under AGPL-3.0-only: its terms hold for the binary. Without: cargo build --release --no-default-features"
    )
} else {
    concat!(env!("CARGO_PKG_VERSION"), "\nUnder MIT or Apache-2.0. Without the gateway `whatsapp`.")
};

/// Sends messages at a humane pace. Settings: see `andante settings`.
#[derive(Parser)]
#[command(version = VERSION)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Start the server (the default).
    Serve,
    /// Look after users.
    #[command(subcommand)]
    User(UserCommand),
    /// Bring the database's schema up to date, and stop.
    Migrate,
    /// Encrypt accounts' secrets with another key than the present one (ANDANTE_SECRET_KEY), while
    /// no server runs. The new one is read from standard input; an empty line: decrypt for good.
    Rekey,
    /// Print the API's contract as OpenAPI 3.1.
    Openapi,
    /// Print every setting, its default and its meaning.
    Settings,
}

#[derive(Subcommand)]
enum UserCommand {
    /// Create a user. The password is read from standard input.
    Create {
        /// What the user signs in with.
        #[arg(long)]
        email: String,
        /// The company, by name; it is created unless it is there.
        #[arg(long, default_value = "default")]
        company: String,
        /// `admin` or `manager`.
        #[arg(long, default_value = "admin")]
        role: String,
        /// The first name.
        #[arg(long)]
        first_name: Option<String>,
        /// The last name.
        #[arg(long)]
        last_name: Option<String>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command.unwrap_or(Command::Serve)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say_error(&format!("andante: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Openapi => say(&Contract::openapi().to_pretty_json()?),
        Command::Settings => {
            for setting in SETTINGS {
                say(&format!(
                    "{} ({}), default \"{}\"\n    {}",
                    setting.env, setting.name, setting.default, setting.meaning
                ));
            }
        }
        Command::Serve => runtime()?.block_on(serve())?,
        Command::User(UserCommand::Create { email, company, role, first_name, last_name }) => {
            let role = role.parse().map_err(|_| anyhow!("--role must be admin or manager"))?;
            let mut password = String::new();
            std::io::stdin().read_line(&mut password).context("can't read the password from standard input")?;
            let password = password.trim_end_matches(['\r', '\n']).to_owned();
            let new = NewUser { email, password, first_name, last_name, role };
            runtime()?.block_on(create_user(&company, new))?;
        }
        Command::Migrate => runtime()?.block_on(async {
            open(&Config::load()?).await?.close().await;
            anyhow::Ok(())
        })?,
        Command::Rekey => {
            let mut line = String::new();
            let read = std::io::stdin().read_line(&mut line).context("can't read the new key from standard input")?;
            ensure!(read > 0, "there is no new key on standard input; an empty line decrypts for good");
            let new = Seal::read(&line).map_err(|error| anyhow!("the new key, read from standard input, {error}"))?;
            runtime()?.block_on(rekey(&new))?;
        }
    }
    Ok(())
}

async fn open(config: &Config) -> anyhow::Result<Store> {
    Store::open(&config.database_url, &config.seal, config.allow_readable).await
}

async fn rekey(new: &Seal) -> anyhow::Result<()> {
    let config = Config::load()?;
    let left = Store::rekey(&config.database_url, &config.seal, new, config.allow_readable).await?;
    say(if new.has_key() {
        "The secrets are encrypted with the new key. Set ANDANTE_SECRET_KEY to it before the next start, and keep it \
         where backups of the database are not: without it nobody can read the secrets, and the old key still opens \
         backups made until now."
    } else {
        "The secrets are not encrypted any more. Remove ANDANTE_SECRET_KEY before the next start."
    });
    if left > 0 {
        say(&format!("{left} secrets could not be decrypted with the old key, and were left as they are."));
    }
    Ok(())
}

async fn create_user(company: &str, new: NewUser) -> anyhow::Result<()> {
    ensure!(new.email.contains('@'), "--email must be an e-mail address");
    ensure!(
        password::LENGTH.contains(&new.password.chars().count()),
        "the password, read from standard input, must have 8 to 200 characters"
    );
    let store = open(&Config::load()?).await?;
    let (id, new_name) = match store.companies_named(company).await?.as_slice() {
        [] => (CompanyId::new(Clock::system().now(), &mut rand::rng()), Some(company.to_owned())),
        [one] => (one.id, None),
        _ => bail!("several companies are called {company:?}; sign in as an admin of the one you mean"),
    };
    let user = login::create(&store, Clock::system().now(), id, new_name, new).await?;
    store.close().await;
    say(&format!("Created the {} {} of the company {id}.", user.role, user.id));
    Ok(())
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    // Two TLS libraries' providers are linked; who does not choose gets this one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("can't start")
}

async fn serve() -> anyhow::Result<()> {
    // Before the settings, of which one goes by it. Where it may not be raised, it stays.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let config = Config::load()?;
    let logs = telemetry::start_log(&config.log)?;
    // Listened for before anything starts, so that no signal is lost.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let is_open = config.is_open;
    let server = Server::start(config, Clock::system(), logs).await?;
    greet(&server.app.board.public_url, server.address, is_open);
    let failed = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        what = server.failed() => Some(what),
    };
    say("Stopping: messages in flight finish first.");
    server.stop().await;
    match failed {
        Some(what) => bail!("{what} has ended, without which the server can't go on"),
        None => Ok(()),
    }
}

/// What a newcomer needs to see.
fn greet(url: &str, address: std::net::SocketAddr, is_open: bool) {
    let key = if is_open { "" } else { " \\\n    -H \"Authorization: Bearer $TOKEN\"" };
    say(&format!(
        "Andante listens on http://{address}

  Accounts and chats:  {url}/
  The API, browsable:  {url}/docs/
  Try it:
    curl -s {url}/api/accounts{key} \\
      -H 'Content-Type: application/json' -d '{{\"name\": \"My first account\", \"provider\": \"simulator\"}}'
  then open the qrUrl of the answer in a browser."
    ));
}

/// A reader that is gone is no reason to end.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn say_error(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
