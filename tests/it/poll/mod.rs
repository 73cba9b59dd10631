//! What a user sees of a poll, whatever the server does.

mod bodies;
mod contents;
mod crash;
mod cursor;
mod files;
mod found;
mod health;
mod parts;
mod pending;
mod range;
mod replies;
mod requests;
