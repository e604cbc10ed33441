//! Where a phone keeps its Signal keys and sessions: in memory, one field for each of the traits that
//! the protocol asks for. Nothing here ever waits, so the protocol's futures are ready at once.

use std::collections::HashMap;

use async_trait::async_trait;
use wacore_libsignal::protocol::error::Result;
use wacore_libsignal::protocol::{
    Direction, IdentityChange, IdentityKey, IdentityKeyPair, IdentityKeyStore, PreKeyId, PreKeyRecord, PreKeyStore,
    ProtocolAddress, SenderKeyName, SenderKeyRecord, SenderKeyStore, SessionRecord, SessionStore, SignalProtocolError,
    SignedPreKeyId, SignedPreKeyRecord, SignedPreKeyStore,
};

pub(crate) struct SignalStore {
    pub(crate) identities: Identities,
    pub(crate) sessions: Sessions,
    pub(crate) prekeys: PreKeys,
    pub(crate) signed_prekeys: SignedPreKeys,
    pub(crate) sender_keys: SenderKeys,
}

impl SignalStore {
    pub(crate) fn new(own: IdentityKeyPair, registration_id: u32) -> Self {
        Self {
            identities: Identities { own, registration_id, known: HashMap::new() },
            sessions: Sessions::default(),
            prekeys: PreKeys::default(),
            signed_prekeys: SignedPreKeys::default(),
            sender_keys: SenderKeys::default(),
        }
    }
}

/// The own identity and those of the devices met so far.
pub(crate) struct Identities {
    own: IdentityKeyPair,
    registration_id: u32,
    known: HashMap<String, IdentityKey>,
}

#[async_trait]
impl IdentityKeyStore for Identities {
    async fn get_identity_key_pair(&self) -> Result<IdentityKeyPair> {
        Ok(self.own.clone())
    }

    async fn get_local_registration_id(&self) -> Result<u32> {
        Ok(self.registration_id)
    }

    async fn save_identity(&mut self, address: &ProtocolAddress, identity: &IdentityKey) -> Result<IdentityChange> {
        let former = self.known.insert(address.name().to_owned(), *identity);
        Ok(IdentityChange::from_changed(former.is_some_and(|former| former != *identity)))
    }

    async fn is_trusted_identity(&self, _: &ProtocolAddress, _: &IdentityKey, _: Direction) -> Result<bool> {
        Ok(true)
    }

    async fn get_identity(&self, address: &ProtocolAddress) -> Result<Option<IdentityKey>> {
        Ok(self.known.get(address.name()).copied())
    }
}

#[derive(Default)]
pub(crate) struct Sessions(HashMap<String, SessionRecord>);

impl Sessions {
    pub(crate) fn contains(&self, address: &ProtocolAddress) -> bool {
        self.0.contains_key(address.name())
    }
}

#[async_trait]
impl SessionStore for Sessions {
    async fn load_session(&self, address: &ProtocolAddress) -> Result<Option<SessionRecord>> {
        Ok(self.0.get(address.name()).cloned())
    }

    async fn has_session(&self, address: &ProtocolAddress) -> Result<bool> {
        Ok(self.contains(address))
    }

    async fn store_session(&mut self, address: &ProtocolAddress, record: SessionRecord) -> Result<()> {
        self.0.insert(address.name().to_owned(), record);
        Ok(())
    }
}

#[derive(Default)]
pub(crate) struct PreKeys(HashMap<PreKeyId, PreKeyRecord>);

impl PreKeys {
    pub(crate) fn insert(&mut self, id: PreKeyId, record: PreKeyRecord) {
        self.0.insert(id, record);
    }
}

#[async_trait]
impl PreKeyStore for PreKeys {
    async fn get_pre_key(&self, id: PreKeyId) -> Result<PreKeyRecord> {
        self.0.get(&id).cloned().ok_or(SignalProtocolError::InvalidPreKeyId)
    }

    async fn save_pre_key(&mut self, id: PreKeyId, record: &PreKeyRecord) -> Result<()> {
        self.insert(id, record.clone());
        Ok(())
    }

    async fn remove_pre_key(&mut self, id: PreKeyId) -> Result<()> {
        self.0.remove(&id);
        Ok(())
    }
}

#[derive(Default)]
pub(crate) struct SignedPreKeys(HashMap<SignedPreKeyId, SignedPreKeyRecord>);

impl SignedPreKeys {
    pub(crate) fn insert(&mut self, id: SignedPreKeyId, record: SignedPreKeyRecord) {
        self.0.insert(id, record);
    }
}

#[async_trait]
impl SignedPreKeyStore for SignedPreKeys {
    async fn get_signed_pre_key(&self, id: SignedPreKeyId) -> Result<SignedPreKeyRecord> {
        self.0.get(&id).cloned().ok_or(SignalProtocolError::InvalidSignedPreKeyId)
    }

    async fn save_signed_pre_key(&mut self, id: SignedPreKeyId, record: &SignedPreKeyRecord) -> Result<()> {
        self.insert(id, record.clone());
        Ok(())
    }
}

/// The keys of each device for each group, the own ones among them.
#[derive(Default)]
pub(crate) struct SenderKeys(HashMap<String, SenderKeyRecord>);

#[async_trait]
impl SenderKeyStore for SenderKeys {
    async fn store_sender_key(&mut self, name: &SenderKeyName, record: SenderKeyRecord) -> Result<()> {
        self.0.insert(name.cache_key().to_owned(), record);
        Ok(())
    }

    async fn load_sender_key(&self, name: &SenderKeyName) -> Result<Option<SenderKeyRecord>> {
        Ok(self.0.get(name.cache_key()).cloned())
    }
}
