//! Accounts are created and removed: the same in every dialect.

use std::sync::Arc;

use entity::account::Provider;
use entity::action::Deed;
use entity::api_key::Scope;
use entity::ids::AccountId;
use garde::Validate;
use serde::Deserialize;
use serde_json::{Value, json};

use super::actions::{done_by, note};
use super::keys::draw;
use super::read::object;
use super::wrong::{check, text};
use crate::app::App;
use crate::auth::Caller;
use crate::egress::Egress;
use crate::error::ApiError;
use crate::gateway::{check_config, check_proxy};
use crate::lane::change::NotConnected;
use crate::logs::step;
use crate::pacing::{Limits, Policy};
use crate::ports::Taken;
use crate::store::account::Account;

/// What an account is created with.
#[derive(Debug, Deserialize, Validate, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewAccount {
    /// What people call it.
    #[garde(custom(text(1..=200)))]
    #[schema(min_length = 1, max_length = 200, example = "My WhatsApp Account")]
    pub(super) name: String,
    /// True for new accounts, false for warmed-up ones; true unless said.
    #[garde(skip)]
    pub(super) use_limits: Option<bool>,
    /// Its messenger; unless said, the server's default.
    #[garde(skip)]
    pub(super) provider: Option<String>,
    /// Numbers that differ from the preset.
    #[garde(skip)]
    #[serde(default, deserialize_with = "object")]
    pub(super) limits: Option<Limits>,
    /// An `http`, `https`, `socks5` or `socks5h` proxy for its connection; a simulated account takes none.
    #[garde(inner(custom(text(0..=500))))]
    pub(super) proxy: Option<String>,
    /// What its messenger needs: `{"token": "…"}` for a Telegram bot.
    #[garde(skip)]
    #[schema(value_type = Option<Object>)]
    pub(super) config: Option<Value>,
}

/// What people call the key that an instance has of its own.
pub(super) const OWN_KEY: &str = "instance";

/// Checks what an account of this provider is to have.
pub(super) fn check_settings(
    app: &App,
    provider: Provider,
    config: Option<&Value>,
    proxy: Option<&str>,
) -> Result<(), ApiError> {
    check_config(provider, config, app.config.is_open, &app.browsers)
        .map_err(|bad| ApiError::field(bad.field, bad.message))?;
    if config.is_some_and(|config| config.to_string().contains("\\u0000")) {
        return Err(ApiError::field("config", "must not contain a NUL character"));
    }
    let Some(proxy) = proxy else { return Ok(()) };
    check_proxy(provider, proxy, Egress::new(app.config.private_proxies)).map_err(|why| ApiError::field("proxy", why))
}

/// What an account is created as, beside what it is created with.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// Whose it is to the program that creates it.
    pub(super) user_id: Option<String>,
    /// What kinds of instance it is to that program, as a JSON list.
    pub(super) type_instance: Option<String>,
    /// Whether it is an instance: with a key of its own, and not without a port where accounts have some.
    pub(super) is_instance: bool,
    /// Whether it starts to connect.
    pub(super) connects: bool,
}

/// Creates an account, if the company may have one more; answers it, and its key if it is an instance. All
/// of it is written together, or nothing: who is told that it failed has nothing to clear up.
pub(super) async fn open(
    app: &App,
    caller: &Caller,
    asked: NewAccount,
    named: Named,
) -> Result<(Arc<Account>, Option<String>), ApiError> {
    check(&asked)?;
    let provider = match &asked.provider {
        None => app.config.default_provider,
        Some(name) => name
            .parse()
            .map_err(|_| ApiError::field("provider", "must be whatsapp, whatsappweb, telegram or simulator"))?,
    };
    check_settings(app, provider, asked.config.as_ref(), asked.proxy.as_deref())?;
    let limits = asked.limits.unwrap_or_default();
    Policy::new(&app.config.presets, asked.use_limits.unwrap_or(true), &limits, None)?;
    let most = app.config.company_accounts;
    let too_many = || ApiError::from(NotConnected::TooMany(most.unwrap_or_default()));
    if most.is_some() && Some(app.store.count_accounts_in_use(caller.company).await?) >= most {
        return Err(too_many());
    }
    let port = free_port(app).await?;
    if port.is_none() && named.is_instance && app.ports.range().is_some() {
        let message = "no port of ANDANTE_INSTANCE_PORTS is left".to_owned();
        return Err(ApiError::Conflict { code: "no_free_port", message });
    }
    let now = app.clock.now();
    let id = AccountId::new(now, &mut rand::rng());
    let number = port.as_ref().map(|port| port.number);
    let details = json!({"name": asked.name, "provider": provider, "port": number});
    let by = done_by(caller, id, Deed::Created, details);
    // Where no credentials are asked for, none is made: who made one would keep it.
    let has_key = named.is_instance && !app.guard.is_open();
    let key = has_key.then(|| draw(app, caller, OWN_KEY.to_owned(), Scope::Send, Some(id)));
    let (row, key) = key.unzip();
    let model = entity::account::Model {
        id,
        company_id: caller.company,
        created_by: caller.user().map(|user| user.id),
        user_id: named.user_id,
        type_instance: named.type_instance,
        port: number.map(i32::from),
        name: asked.name,
        provider,
        use_limits: asked.use_limits.unwrap_or(true),
        limits: write_limits(&limits),
        proxy: asked.proxy,
        config: asked.config.map(|config| config.to_string()),
        pairing: None,
        phone_number: None,
        display_name: None,
        should_connect: named.connects,
        may_pair: true,
        is_paused: false,
        pause_reason: None,
        epoch: 0,
        error_code: None,
        error_message: None,
        error_at_ms: None,
        first_connected_at_ms: None,
        connected_at_ms: None,
        restricted_until_ms: None,
        created_at_ms: now.timestamp_millis(),
        updated_at_ms: now.timestamp_millis(),
    };
    // Another one may have been faster.
    let account = app.store.create_account(model, row, by, most).await?.ok_or_else(too_many)?;
    if let Some(port) = port {
        port.give(id);
    }
    step!(info, id, "the account is created", %provider);
    if account.should_connect {
        app.lanes.take_on(&account);
    }
    app.accounts.changed(&account);
    Ok((account, key))
}

/// A port that no account has, here or on another node, if accounts have ports of their own.
async fn free_port(app: &App) -> Result<Option<Taken>, ApiError> {
    // Held meanwhile, so that none is looked at twice.
    let mut others = Vec::new();
    let full = |error: std::io::Error| {
        tracing::error!(%error, "no port can be opened");
        ApiError::Unavailable("the server can't open a port now; try again")
    };
    while let Some(port) = app.ports.take().map_err(full)? {
        if !app.store.has_port(port.number).await? {
            return Ok(Some(port));
        }
        others.push(port);
    }
    Ok(None)
}

/// Removes an account, with all that is its own. Answers whether its messenger was told that, if there is
/// anything to tell.
pub(super) async fn close(app: &App, caller: &Caller, account: &Account) -> Result<bool, ApiError> {
    let is_told = app.lanes.remove(account).await?;
    app.ports.close(account.id);
    note(app, caller, account.id, Deed::Removed, json!({"name": account.name})).await;
    app.logs.forget(account.id);
    Ok(is_told)
}

pub(super) fn write_limits(limits: &Limits) -> Option<String> {
    (*limits != Limits::default()).then(|| serde_json::to_string(limits).ok()).flatten()
}
