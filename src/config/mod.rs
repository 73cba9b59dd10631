//! The configuration file: TOML to [`Config`], every mistake at once.

mod model;

pub use model::*;
