//! The unit does what it says: systemd accepts it, its exposure is low, and the agent can work inside its walls.
//!
//! Without systemd-analyze the two tests that ask it say so and pass.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use taxii_sync::config::Config;

const UNIT: &str = include_str!("../../systemd/taxii-sync.service");
const TMPFILES: &str = include_str!("../../systemd/taxii-sync.tmpfiles");
const SYSUSERS: &str = include_str!("../../systemd/taxii-sync.sysusers");

/// Where the unit expects the program.
const INSTALLED: &str = "/usr/bin/taxii-sync";

/// The values of a key of the unit, over all its lines.
fn values(key: &str) -> Vec<&'static str> {
    let lines = UNIT.lines().filter_map(|line| line.split_once('=')).filter(|(name, _)| *name == key);
    lines.flat_map(|(_, value)| value.split_whitespace()).collect()
}

/// What `systemd-analyze` says, or a line that it is not there.
fn analyze(arguments: &[&str], unit: &Path) -> Option<Output> {
    match Command::new("systemd-analyze").args(arguments).arg(unit).env("SYSTEMD_PAGER", "").output() {
        Ok(output) => Some(output),
        Err(error) => {
            println!("skipped: systemd-analyze cannot be run here ({error})");
            None
        }
    }
}

/// The unit as it is installed, but with the program where it was built.
fn unit_in(directory: &Path) -> PathBuf {
    let unit = directory.join("taxii-sync.service");
    std::fs::write(&unit, UNIT.replace(INSTALLED, env!("CARGO_BIN_EXE_taxii-sync"))).unwrap();
    unit
}

#[test]
fn systemd_has_nothing_to_say_against_the_unit() {
    let directory = tempfile::tempdir().unwrap();
    let Some(verified) = analyze(&["verify"], &unit_in(directory.path())) else { return };
    let said = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success() && said.is_empty(), "{said}");
}

#[test]
fn the_exposure_of_the_unit_is_at_most_one() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["security", "--offline=true", "--no-pager", "--threshold=10"];
    let Some(judged) = analyze(&arguments, &unit_in(directory.path())) else { return };
    let said = String::from_utf8_lossy(&judged.stdout);
    assert!(said.contains("Overall exposure level"), "{said}{}", String::from_utf8_lossy(&judged.stderr));
    assert!(judged.status.success(), "{said}");
}

#[test]
fn every_directory_of_the_example_is_writable_inside_the_unit() {
    let config = Config::parse(include_str!("../../config.example.toml"), "config.example.toml").unwrap().config;
    let state = format!("/var/lib/{}", values("StateDirectory")[0]);
    assert_eq!(config.state_dir, Path::new(&state));
    let writable = values("ReadWritePaths");
    let outputs = config.feeds.values().map(|feed| &feed.output);
    let drops = config.drops.values().map(|drop| &drop.path);
    for path in outputs.chain(drops) {
        // One mount for a directory and its staging: a rename from one writable path to another fails.
        assert!(writable.iter().any(|prefix| path.starts_with(prefix)), "{} is read-only for the unit", path.display());
    }
    let textfile = include_str!("../../config.example.toml").lines().find_map(|line| line.strip_prefix("#textfile = "));
    let textfile = PathBuf::from(textfile.unwrap().trim_matches('"'));
    let optional = writable.iter().filter_map(|path| path.strip_prefix('-'));
    assert!(optional.into_iter().any(|path| textfile.starts_with(path)), "{} is read-only", textfile.display());
}

#[test]
fn the_directories_the_unit_needs_are_made_for_the_user_it_runs_as() {
    let user = values("User")[0];
    assert!(SYSUSERS.lines().any(|line| line.split_whitespace().take(2).eq(["u", user])), "no user {user}");
    for path in values("ReadWritePaths").iter().filter(|path| !path.starts_with('-')) {
        let line = TMPFILES.lines().find(|line| line.split_whitespace().nth(1) == Some(path));
        let line = line.unwrap_or_else(|| panic!("nobody makes {path}, and without it the unit does not start"));
        assert_eq!(line.split_whitespace().nth(3), Some(user), "{line}");
    }
}

#[test]
fn the_unit_and_the_agent_agree_on_how_they_speak() {
    assert_eq!(values("Type"), ["notify"]);
    assert!(values("RestrictAddressFamilies").contains(&"AF_UNIX"), "READY=1 goes over a socket of the system");
    assert!(UNIT.contains("\nExecReload=/usr/bin/taxii-sync check\nExecReload=/bin/kill -HUP $MAINPID\n"));
    let stop: u64 = values("TimeoutStopSec")[0].parse().unwrap();
    assert!(stop > 20, "the agent takes up to 20 s to end");
    for call in ["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"] {
        assert!(values("SystemCallFilter").contains(&call), "{call} is in no set of systemd 252");
    }
}
