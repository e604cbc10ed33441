//! The account as a linked device, and what it mirrors of the phone's settings.

use whatsapp_rust::async_trait;
use whatsapp_rust::wacore::appstate::hash::HashState;
use whatsapp_rust::wacore::appstate::processor::AppStateMutationMAC;
use whatsapp_rust::wacore::store::Device;
use whatsapp_rust::wacore::store::error::Result;
use whatsapp_rust::wacore::store::traits::{
    AppStateSyncKey, AppSyncStore, DeviceStore, MsgSecretEntry, MsgSecretStore,
};

use super::{Keys, entry, hex, key, read, some, unhex, write};
use crate::store::state::Which;

#[async_trait]
impl DeviceStore for Keys {
    async fn save(&self, device: &Device) -> Result<()> {
        self.put("device", "", write(device)?, self.now()).await
    }

    async fn load(&self) -> Result<Option<Device>> {
        self.find("device", "").await?.as_ref().map(read).transpose()
    }

    async fn exists(&self) -> Result<bool> {
        Ok(self.find("device", "").await?.is_some())
    }

    async fn create(&self) -> Result<i32> {
        // Each account has one, under the account's own id.
        self.save(&Device::new()).await.map(|()| 1)
    }
}

#[async_trait]
impl AppSyncStore for Keys {
    async fn get_sync_key(&self, id: &[u8]) -> Result<Option<AppStateSyncKey>> {
        self.find("sync_key", &hex(id)).await?.as_ref().map(read).transpose()
    }

    async fn set_sync_key(&self, id: &[u8], key: AppStateSyncKey) -> Result<()> {
        self.put("sync_key", hex(id), write(&key)?, self.clock.now().timestamp_micros()).await
    }

    async fn get_version(&self, name: &str) -> Result<HashState> {
        let found = self.find("sync_version", name).await?;
        Ok(found.as_ref().map(read).transpose()?.unwrap_or_default())
    }

    async fn set_version(&self, name: &str, state: HashState) -> Result<()> {
        self.put("sync_version", name, write(&state)?, 0).await
    }

    async fn put_mutation_macs(&self, name: &str, version: u64, macs: &[AppStateMutationMAC]) -> Result<()> {
        let version = i64::try_from(version).unwrap_or(i64::MAX);
        let entries = macs.iter().map(|mac| entry(key(&[name, &hex(&mac.index_mac)]), &*mac.value_mac, version));
        self.put_all("sync_mac", entries.collect()).await
    }

    async fn get_mutation_mac(&self, name: &str, index: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.find("sync_mac", &key(&[name, &hex(index)])).await?.map(|entry| entry.value))
    }

    async fn delete_mutation_macs(&self, name: &str, indexes: &[Vec<u8>]) -> Result<()> {
        let gone = indexes.iter().map(|index| key(&[name, &hex(index)]));
        self.remove("sync_mac", some(gone)).await.map(drop)
    }

    async fn clear_mutation_macs(&self, name: &str) -> Result<()> {
        self.remove("sync_mac", Which::Starting(key(&[name, ""]))).await.map(drop)
    }

    async fn get_latest_sync_key_id(&self) -> Result<Option<Vec<u8>>> {
        let all = self.all("sync_key", Which::All).await?;
        Ok(all.into_iter().max_by_key(|entry| entry.number).and_then(|entry| unhex(&entry.key)))
    }
}

/// What polls and edits are read by. They are not, so nothing is kept.
#[async_trait]
impl MsgSecretStore for Keys {
    async fn put_msg_secrets(&self, _entries: Vec<MsgSecretEntry>) -> Result<usize> {
        Ok(0)
    }

    async fn get_msg_secret(&self, _chat: &str, _sender: &str, _id: &str) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    async fn delete_expired_msg_secrets(&self, _cutoff: i64) -> Result<u32> {
        Ok(0)
    }
}
