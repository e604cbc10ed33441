//! Who may do what: one line for each address of the API that needs a caller. The extractor asks
//! this table before the handler runs; an address that is not here is refused to everybody.

use entity::api_key::Scope;
use entity::user::Role;

use crate::store::grant::Rights;

/// What an address needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Only to be signed in.
    SignedIn,
    /// To see an account, its chats and its messages: a manager's `canRead`.
    Read,
    /// To send from an account: a manager's `canWrite`.
    Send,
    /// To rename or archive an account's chats: a manager's `canManageChats`.
    ManageChats,
    /// To see what concerns the company as a whole.
    Company,
    /// To change the company: its accounts, people and keys.
    Admin,
}

/// A line of the table: method, address, need.
pub type Line = (&'static str, &'static str, Need);

/// The table.
pub const TABLE: &[Line] = &[
    ("POST", "/api/auth/logout", Need::SignedIn),
    ("GET", "/api/auth/me", Need::SignedIn),
    ("PUT", "/api/auth/me", Need::SignedIn),
    ("GET", "/api/api-keys", Need::Admin),
    ("POST", "/api/api-keys", Need::Admin),
    ("DELETE", "/api/api-keys/{id}", Need::Admin),
    ("GET", "/api/managers", Need::Admin),
    ("POST", "/api/managers", Need::Admin),
    ("GET", "/api/managers/{id}", Need::Admin),
    ("PUT", "/api/managers/{id}", Need::Admin),
    ("DELETE", "/api/managers/{id}", Need::Admin),
    ("GET", "/api/accounts", Need::Read),
    ("POST", "/api/accounts", Need::Admin),
    ("GET", "/api/accounts/{id}", Need::Read),
    ("PUT", "/api/accounts/{id}", Need::Admin),
    ("DELETE", "/api/accounts/{id}", Need::Admin),
    ("POST", "/api/accounts/{id}/connect", Need::Admin),
    ("POST", "/api/accounts/{id}/disconnect", Need::Admin),
    ("GET", "/api/accounts/{id}/qr", Need::Admin),
    ("GET", "/api/accounts/{id}/queue", Need::Read),
    ("DELETE", "/api/accounts/{id}/queue", Need::Admin),
    ("POST", "/api/accounts/{id}/queue/pause", Need::Admin),
    ("POST", "/api/accounts/{id}/queue/resume", Need::Admin),
    ("GET", "/api/accounts/{id}/activity", Need::Read),
    ("GET", "/api/accounts/{id}/chats", Need::Read),
    ("GET", "/api/accounts/{id}/chats/{chatId}", Need::Read),
    ("POST", "/api/accounts/{id}/chats/{chatId}", Need::Send),
    ("POST", "/api/messages/send", Need::Send),
    ("POST", "/api/messages/bulk", Need::Send),
    ("GET", "/api/messages", Need::Read),
    ("GET", "/api/messages/{id}", Need::Read),
    ("DELETE", "/api/messages/{id}", Need::Send),
    ("POST", "/api/messages/{id}/retry", Need::Send),
    ("POST", "/api/media", Need::Send),
    ("GET", "/api/media/{id}", Need::Read),
    ("GET", "/api/media/{id}/thumbnail", Need::Read),
    ("GET", "/api/templates", Need::Send),
    ("POST", "/api/templates", Need::Admin),
    ("PUT", "/api/templates/{id}", Need::Admin),
    ("DELETE", "/api/templates/{id}", Need::Admin),
    ("POST", "/api/whatsapp/send", Need::Send),
    ("GET", "/api/whatsapp/stats", Need::Company),
    ("GET", "/api/accounts/{id}/actions", Need::Admin),
    ("GET", "/api/v1/instances", Need::Read),
    ("POST", "/api/v1/instances", Need::Admin),
    ("GET", "/api/v1/instances/{id}", Need::Read),
    ("PATCH", "/api/v1/instances/{id}", Need::Admin),
    ("DELETE", "/api/v1/instances/{id}", Need::Admin),
    ("POST", "/api/v1/instances/{id}/start", Need::Admin),
    ("POST", "/api/v1/instances/{id}/stop", Need::Admin),
    ("POST", "/api/v1/instances/{id}/restart", Need::Admin),
    ("POST", "/api/v1/instances/{id}/api-key", Need::Admin),
    ("GET", "/api/v1/instances/{id}/memory", Need::Read),
    ("GET", "/api/v1/instances/{id}/logs", Need::Read),
    ("GET", "/api/v1/instances/{id}/qr", Need::Admin),
    ("GET", "/api/v1/instances/memory/stats", Need::Read),
    ("GET", "/api/v1/resources/performance", Need::Company),
    ("GET", "/api/v1/resources/ports", Need::Company),
    ("POST", "/api/v1/multi-provider/instances/{provider}/{id}/send-message", Need::Send),
    ("GET", "/instances/{id}/api/v1/{provider}/me", Need::Read),
    ("POST", "/instances/{id}/api/v1/{provider}/send", Need::Send),
    ("GET", "/api/v1/multi-provider/active-providers", Need::SignedIn),
    ("GET", "/api/whatsapp/chats", Need::Read),
    ("GET", "/api/whatsapp/sessions", Need::Read),
    ("POST", "/api/whatsapp/sessions", Need::Admin),
    ("DELETE", "/api/whatsapp/sessions/{id}", Need::Admin),
    ("GET", "/api/whatsapp/sessions/{id}/qr", Need::Admin),
    ("POST", "/api/whatsapp/sessions/{id}/connect", Need::Admin),
    ("POST", "/api/whatsapp/sessions/{id}/disconnect", Need::Admin),
    ("GET", "/api/whatsapp/sessions/{id}/chats", Need::Read),
    ("GET", "/api/whatsapp/sessions/{id}/chats/{chatId}", Need::Read),
    ("PUT", "/api/whatsapp/sessions/{id}/chats/{chatId}", Need::ManageChats),
    ("GET", "/api/whatsapp/sessions/{id}/chats/{chatId}/messages", Need::Read),
    ("POST", "/api/whatsapp/sessions/{id}/chats/{chatId}/messages", Need::Send),
    ("POST", "/api/whatsapp/sessions/{id}/chats/{chatId}/send", Need::Send),
    ("POST", "/api/whatsapp/sessions/{id}/chats/{chatId}/read", Need::Read),
    ("GET", "/api/whatsapp/sessions/{id}/managers", Need::Admin),
    ("POST", "/api/whatsapp/sessions/{id}/managers", Need::Admin),
    ("DELETE", "/api/whatsapp/sessions/{id}/managers/{managerId}", Need::Admin),
    ("POST", "/api/whatsapp/sessions/{id}/access", Need::Admin),
    ("DELETE", "/api/whatsapp/sessions/{id}/access/{managerId}", Need::Admin),
];

