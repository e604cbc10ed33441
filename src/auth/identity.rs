//! Who a credential belongs to. Looked up once and kept in mind for a few seconds: a sender who
//! shows the same key a thousand times a second costs the database nothing.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::api_key::Scope;
use entity::ids::{AccountId, ApiKeyId, CompanyId, LoginId};
use entity::user::{self, Role};
use moka::sync::Cache;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Guard;
use super::access::Need;
use crate::store::StoreError;
use crate::store::grant::Rights;

/// What API keys start with, which tells them from tokens.
pub const KEY_PREFIX: &str = "ak_";

/// How long an identity is believed without a look. A change of people makes all nodes forget at
/// once; this is the bound for a node that did not hear of it because Redis was away.
const BELIEVED: Duration = Duration::from_secs(10);
const KEPT: u64 = 10_000;

/// Somebody known.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Whose accounts and messages it is about.
    pub company: CompanyId,
    /// Who it is.
    pub who: Who,
}

/// Who somebody is.
#[derive(Debug, Clone)]
pub enum Who {
    /// Anybody: open mode.
    Anyone,
    /// The operator, by the key in the settings.
    Operator,
    /// A program, by an API key.
    Program(Program),
    /// A person, by a login.
    Person(Arc<Person>),
}

/// A program that shows an API key.
#[derive(Debug, Clone)]
pub struct Program {
    /// The key's row.
    pub key: ApiKeyId,
    /// What people call it.
    pub name: Arc<str>,
    /// What it may do.
    pub scope: Scope,
    /// The one account it is for; none: all of the company.
    pub account: Option<AccountId>,
}

impl Program {
    /// Whether it may, as far as the company goes. A key for one account has nothing to do with the rest.
    fn meets(&self, need: Need) -> bool {
        let is_about_all = matches!(need, Need::Company | Need::Admin);
        need.is_met_by_scope(self.scope) && !(is_about_all && self.account.is_some())
    }
}

/// A person who is signed in.
#[derive(Debug)]
pub struct Person {
    /// The user's row.
    pub user: user::Model,
    /// This login.
    pub login: LoginId,
    /// Until when it lasts.
    pub expires_at: DateTime<Utc>,
    /// What a manager may do, by account.
    pub grants: HashMap<AccountId, Rights>,
}

impl Identity {
    /// Anybody, in open mode.
    #[must_use]
    pub fn open() -> Self {
        Self { company: CompanyId::DEFAULT, who: Who::Anyone }
    }

    /// The user, if it is a person.
    #[must_use]
    pub fn user(&self) -> Option<&user::Model> {
        match &self.who {
            Who::Person(person) => Some(&person.user),
            _ => None,
        }
    }

    /// By what id a row says that it made it: the user's or the key's.
    #[must_use]
    pub fn maker(&self) -> Option<String> {
        match &self.who {
            Who::Anyone | Who::Operator => None,
            Who::Program(program) => Some(program.key.to_string()),
            Who::Person(person) => Some(person.user.id.to_string()),
        }
    }

    /// Whether it may, as far as the company goes.
    #[must_use]
    pub fn meets(&self, need: Need) -> bool {
        match &self.who {
            Who::Anyone | Who::Operator => true,
            Who::Program(program) => program.meets(need),
            Who::Person(person) => need.is_met_by_role(person.user.role),
        }
    }

    /// Whether it may pair its company's accounts, and so see what pairs them.
    #[must_use]
    pub fn may_pair(&self) -> bool {
        self.meets(Need::Admin)
    }

    /// Whether it may with this account of its company.
    #[must_use]
    pub fn may(&self, need: Need, account: AccountId) -> bool {
        match &self.who {
            Who::Anyone | Who::Operator => true,
            Who::Program(program) => program.account.is_none_or(|own| own == account),
            Who::Person(person) => {
                let granted = || person.grants.get(&account).is_some_and(|rights| need.is_met_by_rights(*rights));
                person.user.role == Role::Admin || granted()
            }
        }
    }

    /// The accounts with which it may; none: all of its company.
    #[must_use]
    pub fn granted(&self, need: Need) -> Option<Vec<AccountId>> {
        match &self.who {
            Who::Anyone | Who::Operator => None,
            Who::Program(program) => program.account.map(|account| vec![account]),
            Who::Person(person) if person.user.role == Role::Admin => None,
            Who::Person(person) => {
                let granted = person.grants.iter().filter(|(_, rights)| need.is_met_by_rights(**rights));
                Some(granted.map(|(account, _)| *account).collect())
            }
        }
    }

