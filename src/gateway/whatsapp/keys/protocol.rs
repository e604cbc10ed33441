//! What the protocol remembers beside the keys: who has which devices and names, what was sent and what
//! came in and is not written yet.

use whatsapp_rust::async_trait;
use whatsapp_rust::wacore::store::error::Result;
use whatsapp_rust::wacore::store::traits::{
    DeviceListRecord, LidPnMappingEntry, PendingInboundKey, PendingInboundRow, ProtocolStore, TcTokenEntry,
};

use super::{AND, Keys, entry, key, one, read, some, write};
use crate::store::state::Which;

impl Keys {
    /// Changes what is known of somebody's token, one change after the other.
    async fn change_token(
        &self,
        jid: &str,
        change: impl FnOnce(Option<TcTokenEntry>) -> Option<TcTokenEntry> + Send,
    ) -> Result<()> {
        let _turn = self.tokens.lock().await;
        match change(self.get_tc_token(jid).await?) {
            Some(token) => self.put("token", jid, write(&token)?, token.token_timestamp).await,
            None => Ok(()),
        }
    }
}

#[async_trait]
impl ProtocolStore for Keys {
    async fn get_sender_key_devices(&self, group: &str) -> Result<Vec<(String, bool)>> {
        let prefix = key(&[group, ""]);
        let found = self.all("group_device", Which::Starting(prefix.clone())).await?;
        Ok(found.into_iter().map(|entry| (entry.key[prefix.len()..].to_owned(), entry.number != 0)).collect())
    }

    async fn set_sender_key_status(&self, group: &str, devices: &[(&str, bool)]) -> Result<()> {
        let entries = devices.iter().map(|(device, has_key)| entry(key(&[group, device]), [], (*has_key).into()));
        self.put_all("group_device", entries.collect()).await
    }

    async fn clear_sender_key_devices(&self, group: &str) -> Result<()> {
        self.remove("group_device", Which::Starting(key(&[group, ""]))).await.map(drop)
    }

    async fn delete_sender_key_device_rows(&self, devices: &[&str]) -> Result<()> {
        let is_one = |key: &str| key.split_once(AND).is_some_and(|(_, device)| devices.contains(&device));
        let all = self.all("group_device", Which::All).await?;
        let gone: Vec<_> = all.into_iter().map(|entry| entry.key).filter(|key| is_one(key)).collect();
        self.remove("group_device", some(gone)).await.map(drop)
    }

    async fn clear_all_sender_key_devices(&self) -> Result<()> {
        self.remove("group_device", Which::All).await.map(drop)
    }

    async fn get_lid_mapping(&self, lid: &str) -> Result<Option<LidPnMappingEntry>> {
        self.find("lid", lid).await?.as_ref().map(read).transpose()
    }

    async fn get_pn_mapping(&self, phone: &str) -> Result<Option<LidPnMappingEntry>> {
        match self.find("lid_of", phone).await? {
            Some(lid) => self.get_lid_mapping(&String::from_utf8_lossy(&lid.value)).await,
            None => Ok(None),
        }
    }

    async fn put_lid_mapping(&self, mapping: &LidPnMappingEntry) -> Result<()> {
        self.put_lid_mappings(std::slice::from_ref(mapping)).await
    }

    async fn put_lid_mappings(&self, mappings: &[LidPnMappingEntry]) -> Result<()> {
        let by_lid = mappings.iter().map(|m| Ok(entry(&*m.lid, write(m)?, m.updated_at))).collect::<Result<_>>()?;
        self.put_all("lid", by_lid).await?;
        let by_phone = mappings.iter().map(|m| entry(&*m.phone_number, &*m.lid, m.updated_at)).collect();
        self.put_all("lid_of", by_phone).await
    }

    async fn get_all_lid_mappings(&self) -> Result<Vec<LidPnMappingEntry>> {
        self.all("lid", Which::All).await?.iter().map(read).collect()
    }

    async fn save_base_key(&self, address: &str, message_id: &str, base_key: &[u8]) -> Result<()> {
        self.put("base_key", key(&[address, message_id]), base_key, self.now()).await
    }

    async fn has_same_base_key(&self, address: &str, message_id: &str, base_key: &[u8]) -> Result<bool> {
        let saved = self.find("base_key", &key(&[address, message_id])).await?;
        Ok(saved.is_some_and(|saved| saved.value == base_key))
    }

    async fn delete_base_key(&self, address: &str, message_id: &str) -> Result<()> {
        self.remove_key("base_key", &key(&[address, message_id])).await
    }

    async fn update_device_list(&self, record: DeviceListRecord) -> Result<()> {
        self.update_device_lists(vec![record]).await
    }

    async fn update_device_lists(&self, records: Vec<DeviceListRecord>) -> Result<()> {
        let entries = records.iter().map(|record| Ok(entry(&*record.user, write(record)?, record.timestamp)));
        self.put_all("devices", entries.collect::<Result<_>>()?).await
    }

