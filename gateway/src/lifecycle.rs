//! The life of the process: signals, service manager, file watching, the way out.

pub(crate) mod drain;
pub(crate) mod signals;
pub(crate) mod stage;
pub(crate) mod systemd;
pub(crate) mod watch;
