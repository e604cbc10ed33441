//! Companies, their people, and what logins are signed with.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::company;
use entity::ids::{CompanyId, LoginId, UserId};
use entity::user::{ActiveModel, Column, Entity, Model, Role};
use rand::{Rng, RngExt};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, Select, SqlErr,
};

use super::{Store, StoreError, instant, secrets};

/// Users of one address who are told apart by their passwords.
const SAME_ADDRESS: u64 = 8;

/// What logins are signed with.
#[derive(Clone)]
pub struct SigningKey {
    /// Its number, which tokens name.
    pub id: i64,
    /// 64 random characters.
    pub secret: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

impl SigningKey {
    /// A new one.
    pub fn draw(now: DateTime<Utc>, rng: &mut impl Rng) -> Self {
        let secret = (0..64).map(|_| char::from(b"0123456789abcdef"[rng.random_range(0..16)])).collect();
        Self { id: rng.random_range(1..i64::MAX), secret, created_at: now }
    }
}

/// What became of a change.
enum Changed {
    Done(Model),
    Gone,
    EmailTaken,
    Outdated,
}

fn of_company(email: &str, company: CompanyId) -> Select<Entity> {
    Entity::find().filter(Column::Email.eq(email)).filter(Column::CompanyId.eq(company))
}

/// Why a user was not written. There are three reactions.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// Somebody has that address.
    #[error("there is a user with that address")]
    EmailTaken,
    /// Somebody else changed the user meanwhile.
    #[error("the user was changed meanwhile")]
    Outdated,
    /// See there.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for UserError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Broken(cause) if matches!(cause.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
                Self::EmailTaken
            }
            _ => Self::Store(error),
        }
    }
}

impl Store {
    /// Creates a company, if it is new, and a user of it: with an address that no user of the company
    /// has, or, in a new one, nobody at all.
    pub async fn create_user(&self, new_company: Option<company::Model>, user: Model) -> Result<Model, UserError> {
        let create = self.change(move |tx| {
            let (company, user) = (new_company.clone(), user.clone());
            Box::pin(async move {
                // Looked for first: a refusal by the index would take others' writes along.
                let same = match company {
                    None => of_company(&user.email, user.company_id),
                    Some(_) => Entity::find().filter(Column::Email.eq(&user.email)),
                };
                if same.one(tx).await?.is_some() {
                    return Ok(None);
                }
                if let Some(company) = company {
                    company.into_active_model().reset_all().insert(tx).await?;
                }
                user.into_active_model().reset_all().insert(tx).await.map(Some)
            })
        });
        create.await?.ok_or(UserError::EmailTaken)
    }

    /// The company.
    pub async fn company(&self, id: CompanyId) -> Result<Option<company::Model>, StoreError> {
        Ok(company::Entity::find_by_id(id).one(&self.reader).await?)
    }

    /// Companies of that name: two at most.
    pub async fn companies_named(&self, name: &str) -> Result<Vec<company::Model>, StoreError> {
        let named = company::Entity::find().filter(company::Column::Name.eq(name)).limit(2);
        Ok(named.all(&self.reader).await?)
    }

    /// Whether a user has that address, in lower case: any, or one of the company.
    pub async fn is_email_taken(&self, email: &str, company: Option<CompanyId>) -> Result<bool, StoreError> {
        Ok(!self.users_by_email(email, company).await?.is_empty())
    }

    /// The users with that address, in lower case, of all companies or of one: eight at most, those
    /// who had it first.
    pub async fn users_by_email(&self, email: &str, company: Option<CompanyId>) -> Result<Vec<Model>, StoreError> {
        let mut same = Entity::find().filter(Column::Email.eq(email));
        if let Some(company) = company {
            same = same.filter(Column::CompanyId.eq(company));
        }
        Ok(same.order_by_asc(Column::Id).limit(SAME_ADDRESS).all(&self.reader).await?)
    }

    /// The company's admin who was there first.
    pub async fn first_admin(&self, company: CompanyId) -> Result<Option<Model>, StoreError> {
        let admins = Entity::find().filter(Column::CompanyId.eq(company)).filter(Column::Role.eq(Role::Admin.as_str()));
        Ok(admins.order_by_asc(Column::Id).one(&self.reader).await?)
    }

    /// The user, if the login has not been ended.
    pub async fn user_of_login(&self, user: UserId, login: LoginId) -> Result<Option<Model>, StoreError> {
        let sql = "SELECT 1 FROM ended_login WHERE id = $1";
        if self.reader.query_one_raw(self.sql(sql, [login.into()])).await?.is_some() {
            return Ok(None);
        }
        Ok(Entity::find_by_id(user).one(&self.reader).await?)
    }

