//! Frames: what Noise encrypts as one piece, with its length in three bytes in front. They are cut
//! out of the stream of bytes whatever the WebSocket messages were, after the prologue with which a
//! client opens the stream.

use anyhow::{Result, ensure};
use bytes::{Buf, BytesMut};
use wacore_binary::consts::WA_CONN_HEADER;

/// The longest frame taken from a client. An upload of 800 keys has 32 kB.
const MAX_FRAME: usize = 1 << 20;

/// Marks a prologue with routing information in front.
const ROUTING_MARK: &[u8] = b"ED\0\x01";

/// The bytes that have come in and not been used yet.
#[derive(Default)]
pub(crate) struct Frames {
    buffer: BytesMut,
    is_open: bool,
}

impl Frames {
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame.
    pub(crate) fn take(&mut self) -> Result<Option<BytesMut>> {
        if !self.is_open && !self.skip_prologue()? {
            return Ok(None);
        }
        let Some(length) = length_at(&self.buffer, 0) else { return Ok(None) };
        ensure!(length <= MAX_FRAME, "a frame of {length} bytes");
        if self.buffer.len() < 3 + length {
            return Ok(None);
        }
        self.buffer.advance(3);
        Ok(Some(self.buffer.split_to(length)))
    }

    /// Whether the prologue has been there.
    fn skip_prologue(&mut self) -> Result<bool> {
        let mut start = 0;
        if self.buffer.starts_with(ROUTING_MARK) {
            let Some(length) = length_at(&self.buffer, ROUTING_MARK.len()) else { return Ok(false) };
            ensure!(length <= MAX_FRAME, "routing information of {length} bytes");
            start = ROUTING_MARK.len() + 3 + length;
        }
        let Some(header) = self.buffer.get(start..start + WA_CONN_HEADER.len()) else { return Ok(false) };
        ensure!(header == WA_CONN_HEADER, "the prologue is {header:02x?}");
        self.buffer.advance(start + WA_CONN_HEADER.len());
        self.is_open = true;
        Ok(true)
    }
}

fn length_at(bytes: &[u8], start: usize) -> Option<usize> {
    let bytes = bytes.get(start..start + 3)?;
    Some(bytes.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte)))
}
