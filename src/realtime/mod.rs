//! What the outside may watch: a closed list of events, and the bus that carries them.

pub mod bus;
pub mod event;

pub use bus::Bus;
pub use event::Event;
