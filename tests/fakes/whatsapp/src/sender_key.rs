//! Sender keys: how a phone encrypts once for a whole group, and decrypts what others have. Each
//! device has a key of its own for each group; it gives it to the others in messages to one device.

use anyhow::{Context, Result, ensure};
use futures_util::FutureExt as _;
use wacore_binary::Node;
use wacore_libsignal::protocol::{
    SenderKeyDistributionMessage, SenderKeyMessage, SenderKeyName, create_sender_key_distribution_message,
    group_decrypt, group_encrypt, process_sender_key_distribution_message,
};
use waproto::buffa::MessageField;
use waproto::whatsapp as wa;

use crate::address::Address;
use crate::phone::{Envelope, Phone, pad, rng, unpad};
use crate::stanza::{content, required_attr};

/// What a phone has decrypted of a message to a group.
pub(crate) struct Opened {
    pub(crate) message: wa::Message,
    /// The number of the sender key, if it was encrypted with one.
    pub(crate) key: Option<u32>,
}

impl Phone {
    /// The message that gives another device the key to what this phone writes into a group from now on.
    pub(crate) fn sender_key(&mut self, group: &str, own: &Address) -> Result<wa::Message> {
        let keys = &mut self.store.sender_keys;
        let distribution = create_sender_key_distribution_message(&name(group, own), keys, &mut rng())
            .now_or_never()
            .context("the sender key store waited")??;
        let distribution = wa::message::SenderKeyDistributionMessage {
            group_id: Some(group.to_owned()),
            axolotl_sender_key_distribution_message: Some(distribution.into_serialized().into_vec()),
        };
        Ok(wa::Message { sender_key_distribution_message: MessageField::some(distribution), ..Default::default() })
    }

    /// Encrypts for all who have the key.
    pub(crate) fn encrypt_for_group(&mut self, group: &str, own: &Address, message: &wa::Message) -> Result<Envelope> {
        let keys = &mut self.store.sender_keys;
        let encrypted = group_encrypt(keys, &name(group, own), &pad(message), &mut rng())
            .now_or_never()
            .context("the sender key store waited")??;
        Ok(Envelope { kind: "skmsg", ciphertext: encrypted.into_serialized().into_vec() })
    }

    /// Decrypts the `<enc>`s of a message to a group that a device has sent: with its sender key, which
    /// may have come just before, or, if it was sent again to this phone alone, without.
    pub(crate) fn decrypt_in_group(&mut self, group: &str, sender: &Address, encrypted: &[Node]) -> Result<Opened> {
        let mut opened = None;
        for encrypted in encrypted {
            let kind = required_attr(encrypted, "type")?;
            let ciphertext = content(encrypted);
            if kind == "skmsg" {
                let plaintext = group_decrypt(&ciphertext, &mut self.store.sender_keys, &name(group, sender))
                    .now_or_never()
                    .context("the sender key store waited")??;
                let key = SenderKeyMessage::try_from(ciphertext.as_slice())?.chain_id();
                opened = Some(Opened { message: unpad(&plaintext)?, key: Some(key) });
            } else {
                let message = self.decrypt(sender, &kind, &ciphertext)?;
                if let Some(distribution) = message.sender_key_distribution_message.as_option() {
                    self.take_sender_key(group, sender, distribution)?;
                }
                opened = Some(Opened { message, key: None });
            }
        }
        opened.context("a message without an <enc>")
    }

    fn take_sender_key(
        &mut self,
        group: &str,
        sender: &Address,
        distribution: &wa::message::SenderKeyDistributionMessage,
    ) -> Result<()> {
        ensure!(distribution.group_id.as_deref() == Some(group), "a sender key for another group");
        let key = distribution.axolotl_sender_key_distribution_message.as_deref().unwrap_or_default();
        let key = SenderKeyDistributionMessage::try_from(key)?;
        process_sender_key_distribution_message(&name(group, sender), &key, &mut self.store.sender_keys)
            .now_or_never()
            .context("the sender key store waited")??;
        Ok(())
    }
}

fn name(group: &str, sender: &Address) -> SenderKeyName {
    SenderKeyName::from_parts(group, &sender.to_string())
}
