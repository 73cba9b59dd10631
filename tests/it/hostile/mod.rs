//! Nothing hostile gets through: the real binary against servers and drop directories that mean harm.

mod drops;
mod http;
mod lab;
mod leaks;
mod login;
mod xml;
