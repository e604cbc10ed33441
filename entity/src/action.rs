//! What somebody did to an account: kept for a time, also when the account is gone.

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, ActionId, CompanyId};

crate::words! {
    /// What was done.
    Deed ("Deed") {
        /// The account was created.
        Created = "created",
        /// Somebody wished it to be connected.
        Connected = "connected",
        /// Somebody wished it to be disconnected and connected again.
        Restarted = "restarted",
        /// Its phone let this server in.
        Paired = "paired",
        /// Somebody wished it to be disconnected.
        Disconnected = "disconnected",
        /// … and its pairing to end.
        LoggedOut = "logged_out",
        /// Something about it changed: its name, its proxy, its config.
        Changed = "changed",
        /// Its limits changed.
        LimitsChanged = "limits_changed",
        /// Its queue was paused.
        Paused = "paused",
        /// … and goes on.
        Resumed = "resumed",
        /// What was queued was taken back.
        Cleared = "cleared",
        /// A manager may work with it, or may something else with it.
        Granted = "granted",
        /// … and no longer.
        Revoked = "revoked",
        /// It has a new key of its own.
        KeyMade = "key_made",
        /// … and one less.
        KeyRemoved = "key_removed",
        /// It was removed.
        Removed = "removed",
    }
}

impl Deed {
    /// Whether nothing else tells of it but that it was done.
    #[must_use]
    pub fn is_silent(self) -> bool {
        use Deed::{Changed, Granted, KeyMade, KeyRemoved, LimitsChanged, Revoked};
        matches!(self, Changed | LimitsChanged | Granted | Revoked | KeyMade | KeyRemoved)
    }
}

crate::words! {
    /// Who did it.
    Actor ("Actor") {
        /// Anybody: the server needs no credentials.
        Anyone = "anyone",
        /// The operator, by the key in the settings.
        Operator = "operator",
        /// A program, by an API key.
        ApiKey = "api_key",
        /// A person who was signed in.
        User = "user",
        /// Whoever had the link to its pairing page, or its phone.
        Visitor = "visitor",
    }
}

/// One action.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "action")]
pub struct Model {
    /// Its id, which sorts by time.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ActionId,
    /// Whose the account is, or was.
    pub company_id: CompanyId,
    /// The account.
    pub account_id: AccountId,
    /// What was done.
    pub deed: Deed,
    /// Who did it.
    pub actor: Actor,
    /// The id of the user or of the key.
    pub actor_id: Option<String>,
    /// What the user or the key was called then.
    pub actor_name: Option<String>,
    /// From which IP address.
    pub address: Option<String>,
    /// What else there is to say, as JSON: names of what changed, never secrets.
    pub details: Option<String>,
    /// When.
    pub at_ms: i64,
}

impl ActiveModelBehavior for ActiveModel {}
