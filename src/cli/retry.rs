//! `retry`: failed files go back into their drop directory. The agent may be at work: it finds them as any other file.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::output::{Say, complain};
use super::{End, Result, load};
use crate::agent;
use crate::config::{self, Config};
use crate::store::StoreError;
use crate::store::disk::{real, show};
use crate::store::failed::Failed;
use crate::store::ledger::Ledger;
use crate::store::names;

/// A receipt, as far as it is needed.
#[derive(Deserialize)]
struct Receipt {
    sha256: Option<String>,
    inboxes: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    inbox: String,
    outcome: String,
}

/// One failed file.
struct Found<'a> {
    directory: &'a Directory<'a>,
    name: &'a OsString,
}

/// A drop directory with its failed files.
struct Directory<'c> {
    name: &'c str,
    failed: Failed,
    /// The path that leads to `failed/` without a link.
    real: PathBuf,
    files: Vec<OsString>,
}

/// What an argument means: a name any failed file that is called so, a path the one it leads to, whatever links and `..`
/// are on the way.
struct Meaning<'w> {
    wanted: &'w OsStr,
    name: OsString,
    /// The directory where it lies; `None`: in any.
    inside: Option<PathBuf>,
}

/// Puts failed files back.
pub(super) fn retry(file: &Path, wanted: &[OsString], all: bool) -> Result<End> {
    let config = load(file)?.config;
    let mut bad = Vec::new();
    let directories = directories(&config, &mut bad);
    let meanings: Vec<Meaning<'_>> = wanted.iter().map(|wanted| Meaning::of(wanted)).collect();
    let found = found(&directories, &meanings, all);
    let missing = missing(&meanings, &found);
    say_ambiguous(&found, wanted);
    let mut end = if missing.is_empty() && bad.is_empty() { End::Good } else { End::Failed };
    if found.is_empty() && all && bad.is_empty() {
        Say::new(false).line("there are no failed files");
    }
    // Also while the agent writes it: both wait for each other's transactions.
    let ledger = if found.is_empty() { None } else { Some(agent::open_ledger(&config.state_dir)?) };
    for one in &found {
        if let Some(ledger) = &ledger
            && put_back(ledger, one)? == End::Failed
        {
            end = End::Failed;
        }
    }
    for name in missing {
        complain(&unknown(name, &directories), "`ls DROP/failed` shows what is there");
    }
    for (drop, error) in bad {
        complain(&format!("drop directory {drop}: cannot {error}"), error.hint());
    }
    Ok(end)
}

/// Those that can be looked into; the `bad` ones do not hold them up.
fn directories<'c>(config: &'c Config, bad: &mut Vec<(&'c str, StoreError)>) -> Vec<Directory<'c>> {
    let mut directories = Vec::new();
    for (name, settings) in &config.drops {
        let real = real(&settings.path.join("failed"));
        let opened = Failed::open(&settings.path).and_then(|failed| {
            failed.map(|failed| failed.names().map(|files| Directory { name, failed, real, files })).transpose()
        });
        match opened {
            Ok(directory) => directories.extend(directory),
            Err(error) => bad.push((name, error)),
        }
    }
    directories
}

impl Meaning<'_> {
    fn of(wanted: &OsStr) -> Meaning<'_> {
        let path = Path::new(wanted);
        if path.components().count() < 2 {
            return Meaning { wanted, name: wanted.to_owned(), inside: None };
        }
        let path = real(path);
        let name = path.file_name().unwrap_or_default().to_owned();
        Meaning { wanted, name, inside: path.parent().map(Path::to_owned) }
    }

    fn may_be_in(&self, directory: &Directory<'_>) -> bool {
        self.inside.as_ref().is_none_or(|inside| *inside == directory.real)
    }
}

/// The files that go back, each once.
fn found<'d>(directories: &'d [Directory<'_>], meanings: &[Meaning<'_>], all: bool) -> Vec<Found<'d>> {
    let mut found = Vec::new();
    for directory in directories {
        let here = meanings.iter().filter(|meaning| meaning.may_be_in(directory));
        let meant: HashSet<&OsString> = here.map(|meaning| &meaning.name).collect();
        let files = directory.files.iter().filter(|name| all || meant.contains(name));
        found.extend(files.map(|name| Found { directory, name }));
    }
    found
}

