//! `/api/templates`: texts that a company sends often, with `{{name}}` where something is filled in.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, Responder};
use entity::ids::TemplateId;
use entity::template::{ActiveModel, Model};
use garde::Validate;
use sea_orm::ActiveValue::Set;
use serde::{Deserialize, Serialize};

use super::accounts::Done;
use super::json::id;
use super::list::{Listed, PageQuery};
use super::read::{Body, Query};
use super::wrong::{self, check};
use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::store::template::TemplateError;
use crate::template::names;
use crate::view::Timestamp;

/// A template as the API shows it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Template)]
pub struct TemplateView {
    id: TemplateId,
    name: String,
    text: String,
    /// The names of its places, each once, in the order in which they come.
    variables: Vec<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Model> for TemplateView {
    fn from(row: Model) -> Self {
        let variables = names(&row.text).unwrap_or_default().into_iter().map(str::to_owned).collect();
        Self {
            id: row.id,
            name: row.name,
            variables,
            text: row.text,
            created_at: Timestamp::ms(row.created_at_ms),
            updated_at: Timestamp::ms(row.updated_at_ms),
        }
    }
}

impl From<TemplateError> for ApiError {
    fn from(error: TemplateError) -> Self {
        let conflict = |code| Self::Conflict { code, message: error.to_string() };
        match error {
            TemplateError::NameTaken => conflict("template_exists"),
            TemplateError::TooMany => conflict("template_limit"),
            TemplateError::Store(error) => error.into(),
        }
    }
}

/// The company's templates, by name. For who may send from one of its accounts.
#[utoipa::path(get, path = "/api/templates", tag = "messages", params(PageQuery),
    responses((status = 200, body = Listed<TemplateView>), ApiError))]
pub async fn list(caller: Caller, app: Data<App>, page: Query<PageQuery>) -> Result<impl Responder, ApiError> {
    let part = page.0.read()?;
    caller.check_any()?;
    let all = app.store.templates(caller.company).await?;
    let total = all.len() as u64;
    let skipped = usize::try_from(part.offset).unwrap_or(usize::MAX);
    let most = usize::try_from(part.limit).unwrap_or(usize::MAX);
    let data = all.into_iter().skip(skipped).take(most).map(TemplateView::from).collect();
    Ok(Json(part.list(data, total)))
}

/// A template to be made.
#[derive(Debug, Deserialize, Validate, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewTemplate {
    /// What people call it: one of that name in a company.
    #[garde(custom(wrong::text(1..=100)))]
    #[schema(min_length = 1, max_length = 100, example = "Reminder")]
    name: String,
    /// The text, with `{{name}}` where something is filled in.
    #[garde(custom(wrong::text(1..=4_096)))]
    #[schema(min_length = 1, max_length = 4096, example = "Hello {{name}}, see you at {{time}}.")]
    text: String,
}

fn check_places(text: &str) -> Result<(), ApiError> {
    names(text).map(drop).map_err(|error| ApiError::field("text", error.to_string()))
}

/// Makes a template.
#[utoipa::path(post, path = "/api/templates", tag = "messages", request_body = NewTemplate,
    responses((status = 201, body = TemplateView), ApiError))]
pub async fn create(caller: Caller, app: Data<App>, body: Body<NewTemplate>) -> Result<impl Responder, ApiError> {
    let asked = body.0;
    check(&asked)?;
    check_places(&asked.text)?;
    let now = app.clock.now();
    let row = Model {
        id: TemplateId::new(now, &mut rand::rng()),
        company_id: caller.company,
        name: asked.name.trim().to_owned(),
        text: asked.text,
        created_at_ms: now.timestamp_millis(),
        updated_at_ms: now.timestamp_millis(),
    };
    app.store.create_template(row.clone()).await?;
    Ok(HttpResponse::Created().json(TemplateView::from(row)))
}

/// What may be changed of a template; what is absent stays.
#[derive(Debug, Deserialize, Validate, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateChange {
    /// What people call it.
    #[garde(inner(custom(wrong::text(1..=100))))]
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
    /// The text.
    #[garde(inner(custom(wrong::text(1..=4_096))))]
    #[schema(min_length = 1, max_length = 4096)]
    text: Option<String>,
}

/// Changes a template. Messages that were accepted stay as they are.
#[utoipa::path(put, path = "/api/templates/{id}", tag = "messages", params(("id" = TemplateId, Path)),
    request_body = TemplateChange, responses((status = 200, body = TemplateView), ApiError))]
pub async fn change(
    caller: Caller,
    app: Data<App>,
    path: Path<String>,
    body: Body<TemplateChange>,
) -> Result<impl Responder, ApiError> {
    let asked = body.0;
    check(&asked)?;
    asked.text.as_deref().map_or(Ok(()), check_places)?;
    let id: TemplateId = id(&path, "template")?;
    app.store.find_template(caller.company, id).await?.ok_or(ApiError::NotFound("template"))?;
    let mut row = ActiveModel { id: Set(id), ..Default::default() };
    row.updated_at_ms = Set(app.clock.now().timestamp_millis());
    if let Some(name) = asked.name {
        row.name = Set(name.trim().to_owned());
    }
    if let Some(text) = asked.text {
        row.text = Set(text);
    }
    let row = app.store.change_template(row).await?.ok_or(ApiError::NotFound("template"))?;
    Ok(Json(TemplateView::from(row)))
}

/// Removes a template. Messages that were accepted stay as they are.
#[utoipa::path(delete, path = "/api/templates/{id}", tag = "messages", params(("id" = TemplateId, Path)),
    responses((status = 200, body = Done), ApiError))]
pub async fn remove(caller: Caller, app: Data<App>, path: Path<String>) -> Result<impl Responder, ApiError> {
    let id: TemplateId = id(&path, "template")?;
    if !app.store.remove_template(caller.company, id).await? {
        return Err(ApiError::NotFound("template"));
    }
    Ok(Json(Done::new("the template is removed")))
}
