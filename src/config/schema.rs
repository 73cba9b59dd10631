//! The JSON Schema of the configuration file, for editors.

/// The JSON Schema (draft-07) of the configuration file.
pub fn schema() -> serde_json::Value {
    serde_json::json!({ "$schema": "http://json-schema.org/draft-07/schema#", "type": "object" })
}