    async fn get_devices(&self, user: &str) -> Result<Option<DeviceListRecord>> {
        self.find("devices", user).await?.as_ref().map(read).transpose()
    }

    async fn delete_devices(&self, user: &str) -> Result<()> {
        self.remove_key("devices", user).await
    }

    async fn get_tc_token(&self, jid: &str) -> Result<Option<TcTokenEntry>> {
        self.find("token", jid).await?.as_ref().map(read).transpose()
    }

    async fn put_tc_token(&self, jid: &str, token: &TcTokenEntry) -> Result<()> {
        let token = token.clone();
        self.change_token(jid, move |_| Some(token)).await
    }

    async fn delete_tc_token(&self, jid: &str) -> Result<()> {
        let _turn = self.tokens.lock().await;
        self.remove_key("token", jid).await
    }

    async fn get_all_tc_token_jids(&self) -> Result<Vec<String>> {
        Ok(self.all("token", Which::All).await?.into_iter().map(|entry| entry.key).collect())
    }

    async fn delete_expired_tc_tokens(&self, token_cutoff: i64, sender_cutoff: i64) -> Result<u32> {
        let _turn = self.tokens.lock().await;
        let mut gone = Vec::new();
        for entry in self.all("token", Which::All).await? {
            let token: TcTokenEntry = read(&entry)?;
            let is_received = !token.token.is_empty() && token.token_timestamp >= token_cutoff;
            let is_given = token.sender_timestamp.is_some_and(|at| at >= sender_cutoff);
            if !is_received && !is_given {
                gone.push(entry.key);
            }
        }
        self.remove("token", some(gone)).await
    }

    async fn touch_tc_token_sender_timestamp(&self, jid: &str, at: i64) -> Result<()> {
        let change = |known: Option<TcTokenEntry>| {
            let known =
                known.unwrap_or(TcTokenEntry { token: Vec::new(), token_timestamp: at, sender_timestamp: None });
            Some(TcTokenEntry { sender_timestamp: known.sender_timestamp.max(Some(at)), ..known })
        };
        self.change_token(jid, change).await
    }

    async fn store_received_tc_token(&self, jid: &str, token: &[u8], at: i64) -> Result<()> {
        let change = |known: Option<TcTokenEntry>| {
            let is_older = known.as_ref().is_some_and(|known| !known.token.is_empty() && at < known.token_timestamp);
            let sender_timestamp = known.and_then(|known| known.sender_timestamp);
            (!is_older).then(|| TcTokenEntry { token: token.to_vec(), token_timestamp: at, sender_timestamp })
        };
        self.change_token(jid, change).await
    }

    async fn store_sent_message(&self, chat: &str, message_id: &str, payload: &[u8]) -> Result<()> {
        self.put("sent", key(&[chat, message_id]), payload, self.now()).await
    }

    async fn take_sent_message(&self, chat: &str, message_id: &str) -> Result<Option<Vec<u8>>> {
        let key = key(&[chat, message_id]);
        let Some(sent) = self.find("sent", &key).await? else { return Ok(None) };
        // Whoever removes it has it.
        let is_ours = self.remove("sent", one(&key)).await? > 0;
        Ok(is_ours.then_some(sent.value))
    }

    async fn delete_expired_sent_messages(&self, cutoff: i64) -> Result<u32> {
        self.remove("sent", Which::Below(cutoff)).await
    }

    async fn store_pending_inbound(&self, chat: &str, sender: &str, id: &str, message: &[u8]) -> Result<()> {
        self.put("inbound", key(&[chat, sender, id]), message, self.now()).await
    }

    async fn get_pending_inbound(&self, chat: &str, sender: &str, id: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.find("inbound", &key(&[chat, sender, id])).await?.map(|entry| entry.value))
    }

    async fn delete_pending_inbound(&self, chat: &str, sender: &str, id: &str) -> Result<()> {
        self.remove_key("inbound", &key(&[chat, sender, id])).await
    }

    async fn delete_expired_pending_inbound(&self, cutoff: i64) -> Result<u32> {
        self.remove("inbound", Which::Below(cutoff)).await
    }

    async fn store_pending_inbound_batch(&self, rows: &[PendingInboundRow<'_>]) -> Result<()> {
        let now = self.now();
        let entries = rows.iter().map(|row| entry(key(&[row.chat, row.sender, row.id]), row.message, now));
        self.put_all("inbound", entries.collect()).await
    }

    async fn delete_pending_inbound_batch(&self, keys: &[PendingInboundKey<'_>]) -> Result<()> {
        let gone = keys.iter().map(|of| key(&[of.chat, of.sender, of.id]));
        self.remove("inbound", some(gone)).await.map(drop)
    }
}