/// What the address needs; none: it is not in the table.
#[must_use]
pub fn need(method: &str, pattern: &str) -> Option<Need> {
    TABLE.iter().find(|(m, p, _)| *m == method && *p == pattern).map(|(_, _, need)| *need)
}

impl Need {
    /// Every need.
    pub const ALL: &[Self] = &[Self::SignedIn, Self::Read, Self::Send, Self::ManageChats, Self::Company, Self::Admin];

    /// Whether a user of this role may, as far as the company goes. What a manager may do with one
    /// account is the account's grant's to say.
    #[must_use]
    pub fn is_met_by_role(self, role: Role) -> bool {
        role == Role::Admin || !matches!(self, Self::Company | Self::Admin)
    }

    /// Whether a manager with these rights may, as far as one account goes.
    #[must_use]
    pub fn is_met_by_rights(self, rights: Rights) -> bool {
        match self {
            Self::Read => rights.can_read,
            Self::Send => rights.can_write,
            Self::ManageChats => rights.can_manage_chats,
            Self::SignedIn | Self::Company | Self::Admin => false,
        }
    }

    /// Whether a key of this scope may.
    #[must_use]
    pub fn is_met_by_scope(self, scope: Scope) -> bool {
        match self {
            Self::SignedIn | Self::Read | Self::Company => true,
            Self::Send => scope != Scope::Read,
            Self::ManageChats | Self::Admin => scope == Scope::All,
        }
    }
}
