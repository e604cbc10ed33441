//! `/api/whatsapp/sessions`: a company's accounts, as sessions.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, Responder};
use entity::action::Deed;
use entity::ids::{AccountId, CompanyId, UserId};
use entity::user;
use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Wrapped, WrappedPage};
use crate::api::accounts::{Done, find};
use crate::api::actions::note;
use crate::api::create::{self, Named, NewAccount};
use crate::api::list::PageQuery;
use crate::api::read::{OptionalBody, Query};
use crate::api::wrong::{check, text};
use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::gateway::Pairing;
use crate::gateway::sessions::Status;
use crate::store::account::Account;
use crate::view::Timestamp;

/// What a session is created with; nothing is needed.
#[derive(Debug, Default, Deserialize, Validate, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NewSession {
    /// What people call it.
    #[garde(inner(custom(text(1..=200))))]
    #[schema(min_length = 1, max_length = 200, example = "Main WhatsApp")]
    display_name: Option<String>,
    /// Its messenger; unless said, the server's default.
    #[garde(skip)]
    provider: Option<String>,
    /// True for new accounts, false for warmed-up ones; true unless said.
    #[garde(skip)]
    use_limits: Option<bool>,
    /// What its messenger needs.
    #[garde(skip)]
    #[schema(value_type = Option<Object>)]
    config: Option<Value>,
}

/// What a session is called that nobody named.
const UNNAMED: &str = "WhatsApp";

/// A session that was created.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedSession {
    session_id: AccountId,
    display_name: String,
    company_id: CompanyId,
    /// The person who created it; of one that a program made, the company's first admin; else the
    /// operator.
    admin_id: UserId,
    /// Whether it should be connected.
    is_active: bool,
    is_connected: bool,
    /// The code to scan as a `data:image/png` URL, while there is one.
    qr_code: Option<String>,
    created_at: Timestamp,
}

/// Creates a session, and starts to connect it.
#[utoipa::path(post, path = "/api/whatsapp/sessions", tag = "sessions", request_body = Option<NewSession>,
    responses((status = 201, body = Wrapped<CreatedSession>), ApiError))]
pub async fn create(
    caller: Caller,
    app: Data<App>,
    body: OptionalBody<NewSession>,
) -> Result<impl Responder, ApiError> {
    let asked = body.0;
    check(&asked)?;
    let new = NewAccount {
        name: asked.display_name.unwrap_or_else(|| UNNAMED.to_owned()),
        use_limits: asked.use_limits,
        provider: asked.provider,
        limits: None,
        proxy: None,
        config: asked.config,
    };
    let named = Named { connects: true, ..Named::default() };
    let (account, _) = create::open(&app, &caller, new, named).await?;
    Ok(HttpResponse::Created().json(Wrapped::new(CreatedSession::of(&app, &account).await?)))
}

/// Connects a session that exists: goes on where it was paired, or pairs it.
#[utoipa::path(post, path = "/api/whatsapp/sessions/{id}/connect", tag = "sessions", params(("id" = AccountId, Path)),
    responses((status = 200, body = Wrapped<CreatedSession>), ApiError))]
pub async fn connect(caller: Caller, app: Data<App>, id: Path<String>) -> Result<impl Responder, ApiError> {
    let account = find(&app, &caller, &id).await?;
    let account = app.lanes.connect(account.id, Pairing::Qr).await?;
    note(&app, &caller, account.id, Deed::Connected, Value::Null).await;
    Ok(Json(Wrapped::new(CreatedSession::of(&app, &account).await?)))
}

impl CreatedSession {
    async fn of(app: &App, account: &Account) -> Result<Self, ApiError> {
        let admins = Admins::of(app, account.company_id, &[account]).await?;
        Ok(Self {
            session_id: account.id,
            display_name: account.name.clone(),
            company_id: account.company_id,
            admin_id: admins.find(account).map_or(UserId::OPERATOR, |admin| admin.id),
            is_active: account.should_connect,
            is_connected: app.sessions.status(account.id) == Status::Connected,
            qr_code: present_code(app, account.id).await,
            created_at: Timestamp::ms(account.created_at_ms),
        })
    }
}

/// Who answers for sessions: who made each, or the company's first admin.
struct Admins {
    makers: Vec<user::Model>,
    first: Option<user::Model>,
}

impl Admins {
    async fn of(app: &App, company: CompanyId, accounts: &[&Account]) -> Result<Self, ApiError> {
        let makers: Vec<UserId> = accounts.iter().filter_map(|account| account.created_by).collect();
        let makers = if makers.is_empty() { Vec::new() } else { app.store.users(company, &makers).await? };
        let is_made = |account: &&Account| makers.iter().any(|user| Some(user.id) == account.created_by);
        let first = if accounts.iter().all(is_made) { None } else { app.store.first_admin(company).await? };
        Ok(Self { makers, first })
    }

    fn find(&self, account: &Account) -> Option<&user::Model> {
        self.makers.iter().find(|user| Some(user.id) == account.created_by).or(self.first.as_ref())
    }
}

async fn present_code(app: &App, account: AccountId) -> Option<String> {
    let now = app.clock.now();
    let code = app.sessions.snapshot(account).code.filter(|code| code.expires_at > now)?;
    code.data_url().await.as_deref().map(str::to_owned)
}

/// A session as a list shows it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Session)]
pub struct SessionView {
    id: AccountId,
    display_name: String,
    /// `+` and digits, once paired.
    #[schema(example = "+77079856339")]
    phone_number: Option<String>,
    /// Whether it should be connected.
    is_active: bool,
    is_connected: bool,
    /// When the messenger last answered.
    last_seen: Option<Timestamp>,
    /// The person who created it; of one that a program made, the company's first admin; else the
    /// operator.
    admin: AdminView,
    created_at: Timestamp,
    #[serde(rename = "_count")]
    count: SessionCount,
}