    /// Users by id.
    pub async fn users(&self, company: CompanyId, ids: &[UserId]) -> Result<Vec<Model>, StoreError> {
        let found = Entity::find().filter(Column::CompanyId.eq(company)).filter(Column::Id.is_in(ids.iter().copied()));
        Ok(found.all(&self.reader).await?)
    }

    /// The company's manager.
    pub async fn find_manager(&self, company: CompanyId, id: UserId) -> Result<Option<Model>, StoreError> {
        let manager = Entity::find_by_id(id).filter(Column::CompanyId.eq(company)).filter(Column::Role.eq("manager"));
        Ok(manager.one(&self.reader).await?)
    }

    /// A page of the company's managers, oldest first, and how many there are.
    pub async fn list_managers(
        &self,
        company: CompanyId,
        offset: u64,
        limit: u64,
    ) -> Result<(Vec<Model>, u64), StoreError> {
        let all = Entity::find().filter(Column::CompanyId.eq(company)).filter(Column::Role.eq(Role::Manager.as_str()));
        let total = all.clone().count(&self.reader).await?;
        Ok((all.order_by_asc(Column::Id).offset(offset).limit(limit).all(&self.reader).await?, total))
    }

    /// Changes a user, as it is in the very transaction: what somebody else changed meanwhile is
    /// seen by `change`, which says whether it still may. `None` if the user is gone.
    pub async fn change_user(
        &self,
        id: UserId,
        change: impl Fn(&Model, &mut ActiveModel) -> bool + Send + Sync + 'static,
    ) -> Result<Option<Model>, UserError> {
        let change = Arc::new(change);
        let changed = self.change(move |tx| {
            let change = change.clone();
            Box::pin(async move {
                let Some(now) = Entity::find_by_id(id).lock_exclusive().one(tx).await? else {
                    return Ok(Changed::Gone);
                };
                let mut row = ActiveModel { id: Set(id), ..Default::default() };
                if !change(&now, &mut row) {
                    return Ok(Changed::Outdated);
                }
                // Looked for first: a refusal by the index would take others' writes along.
                if let Set(email) = &row.email
                    && *email != now.email
                    && of_company(email, now.company_id).one(tx).await?.is_some()
                {
                    return Ok(Changed::EmailTaken);
                }
                row.update(tx).await.map(Changed::Done)
            })
        });
        match changed.await? {
            Changed::Done(user) => Ok(Some(user)),
            Changed::Gone => Ok(None),
            Changed::EmailTaken => Err(UserError::EmailTaken),
            Changed::Outdated => Err(UserError::Outdated),
        }
    }

    /// Removes a user and the grants given to it.
    pub async fn delete_user(&self, id: UserId) -> Result<(), StoreError> {
        let grants = self.sql("DELETE FROM account_grant WHERE user_id = $1", [id.into()]);
        self.write_all(vec![grants, self.sql("DELETE FROM \"user\" WHERE id = $1", [id.into()])]).await
    }

    /// Ends a login before its token expires, and forgets the ends of those that have.
    pub async fn end_login(
        &self,
        login: LoginId,
        expires_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let end = "INSERT INTO ended_login (id, expires_at_ms) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
        let end = self.sql(end, [login.into(), expires_at.timestamp_millis().into()]);
        let forget = "DELETE FROM ended_login WHERE expires_at_ms < $1";
        self.write_all(vec![end, self.sql(forget, [now.timestamp_millis().into()])]).await
    }

    /// The signing keys made after `dead`, the newest first. One that can't be opened is not among
    /// them: what it signed is not believed any more.
    pub async fn signing_keys(&self, dead: DateTime<Utc>) -> Result<Vec<SigningKey>, StoreError> {
        let sql = "SELECT id, secret, created_at_ms FROM signing_key WHERE created_at_ms > $1
                   ORDER BY created_at_ms DESC, id";
        let mut keys = Vec::new();
        for row in self.reader.query_all_raw(self.sql(sql, [dead.timestamp_millis().into()])).await? {
            let (id, sealed, created_at_ms): (i64, String, i64) = row.try_get_many_by_index()?;
            match secrets::open_signing_key(&self.seal, id, &sealed) {
                Ok(secret) => keys.push(SigningKey { id, secret, created_at: instant(created_at_ms) }),
                Err(_) => tracing::error!(id, "a signing key can't be decrypted; logins signed with it are over"),
            }
        }
        Ok(keys)
    }

    /// Keeps a signing key.
    pub async fn add_signing_key(&self, key: &SigningKey) -> Result<(), StoreError> {
        let sql = "INSERT INTO signing_key (id, secret, created_at_ms) VALUES ($1, $2, $3)";
        let sealed = secrets::seal_signing_key(&self.seal, key.id, &key.secret);
        let values = [key.id.into(), sealed.into(), key.created_at.timestamp_millis().into()];
        self.write_all(vec![self.sql(sql, values)]).await
    }
}
