//! What the outside may watch: a closed list of events, the bus that carries them to who watches
//! on this node and on others, and the Socket.IO clients that hear them.

pub mod bus;
mod due;
pub mod emission;
pub mod event;
mod listener;
pub mod nodes;
pub mod socketio;
pub mod transport;
pub mod view;

pub use bus::Bus;
pub use event::{Event, News};