/// The person who created a session.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminView {
    first_name: Option<String>,
    last_name: Option<String>,
    email: String,
}

impl From<&user::Model> for AdminView {
    fn from(user: &user::Model) -> Self {
        let user::Model { first_name, last_name, email, .. } = user.clone();
        Self { first_name, last_name, email }
    }
}

impl AdminView {
    /// Whom a server without users belongs to.
    fn operator() -> Self {
        let (first_name, last_name) = (Some("Operator".to_owned()), Some(String::new()));
        Self { first_name, last_name, email: "operator@localhost".to_owned() }
    }
}

/// How much a session has.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SessionCount {
    chats: u64,
    /// In its chats, in both directions.
    messages: u64,
}

/// The company's sessions, oldest first; a manager's, those granted.
#[utoipa::path(get, path = "/api/whatsapp/sessions", tag = "sessions", params(PageQuery),
    responses((status = 200, body = WrappedPage<SessionView>), ApiError))]
pub async fn list(caller: Caller, app: Data<App>, page: Query<PageQuery>) -> Result<impl Responder, ApiError> {
    let part = page.0.read()?;
    let (accounts, total) = app.store.list_accounts(caller.company, caller.visible(), part.offset, part.limit).await?;
    let ids: Vec<AccountId> = accounts.iter().map(|account| account.id).collect();
    let counts = app.store.count_chats(&ids).await?;
    let admins = Admins::of(&app, caller.company, &accounts.iter().collect::<Vec<_>>()).await?;
    let view = |account: &Account| {
        let (chats, messages) = counts.get(&account.id).copied().unwrap_or_default();
        SessionView::of(&app, account, &admins, SessionCount { chats, messages })
    };
    Ok(Json(WrappedPage::from(part.list(accounts.iter().map(view).collect(), total))))
}

impl SessionView {
    fn of(app: &App, account: &Account, admins: &Admins, count: SessionCount) -> Self {
        let session = app.sessions.snapshot(account.id);
        Self {
            id: account.id,
            display_name: account.name.clone(),
            phone_number: account.phone_number.as_ref().map(|digits| format!("+{digits}")),
            is_active: account.should_connect,
            is_connected: session.status == Status::Connected,
            last_seen: session.last_alive_at.map(Timestamp).or(account.connected_at_ms.map(Timestamp::ms)),
            admin: admins.find(account).map_or_else(AdminView::operator, AdminView::from),
            created_at: Timestamp::ms(account.created_at_ms),
            count,
        }
    }
}

/// The code to scan.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionQr {
    /// A `data:image/png` URL; null while there is none.
    qr_code: Option<String>,
    /// Where the connection stands.
    status: Status,
}

/// The code that pairs the session now, if there is one. Where the last one ran out, another follows.
#[utoipa::path(get, path = "/api/whatsapp/sessions/{id}/qr", tag = "sessions", params(("id" = AccountId, Path)),
    responses((status = 200, body = Wrapped<SessionQr>), ApiError))]
pub async fn qr(caller: Caller, app: Data<App>, id: Path<String>) -> Result<impl Responder, ApiError> {
    let account = find(&app, &caller, &id).await?;
    renew(&app, &account).await?;
    let qr_code = present_code(&app, account.id).await;
    Ok(Json(Wrapped::new(SessionQr { qr_code, status: app.sessions.status(account.id) })))
}

/// Starts to pair an account again whose codes ran out, or that was disconnected before it was
/// paired: who asks for its code wants one. One that was never connected, or that somebody logged
/// out, waits to be connected.
async fn renew(app: &App, account: &Account) -> Result<(), ApiError> {
    let is_idle = app.sessions.status(account.id) == Status::Disconnected;
    if !is_idle || account.pairing.is_some() || !account.may_pair || account.epoch == 0 {
        return Ok(());
    }
    let (lanes, id) = (app.lanes.clone(), account.id);
    // To its end, whoever still listens.
    let connect = app.tasks.track_future(async move { lanes.connect(id, Pairing::Qr).await });
    actix_web::rt::spawn(connect).await.map_err(|error| ApiError::Internal(error.into()))??;
    Ok(())
}

/// Disconnects a session; its pairing stays.
#[utoipa::path(post, path = "/api/whatsapp/sessions/{id}/disconnect", tag = "sessions", params(("id" = AccountId, Path)),
    responses((status = 200, body = Done), ApiError))]
pub async fn disconnect(caller: Caller, app: Data<App>, id: Path<String>) -> Result<impl Responder, ApiError> {
    let account = find(&app, &caller, &id).await?;
    app.lanes.disconnect(account.id, false).await?.ok_or(ApiError::NotFound("account"))?;
    note(&app, &caller, account.id, Deed::Disconnected, Value::Null).await;
    Ok(Json(Done::new("the session is disconnected")))
}

/// Cancels what is queued, logs the session out and removes it.
#[utoipa::path(delete, path = "/api/whatsapp/sessions/{id}", tag = "sessions", params(("id" = AccountId, Path)),
    responses((status = 200, body = Done), ApiError))]
pub async fn remove(caller: Caller, app: Data<App>, id: Path<String>) -> Result<impl Responder, ApiError> {
    let account = find(&app, &caller, &id).await?;
    create::close(&app, &caller, &account).await?;
    Ok(Json(Done::new("the session is removed")))
}
