//! Directories that are one, or inside one another, because of a symbolic link: what one side writes the other would
//! take for its own. Where the paths alone say so, the configuration is refused before.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::store::disk::real;

/// Refuses a configuration whose directories are not really apart from each other.
pub(super) fn check(config: &Config) -> Result<(), String> {
    let directories = directories(config);
    let mut known: HashMap<&Path, &str> = HashMap::new();
    for (key, path, real) in &directories {
        if let Some(other) = known.insert(real, key) {
            return Err(clash(key, path, real, &format!("the same directory as {other}")));
        }
    }
    for (key, path, real) in &directories {
        if let Some(other) = real.ancestors().skip(1).find_map(|outer| known.get(outer)) {
            return Err(clash(key, path, real, &format!("inside {other}")));
        }
    }
    Ok(())
}

/// The key of each directory, its path as it is written, and the path that leads there without a link.
fn directories(config: &Config) -> Vec<(String, &Path, PathBuf)> {
    let outputs = config.feeds.iter().map(|(name, feed)| (format!("feeds.{name}.output"), feed.output.as_path()));
    let drops = config.drops.iter().map(|(name, drop)| (format!("drops.{name}.path"), drop.path.as_path()));
    let state_dir = ("state_dir".to_owned(), config.state_dir.as_path());
    std::iter::once(state_dir).chain(outputs).chain(drops).map(|(key, path)| (key, path, real(path))).collect()
}

fn clash(key: &str, path: &Path, real: &Path, how: &str) -> String {
    let (path, real) = (path.display(), real.display());
    format!("{key}: {path} leads to {real}, {how}; allowed: directories apart from each other")
}
