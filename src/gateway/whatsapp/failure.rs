//! What the crate's errors mean for a message.

use anyhow::anyhow;
use whatsapp_rust::{ClientError, IqError};

use crate::gateway::SendError;

/// Why a group's message is refused.
pub(super) const NOT_IN: &str = "WhatsApp has no such group, or the account is not in it";

/// What an error of the crate means: whether the message may have left.
pub(super) fn read_error(error: whatsapp_rust::SendError) -> SendError {
    use whatsapp_rust::SendError as Error;
    match error {
        Error::Client(ClientError::Socket(_) | ClientError::EncryptSend(_)) => {
            SendError::Uncertain { cause: anyhow!("the connection broke while the message was sent") }
        }
        Error::InvalidRequest(_) => SendError::refused("WhatsApp has no such chat"),
        // Of a group it is asked first who is in it.
        Error::Iq(IqError::ServerError { code: 403 | 404, .. }) => SendError::refused(NOT_IN),
        // It fails before anything is sent: a recipient's keys were not to be had, or not to be kept.
        error => SendError::Later {
            after: None,
            cause: anyhow!(match error {
                Error::Client(_) | Error::NotLoggedIn => "not connected",
                _ => "the message could not be encrypted",
            }),
        },
    }
}
