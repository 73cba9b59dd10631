//! What is in the program came from where it should, under licences that `deny.toml` allows, and nothing that it bans.
//!
//! cargo-deny says the same and more; this needs no network and nothing installed.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn read(name: &str) -> toml::Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

fn locked() -> Vec<toml::Value> {
    read("Cargo.lock")["package"].as_array().unwrap().clone()
}

#[test]
fn every_dependency_comes_from_the_registry_with_a_checksum() {
    let registry = read("deny.toml")["sources"]["allow-registry"][0].as_str().unwrap().to_owned();
    for package in locked() {
        let name = package["name"].as_str().unwrap();
        if name == env!("CARGO_PKG_NAME") {
            continue;
        }
        assert_eq!(package["source"].as_str(), Some(format!("registry+{registry}").as_str()), "{name}");
        assert!(package.get("checksum").is_some(), "{name} has no checksum");
    }
}

#[test]
fn nothing_that_is_banned_is_locked() {
    let banned = read("deny.toml")["bans"]["deny"].as_array().unwrap().clone();
    assert!(banned.len() > 3);
    for ban in &banned {
        let below = ban.get("version").map(|version| numbers(version.as_str().unwrap().strip_prefix('<').unwrap()));
        for package in locked().iter().filter(|package| package["name"] == ban["name"]) {
            let version = package["version"].as_str().unwrap();
            let fine = below.as_ref().is_some_and(|below| numbers(version) >= *below);
            assert!(fine, "{} {version}: {}", ban["name"], ban["reason"]);
        }
    }
}

fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map(|number| number.parse().unwrap()).collect()
}

#[test]
fn every_dependency_has_a_licence_that_is_allowed() {
    let arguments =
        ["metadata", "--format-version=1", "--offline", "--locked", "--filter-platform=x86_64-unknown-linux-gnu"];
    let listed = Command::new(env!("CARGO")).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    if !listed.status.success() {
        println!("skipped: cargo metadata: {}", String::from_utf8_lossy(&listed.stderr));
        return;
    }
    let metadata: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let allowed: Vec<_> = read("deny.toml")["licenses"]["allow"].as_array().unwrap().clone();
    let allowed: Vec<_> = allowed.iter().map(|licence| licence.as_str().unwrap()).collect();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100, "{}", packages.len());
    for package in packages {
        let licence = package["license"].as_str().unwrap_or_default();
        assert!(is_allowed(licence, &allowed), "{} is under {licence:?}", package["name"]);
    }
}

/// Whether an SPDX expression can be met: one side of each OR, both sides of each AND. Before SPDX a slash meant OR.
fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<_> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    either(&mut rest, allowed) && rest.is_empty()
}

fn either(words: &mut &[&str], allowed: &[&str]) -> bool {
    let mut met = both(words, allowed);
    while words.first().is_some_and(|word| *word == "OR") {
        *words = &words[1..];
        met |= both(words, allowed);
    }
    met
}

fn both(words: &mut &[&str], allowed: &[&str]) -> bool {
    let mut met = one(words, allowed);
    while words.first().is_some_and(|word| *word == "AND") {
        *words = &words[1..];
        met &= one(words, allowed);
    }
    met
}

fn one(words: &mut &[&str], allowed: &[&str]) -> bool {
    let Some((&first, rest)) = words.split_first() else { return false };
    *words = rest;
    if first == "(" {
        let met = either(words, allowed);
        *words = words.get(1..).unwrap_or_default();
        return met;
    }
    if let [with @ "WITH", exception, ..] = *rest {
        *words = &rest[2..];
        return allowed.contains(&format!("{first} {with} {exception}").as_str());
    }
    allowed.contains(&first)
}

#[test]
fn licence_expressions_are_read_as_spdx_has_them() {
    let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"];
    for good in
        ["MIT", "MIT OR GPL-3.0", "GPL-3.0/MIT", "ISC AND (GPL-3.0 OR MIT)", "Apache-2.0 WITH LLVM-exception OR X"]
    {
        assert!(is_allowed(good, &allowed), "{good}");
    }
    for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "ISC AND (GPL-3.0 OR X)", "Apache-2.0", "MIT MIT"] {
        assert!(!is_allowed(bad, &allowed), "{bad}");
    }
}
