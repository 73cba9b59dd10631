//! `retry`: failed files go back into their drop directory. The agent may be at work: it finds them as any other file.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use serde::Deserialize;

use super::output::{Say, complain};
use super::{End, Result, load};
use crate::agent;
use crate::config::{self, Config};
use crate::store::StoreError;
use crate::store::disk::show;
use crate::store::failed::Failed;
use crate::store::ledger::Ledger;

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
    drop: &'a str,
    failed: &'a Failed,
    name: OsString,
}

/// Puts failed files back.
pub(super) fn retry(file: &Path, wanted: &[OsString], all: bool) -> Result<End> {
    let config = load(file)?.config;
    let mut bad = Vec::new();
    let directories = directories(&config, &mut bad);
    let mut found = Vec::new();
    for Directory { name: drop, settings, failed, files } in &directories {
        let meant = |name: &OsString| all || wanted.iter().any(|wanted| is_meant(wanted, &settings.path, name));
        let files = files.iter().filter(|name| meant(name));
        found.extend(files.map(|name| Found { drop, failed, name: name.clone() }));
    }
    let missing: Vec<&OsString> =
        wanted.iter().filter(|wanted| !found.iter().any(|found| file_name(wanted) == found.name)).collect();
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

/// A drop directory with its failed files.
struct Directory<'c> {
    name: &'c str,
    settings: &'c config::Drop,
    failed: Failed,
    files: Vec<OsString>,
}

/// Those that can be looked into; the `bad` ones do not hold them up.
fn directories<'c>(config: &'c Config, bad: &mut Vec<(&'c str, StoreError)>) -> Vec<Directory<'c>> {
    let mut directories = Vec::new();
    for (name, settings) in &config.drops {
        let opened = Failed::open(&settings.path).and_then(|failed| {
            failed.map(|failed| failed.names().map(|files| Directory { name, settings, failed, files })).transpose()
        });
        match opened {
            Ok(directory) => directories.extend(directory),
            Err(error) => bad.push((name, error)),
        }
    }
    directories
}

/// A name means any failed file of this name; a path means the one it leads to.
fn is_meant(wanted: &OsStr, drop: &Path, name: &OsStr) -> bool {
    let path = Path::new(wanted);
    if path.components().count() < 2 {
        return wanted == name;
    }
    let absolute = |path: &Path| std::path::absolute(path).ok();
    absolute(path).is_some_and(|path| Some(path) == absolute(&drop.join("failed").join(name)))
}

fn file_name(wanted: &OsStr) -> &OsStr {
    Path::new(wanted).file_name().unwrap_or(wanted)
}

fn say_ambiguous(found: &[Found<'_>], wanted: &[OsString]) {
    for name in wanted {
        let drops: Vec<&str> = found.iter().filter(|found| found.name == *name).map(|found| found.drop).collect();
        if drops.len() > 1 {
            let (count, drops) = (drops.len(), drops.join(", "));
            Say::new(true)
                .line(&format!("{} is in {count} drop directories ({drops}): all of them go back", show(name)));
        }
    }
}

/// What inboxes have the file is noted first: once it is back, the agent may take it in at once.
fn put_back(ledger: &Ledger, found: &Found<'_>) -> Result<End> {
    let Found { drop, failed, name } = found;
    if let (Some(inode), Some(receipt)) = (failed.inode(name)?, failed.receipt(name)?)
        && let Some((sha256, inboxes)) = accepted(&receipt)
    {
        let directory = ledger.drop_directory(drop)?;
        ledger.note_settled_before(directory, inode, &sha256, &inboxes)?;
    }
    match failed.put_back(name)? {
        Some(back) if back == *name => Say::new(false).line(&format!("{}: back in drop directory {drop}", show(name))),
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

    #[test]
    fn a_path_means_one_file_and_a_name_every_file_of_that_name() {
        let drop = Path::new("/drop/one");
        let name = OsStr::new("a.xml");
        assert!(is_meant(OsStr::new("a.xml"), drop, name));
        assert!(is_meant(OsStr::new("/drop/one/failed/a.xml"), drop, name));
        assert!(!is_meant(OsStr::new("/drop/two/failed/a.xml"), drop, name));
        assert!(!is_meant(OsStr::new("b.xml"), drop, name));
    }
}
