//! What the outside may watch: a closed list of events, the bus that carries them to who watches
//! on this node and on others, and the Socket.IO clients that hear them.

pub mod bus;
pub mod due;
pub mod emission;
pub mod event;
pub mod listener;
pub mod socketio;
pub mod transport;

pub use bus::Bus;
pub use event::{Event, News};
