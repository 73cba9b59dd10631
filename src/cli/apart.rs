//! Directories that are one, or inside one another, because of a symbolic link: what one side writes the other would
//! take for its own. Where the paths alone say so, the configuration is refused anyhow.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::config::{Clash, Config, join};
use crate::store::disk::real;

const STATE_DIR: &str = "state_dir";
/// A file, which may lie in the state directory.
const TEXTFILE: &str = "metrics.textfile";

/// A directory: its key, its path as it is written, and the path that leads there without a link.
struct Directory<'c> {
    key: String,
    path: &'c Path,
    real: PathBuf,
}

/// Finds the directories of a configuration that are not really apart from each other.
pub(super) fn clashes(config: &Config) -> Vec<Clash> {
    let directories = directories(config);
    let mut clashes = Vec::new();
    let mut known: HashMap<&Path, &str> = HashMap::new();
    for directory in &directories {
        match known.get(directory.real.as_path()) {
            Some(other) => clashes.push(directory.clash(other, "the same directory as")),
            None => drop(known.insert(&directory.real, &directory.key)),
        }
    }
    let textfile = config.metrics_textfile.as_deref();
    let textfile = textfile.map(|path| Directory { key: TEXTFILE.to_owned(), path, real: real(path) });
    for directory in directories.iter().chain(&textfile) {
        let outer = directory.real.ancestors().skip(1).filter_map(|outer| known.get(outer));
        let clashing = outer.filter(|other| directory.key != TEXTFILE || **other != STATE_DIR);
        clashes.extend(clashing.map(|other| directory.clash(other, "inside")));
    }
    clashes
}

fn directories(config: &Config) -> Vec<Directory<'_>> {
    let state_dir = (STATE_DIR.to_owned(), config.state_dir.as_path());
    let outputs = config.feeds.iter().map(|(name, feed)| (join(&join("feeds", name), "output"), feed.output.as_path()));
    let drops = config.drops.iter().map(|(name, drop)| (join(&join("drops", name), "path"), drop.path.as_path()));
    let all = std::iter::once(state_dir).chain(outputs).chain(drops);
    all.map(|(key, path)| Directory { key, path, real: real(path) }).collect()
}

impl Directory<'_> {
    fn clash(&self, other: &str, how: &str) -> Clash {
        let how = format!("leads to {}, {how}", self.real.display());
        Clash { key: self.key.clone(), path: self.path.to_owned(), other: other.to_owned(), how }
    }
}
