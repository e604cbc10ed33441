//! The command line: `serve` (the default), `migrate`, `openapi`.

use std::process::ExitCode;

use andante::api::docs::Contract;
use andante::app::Running;
use andante::clock::Clock;
use andante::config::{Config, SETTINGS};
use andante::store::Store;
use andante::telemetry;
use anyhow::Context;
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use utoipa::OpenApi;

/// Requests are allocated on one thread and freed on another (the group commit's), which is what
/// this allocator is good at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sends messages at a humane pace. Settings: see `andante settings`.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Start the server (the default).
    Serve,
    /// Bring the database's schema up to date, and stop.
    Migrate,
    /// Print the API's contract as OpenAPI 3.1.
    Openapi,
    /// Print every setting, its default and its meaning.
    Settings,
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
        Command::Migrate => runtime()?.block_on(async {
            Store::open(&Config::load()?.database_url).await?.close().await;
            anyhow::Ok(())
        })?,
    }
    Ok(())
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    // Two TLS libraries' providers are linked; who does not choose gets this one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("can't start")
}

async fn serve() -> anyhow::Result<()> {
    let config = Config::load()?;
    telemetry::start_log(&config.log)?;
    // Listened for before anything starts, so that no signal is lost.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let is_open = config.api_key.is_none();
    let running = Running::start(config, Clock::system()).await?;
    greet(&running.app.public_url, running.address, is_open);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    say("Stopping: messages in flight finish first.");
    running.stop().await;
    Ok(())
}

/// What a newcomer needs to see.
fn greet(url: &str, address: std::net::SocketAddr, is_open: bool) {
    let key = if is_open { "" } else { " \\\n    -H \"Authorization: Bearer $ANDANTE_API_KEY\"" };
    say(&format!(
        "Andante listens on http://{address}

  The API, browsable:  {url}/docs/
  Try it:
    curl -s {url}/api/accounts{key} \\
      -H 'Content-Type: application/json' -d '{{\"name\": \"My first account\"}}'
  then open the qrUrl of the answer in a browser."
    ));
}

#[expect(clippy::print_stdout, reason = "a command line speaks")]
fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "a command line complains")]
fn say_error(text: &str) {
    eprintln!("{text}");
}
