//! The table of keys as a JSON Schema, for editors.

use serde_json::{Map, Value, json};

use super::kind::{HEADER_FORMS, Key, Kind, NAME_PATTERN};
use super::model::{Config, Drop, Feed, Inbox, Server};
use super::{json, keys};

/// The JSON Schema (draft-07) of the configuration file.
pub fn schema() -> Value {
    let mut schema = table(keys::FILE, &json::explain_json(&Config::default()));
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("$schema".into(), json!("http://json-schema.org/draft-07/schema#"));
        schema.insert("title".into(), json!("Configuration of taxii-sync"));
    }
    schema
}

/// A table with these keys. `defaults` is the same table as it is where nothing is written.
fn table(keys: &[Key], defaults: &Value) -> Value {
    let mut properties = Map::new();
    for key in keys {
        for name in key.written_as() {
            let default = defaults.get(&name).unwrap_or(&Value::Null);
            let mut property = kind(key, &name, default);
            if let Some(property) = property.as_object_mut() {
                property.insert("description".into(), json!(key.says));
                if !key.required && !default.is_null() && !default.is_object() {
                    property.insert("default".into(), default.clone());
                }
            }
            properties.insert(name, property);
        }
    }
    let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    let one = |key: &Key| matches!(key.kind, Kind::Secret);
    let required: Vec<&str> = keys.iter().filter(|key| key.required && !one(key)).map(|key| key.name).collect();
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    let mut rules: Vec<Value> = keys.iter().filter(|key| one(key)).map(one_form).collect();
    if keys.iter().any(|key| key.name == "cron") {
        rules.push(json!({ "not": { "required": ["every", "cron"] } }));
    }
    if !rules.is_empty() {
        schema["allOf"] = json!(rules);
    }
    schema
}

/// One form of the secret, or none where it is not required.
fn one_form(key: &Key) -> Value {
    let mut forms: Vec<Value> = key.written_as().iter().map(|form| json!({ "required": [form] })).collect();
    if !key.required {
        forms.push(json!({ "not": { "anyOf": forms } }));
    }
    json!({ "oneOf": forms })
}

fn kind(key: &Key, name: &str, defaults: &Value) -> Value {
    match &key.kind {
        Kind::Secret if name.ends_with("_env") => one_kind(&Kind::Variable),
        Kind::Secret if name.ends_with("_credential") => one_kind(&Kind::Credential),
        Kind::Table(keys) => table(keys, defaults),
        Kind::Tagged { shapes, .. } => {
            let shapes: Vec<Value> = shapes
                .iter()
                .map(|(tag, keys)| {
                    let mut shape = table(keys, &Value::Null);
                    shape["properties"]["type"] = json!({ "const": tag });
                    shape
                })
                .collect();
            json!({ "type": "object", "oneOf": shapes })
        }
        Kind::Named(keys) => {
            let defaults = match name {
                "servers" => json::server(&Server::default()),
                "feeds" => json::feed(&Feed::default()),
                "inboxes" => json::inbox(&Inbox::default()),
                _ => json::drop_directory(&Drop::default()),
            };
            json!({
                "type": "object",
                "propertyNames": { "pattern": NAME_PATTERN },
                "additionalProperties": table(keys, &defaults),
            })
        }
        kind => one_kind(kind),
    }
}

fn one_kind(kind: &Kind) -> Value {
    let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    match kind {
        Kind::Text { empty: true } | Kind::Path { empty: true } => json!({ "type": "string" }),
        Kind::Word(words) => json!({ "enum": words }),
        Kind::Form { pattern, .. } => text(pattern),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Number { least, most } => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Kind::Duration { .. } => text("^[0-9]+(ms|s|m|h|d|w)$"),
        Kind::Size { .. } => text("^[0-9]+(KiB|MiB|GiB)$"),
        Kind::Url => text("^[Hh][Tt][Tt][Pp][Ss]?://[^@#]+$"),
        Kind::Origin => text("^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@]+/?$"),
        Kind::List { of, least } => json!({ "type": "array", "items": one_kind(of), "minItems": least }),
        Kind::Variable => text("^[A-Za-z_][A-Za-z0-9_]*$"),
        Kind::Credential => text("^[^/]+$"),
        Kind::Headers => {
            let forms: Map<String, Value> = HEADER_FORMS
                .iter()
                .map(|form| ((*form).to_owned(), json!({ "type": "string", "minLength": 1 })))
                .collect();
            let table = json!({
                "type": "object",
                "properties": forms,
                "additionalProperties": false,
                "minProperties": 1,
                "maxProperties": 1,
            });
            let field = json!({ "oneOf": [{ "type": "string", "minLength": 1 }, table] });
            json!({ "type": "object", "additionalProperties": field })
        }
        _ => json!({ "type": "string", "minLength": 1 }),
    }
}
