//! What a user sees of a push, whatever the server does.
