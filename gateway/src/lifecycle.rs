//! The life of the process: signals, service manager, file watching, the way out.

pub mod drain;
pub mod signals;
pub mod systemd;
pub mod watch;
