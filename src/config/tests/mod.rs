//! The configuration room as a whole: what is right, what is wrong, what is never shown.

mod broken;
mod damage;
mod example;
mod meaning;
mod secrecy;

use super::*;

const EXAMPLE: &str = include_str!("../../../config.example.toml");

/// The example with every commented key turned on.
fn example_with_everything() -> String {
    let turn_on = |line: &'static str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => rest,
        _ => line,
    };
    EXAMPLE.lines().map(turn_on).collect::<Vec<_>>().join("\n")
}

fn parse(text: &str) -> Config {
    Config::parse(text, "config.toml").unwrap_or_else(|mistakes| panic!("{mistakes}\nin\n{text}")).config
}

fn mistakes(text: &str) -> Mistakes {
    match Config::parse(text, "config.toml") {
        Err(mistakes) => mistakes,
        Ok(_) => panic!("no mistake was found in\n{text}"),
    }
}
