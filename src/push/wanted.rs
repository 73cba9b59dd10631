//! Which names in a drop directory are dropped files.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use globset::{Glob, GlobSet, GlobSetBuilder};

/// Ends of names that producers give to files they are still writing.
const TEMPORARY: [&[u8]; 4] = [b".tmp", b".part", b".filepart", b"~"];

/// The patterns of `include`.
#[derive(Clone, Debug)]
pub(super) struct Wanted(GlobSet);

impl Wanted {
    /// The configuration has checked the patterns.
    pub(super) fn new(patterns: &[String]) -> Wanted {
        let mut builder = GlobSetBuilder::new();
        for glob in patterns.iter().filter_map(|pattern| Glob::new(pattern).ok()) {
            builder.add(glob);
        }
        Wanted(builder.build().unwrap_or_default())
    }

    /// Whether a name is that of a file somebody left, and included.
    pub(super) fn covers(&self, name: &OsStr) -> bool {
        let bytes = name.as_bytes();
        let left = !bytes.starts_with(b".") && !TEMPORARY.iter().any(|end| bytes.ends_with(end));
        left && self.0.is_match(Path::new(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(patterns: &[&str]) -> Wanted {
        Wanted::new(&patterns.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn temporary_names_are_not_dropped_files() {
        let all = wanted(&["*"]);
        for name in ["a.xml", "a", "a.tmp.xml", "ü.xml", "a b.xml", "-"] {
            assert!(all.covers(OsStr::new(name)), "{name}");
        }
        for name in [".a.xml", "a.xml.tmp", "a.part", "a.xml.filepart", "a.xml~", "."] {
            assert!(!all.covers(OsStr::new(name)), "{name}");
        }
        assert!(all.covers(OsStr::from_bytes(b"\xff.xml")));
    }

    #[test]
    fn only_included_names_are_dropped_files() {
        let some = wanted(&["*.xml", "report-*"]);
        assert!(some.covers(OsStr::new("a.xml")));
        assert!(some.covers(OsStr::new("report-1.json")));
        assert!(!some.covers(OsStr::new("a.json")));
    }
}