    /// What an idempotency key of its is kept as: programs of single accounts don't meet each other's.
    #[must_use]
    pub fn kept_key(&self, key: String) -> String {
        match &self.who {
            Who::Program(Program { account: Some(account), .. }) => format!("{account}:{key}"),
            _ => key,
        }
    }

    /// The accounts it may see; none: all of its company.
    #[must_use]
    pub fn visible(&self) -> Option<Vec<AccountId>> {
        self.granted(Need::Read)
    }
}

/// What is known of the credentials shown lately, by their digests.
pub(super) struct Identities {
    known: Cache<[u8; 32], (Identity, u64)>,
    /// How often people changed, in any company.
    changes: AtomicU64,
    /// The number of the last change in each company; some companies share a place.
    changed: Box<[AtomicU64]>,
}

/// Places for the companies' last changes.
const PLACES: usize = 1_024;

impl Default for Identities {
    fn default() -> Self {
        let known = Cache::builder().max_capacity(KEPT).time_to_live(BELIEVED).build();
        let changed = std::iter::repeat_with(AtomicU64::default).take(PLACES).collect();
        Self { known, changes: AtomicU64::new(0), changed }
    }
}

impl Identities {
    fn changed(&self, company: CompanyId) -> &AtomicU64 {
        let mut hasher = DefaultHasher::new();
        company.hash(&mut hasher);
        &self.changed[usize::try_from(hasher.finish() % PLACES as u64).unwrap_or(0)]
    }

    fn forget(&self, company: CompanyId) {
        let change = self.changes.fetch_add(1, Ordering::AcqRel) + 1;
        self.changed(company).fetch_max(change, Ordering::AcqRel);
    }

    /// Who that was, if nothing has changed in the company since it was looked up.
    fn find(&self, credential: &str) -> Option<Identity> {
        let (identity, looked_up) = self.known.get(&digest(credential))?;
        (self.changed(identity.company).load(Ordering::Acquire) <= looked_up).then_some(identity)
    }
}

impl Identity {
    fn is_valid(&self, now: DateTime<Utc>) -> bool {
        match &self.who {
            Who::Person(person) => person.expires_at > now,
            _ => true,
        }
    }
}

/// The SHA-256 of a credential.
#[must_use]
pub fn digest(credential: &str) -> [u8; 32] {
    Sha256::digest(credential.as_bytes()).into()
}

/// The digest as a key's row has it.
#[must_use]
pub fn hex(digest: [u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Guard {
    /// Whose credential this is, if that is known without asking the database.
    #[must_use]
    pub fn recall(&self, credential: &str) -> Option<Identity> {
        if self.api_key.as_ref().is_some_and(|key| key.as_bytes().ct_eq(credential.as_bytes()).into()) {
            return Some(Identity { company: CompanyId::DEFAULT, who: Who::Operator });
        }
        self.identities.find(credential).filter(|identity| identity.is_valid(self.clock.now()))
    }

    /// Whose credential this is, if anybody's.
    pub async fn identify(&self, credential: &str) -> Result<Option<Identity>, StoreError> {
        if let Some(identity) = self.recall(credential) {
            return Ok(Some(identity));
        }
        let changes = self.identities.changes.load(Ordering::Acquire);
        let found = self.look_up(credential).await?;
        if let Some(identity) = &found {
            self.identities.known.insert(digest(credential), (identity.clone(), changes));
        }
        Ok(found)
    }

    async fn look_up(&self, credential: &str) -> Result<Option<Identity>, StoreError> {
        if credential.starts_with(KEY_PREFIX) {
            let key = self.store.use_api_key(&hex(digest(credential)), self.clock.now()).await?;
            return Ok(key.map(|row| {
                let (key, name, scope, account) = (row.id, row.name.into(), row.scope, row.account_id);
                Identity { company: row.company_id, who: Who::Program(Program { key, name, scope, account }) }
            }));
        }
        let Some(claims) = self.keys.read(credential).await? else { return Ok(None) };
        let Some(user) = self.store.user_of_login(claims.sub, claims.jti).await? else { return Ok(None) };
        if user.token_epoch != claims.epoch && user.kept_login != Some(claims.jti) {
            return Ok(None);
        }
        let grants = match user.role {
            Role::Admin => HashMap::new(),
            Role::Manager => self.store.grants_of(user.id).await?,
        };
        let company = user.company_id;
        let person = Person { user, login: claims.jti, expires_at: claims.expires_at(), grants };
        Ok(Some(Identity { company, who: Who::Person(Arc::new(person)) }))
    }

    /// Forgets whom it knows of a company: its people, keys or grants have changed. Who is being
    /// looked up meanwhile is not believed later.
    pub fn forget(&self, company: CompanyId) {
        self.identities.forget(company);
    }
}
