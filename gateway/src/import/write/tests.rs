//! How values are written.