/// The arguments that lead to no failed file. The receipt of one that goes back is none of them: `failed/*` names both.
fn missing<'w>(meanings: &[Meaning<'w>], found: &[Found<'_>]) -> Vec<&'w OsStr> {
    let mut known: HashMap<OsString, Vec<&Directory<'_>>> = HashMap::new();
    for Found { directory, name } in found {
        known.entry((*name).clone()).or_default().push(directory);
        known.entry(names::receipt(name)).or_default().push(directory);
    }
    let leads_nowhere = |meaning: &&Meaning<'_>| {
        !known.get(&meaning.name).is_some_and(|there| there.iter().any(|directory| meaning.may_be_in(directory)))
    };
    meanings.iter().filter(leads_nowhere).map(|meaning| meaning.wanted).collect()
}

fn say_ambiguous(found: &[Found<'_>], wanted: &[OsString]) {
    for name in wanted {
        let same = found.iter().filter(|found| found.name == name);
        let drops: Vec<&str> = same.map(|found| found.directory.name).collect();
        if drops.len() > 1 {
            let (count, drops) = (drops.len(), drops.join(", "));
            Say::new(true)
                .line(&format!("{} is in {count} drop directories ({drops}): all of them go back", show(name)));
        }
    }
}

/// What inboxes have the file is noted first: once it is back, the agent may take it in at once.
fn put_back(ledger: &Ledger, found: &Found<'_>) -> Result<End> {
    let Found { directory: Directory { name: drop, failed, .. }, name } = found;
    if let (Some(inode), Some(receipt)) = (failed.inode(name)?, failed.receipt(name)?)
        && let Some((sha256, inboxes)) = accepted(&receipt)
    {
        let directory = ledger.drop_directory(drop)?;
        ledger.note_settled_before(directory, inode, &sha256, &inboxes)?;
    }
    match failed.put_back(name)? {
        Some(back) if back == **name => Say::new(false).line(&format!("{}: back in drop directory {drop}", show(name))),
        Some(back) => {
            Say::new(false).line(&format!("{}: back in drop directory {drop}, as {}", show(name), show(&back)));
        }
        None => {
            complain(&format!("{} is no longer in failed/ of drop directory {drop}", show(name)), "");
            return Ok(End::Failed);
        }
    }
    Ok(End::Good)
}

/// The inboxes that have the file, by its receipt. A receipt that cannot be read says nothing, and nothing is lost: the
/// file is sent once more.
fn accepted(receipt: &[u8]) -> Option<([u8; 32], Vec<String>)> {
    let Receipt { sha256, inboxes } = serde_json::from_slice(receipt).ok()?;
    let good = |entry: &Entry| matches!(entry.outcome.as_str(), "accepted" | "duplicate");
    let inboxes = inboxes.into_iter().filter(good).map(|entry| entry.inbox).collect();
    Some((digest(&sha256?)?, inboxes))
}

fn digest(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(digest)
}

fn unknown(name: &OsStr, directories: &[Directory<'_>]) -> String {
    let known: HashSet<&str> = directories.iter().flat_map(|one| &one.files).filter_map(|name| name.to_str()).collect();
    let near = name.to_str().and_then(|name| config::nearest(name, known));
    let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    format!("there is no failed file {}{near}", show(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_tells_which_inboxes_have_the_file() {
        let sha256 = "0f".repeat(32);
        let receipt = format!(
            r#"{{"file":"a","sha256":"{sha256}","inboxes":[{{"inbox":"a","outcome":"accepted"}},
            {{"inbox":"b","outcome":"refused"}},{{"inbox":"c","outcome":"duplicate"}}]}}"#
        );
        assert_eq!(accepted(receipt.as_bytes()), Some(([15; 32], vec!["a".to_owned(), "c".to_owned()])));
        for damaged in ["", "{}", r#"{"sha256":null,"inboxes":[]}"#, r#"{"sha256":"zz","inboxes":[]}"#] {
            assert_eq!(accepted(damaged.as_bytes()), None, "{damaged}");
        }
    }
}
