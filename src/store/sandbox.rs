//! The process locks itself in, where the kernel offers it (Landlock, since Linux 5.19): from then on a flaw in a parser
//! reads and writes no more of the file system than the agent itself has business with.
//!
//! A rule belongs to a directory, not to its path: one that is replaced or mounted anew is another one. So what is let
//! in is the directory that *holds* a path of the configuration, and an output directory that an operator makes again,
//! or a password file that is renamed into place, is found as before.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus, make_bitflags, path_beneath_rules,
};

use super::disk::{is_there, real};

/// What the C library, the resolver, TLS and the local time read. Some of it is replaced while the agent runs.
const SYSTEM: [&str; 11] = [
    "/etc",
    "/usr",
    "/lib",
    "/lib64",
    "/nix/store",
    "/gnu/store",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
    "/run/nscd",
    "/var/lib/sss",
];

/// Where SQLite sorts what does not fit into its cache.
const TEMPORARY: [&str; 2] = ["/tmp", "/var/tmp"];

/// The system keeps links here to its own directories, such as `/var/run`, and turns none of them.
const OF_THE_SYSTEM: [&str; 2] = ["/", "/var"];

/// Opening and listing, and not to execute: the agent starts no program.
const READ: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir});

/// Everything. Where a rule lets in everything the kernel looks no further up, which makes a poll 5 % faster; whoever can
/// write a program there, and so is in this process, has no need to execute it.
const WRITE: ABI = ABI::V3;

/// Why the process is not locked in.
#[derive(Debug, thiserror::Error)]
pub enum Unconfined {
    /// The kernel has no Landlock, or only the first, which forbids every rename from one directory to another.
    #[error("the kernel does not offer it")]
    NotOffered,
    /// It has, and something else is wrong.
    #[error("{0}")]
    Failed(#[from] RulesetError),
}

/// The directories that are let in, by their real paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sandbox {
    read: Vec<PathBuf>,
    write: Vec<PathBuf>,
}

impl Sandbox {
    /// Around what these files and directories need: `read` is only read, `write` is read, written and made. The `busy`
    /// ones lie within `write`, and files are made in them all the time: with rules of their own the kernel finds what
    /// it looks for at once.
    pub fn around(read: &[PathBuf], write: &[PathBuf], busy: &[PathBuf]) -> Sandbox {
        // A secret may be a link, or lie behind one, that is turned to another directory when it is rotated.
        let mut links = BTreeSet::new();
        read.iter().for_each(|path| note_links(&real(Path::new(".")).join(path), &mut links));
        let holders = read.iter().chain(&links).filter_map(|path| path.parent().map(real));
        let beside_links = holders.filter(|path| !OF_THE_SYSTEM.contains(&path.to_str().unwrap_or_default()));
        let resolver = holder(Path::new("/etc/resolv.conf"));
        let system = SYSTEM.iter().map(PathBuf::from).chain([resolver]);
        let elsewhere = ["SQLITE_TMPDIR", "TMPDIR"].into_iter().filter_map(std::env::var_os).map(PathBuf::from);
        let temporary = TEMPORARY.iter().map(PathBuf::from).chain(elsewhere);
        Sandbox {
            read: read.iter().map(|path| holder(path)).chain(beside_links).chain(system).collect(),
            write: write
                .iter()
                .map(|path| holder(path))
                .chain(busy.iter().map(|path| real(path)))
                .chain(temporary)
                .collect(),
        }
    }

    /// Locks the calling thread in, and every thread that it starts from now on. There is no way back.
    pub fn enforce(&self) -> Result<(), Unconfined> {
        let created = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(ABI::V2));
        let Ok(created) = created else { return Err(Unconfined::NotOffered) };
        let status = created
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(WRITE))?
            .create()?
            .add_rules(path_beneath_rules(&self.read, READ))?
            .add_rules(path_beneath_rules(&self.write, AccessFs::from_all(WRITE)))?
            .restrict_self()?;
        match status.ruleset {
            RulesetStatus::NotEnforced => Err(Unconfined::NotOffered),
            _ => Ok(()),
        }
    }

    /// The first of these paths that is out of reach: of `read` to be read, of `write` to be written.
    pub fn outside<'a>(&self, read: &'a [PathBuf], write: &'a [PathBuf]) -> Option<&'a Path> {
        let within = |path: &Path, let_in: &[PathBuf]| let_in.iter().any(|directory| real(path).starts_with(directory));
        let written = write.iter().find(|path| !within(path, &self.write));
        let read = || read.iter().find(|path| !within(path, &self.read) && !within(path, &self.write));
        written.or_else(read).map(PathBuf::as_path)
    }
}

/// Adds the symbolic links on the way to a file, those behind links too, each by the real path of its directory.
#[expect(clippy::disallowed_methods, reason = "a link is read, not followed")]
fn note_links(path: &Path, links: &mut BTreeSet<PathBuf>) {
    for part in path.ancestors() {
        let (Some(parent), Some(name), Ok(target)) = (part.parent(), part.file_name(), part.read_link()) else {
            continue;
        };
        let parent = real(parent);
        if links.insert(parent.join(name)) {
            note_links(&parent.join(target), links);
        }
    }
}

/// The directory that holds a path, or the nearest above it that is there. What lies in the root directory is let in
/// itself: nothing would be left outside otherwise.
fn holder(path: &Path) -> PathBuf {
    let path = real(path);
    let there = |path: &&Path| is_there(path).unwrap_or(false);
    match path.ancestors().skip(1).find(there) {
        Some(above) if above != Path::new("/") => above.to_owned(),
        above if there(&path.as_path()) || above.is_none() => path,
        _ => PathBuf::from("/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_let_in_is_the_directory_that_holds_a_path() {
        let site = tempfile::tempdir().unwrap();
        let root = real(site.path());
        assert_eq!(holder(&root.join("output")), root, "it may be made, and made again");
        assert_eq!(holder(&root.join("not/there/yet")), root);
        assert_eq!(holder(Path::new("/usr")), Path::new("/usr"));
        assert_eq!(holder(Path::new("/no-such-directory")), Path::new("/"));
    }

    #[test]
    fn no_program_of_the_system_can_be_started() {
        let started = std::thread::spawn(|| {
            let site = tempfile::tempdir().unwrap();
            match Sandbox::around(&[], &[site.path().join("output")], &[]).enforce() {
                Err(Unconfined::NotOffered) => None,
                entered => entered.map(|()| Some(std::process::Command::new("/bin/true").status())).unwrap(),
            }
        });
        let Some(started) = started.join().unwrap() else { return };
        assert_eq!(started.unwrap_err().kind(), std::io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn a_link_on_the_way_may_be_turned() {
        let site = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let at = |name: &str| site.path().join(name);
        for directory in ["secrets", "data/v1", "data/v2", "elsewhere"] {
            std::fs::create_dir_all(at(directory)).unwrap();
            std::fs::write(at(directory).join("password"), "secret").unwrap();
        }
        let turn = |link: &str, target: &str| {
            let _ = std::fs::remove_file(at(link));
            std::os::unix::fs::symlink(target, at(link)).unwrap();
        };
        turn("secrets/current", "../data/latest");
        turn("data/latest", "v1");
        let secret = [at("secrets/current/password")];
        let sandbox = Sandbox::around(&secret, &[], &[]);
        assert_eq!(sandbox.outside(&secret, &[]), None);
        turn("data/latest", "v2");
        assert_eq!(sandbox.outside(&secret, &[]), None, "the link behind the link");
        std::fs::create_dir(at("secrets/v3")).unwrap();
        turn("secrets/current", "v3");
        assert_eq!(sandbox.outside(&secret, &[]), None);
        turn("secrets/current", "../elsewhere");
        assert_eq!(sandbox.outside(&secret, &[]), Some(secret[0].as_path()));
        turn("secrets/current", "current/current");
        assert_eq!(
            Sandbox::around(&secret, &[], &[]).outside(&secret, &[]),
            None,
            "it leads nowhere, and is gone through once"
        );
    }

    #[test]
    fn a_path_outside_is_named() {
        let site = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let at = |name: &str| vec![site.path().join(name)];
        let sandbox = Sandbox::around(&at("secrets/password"), &at("spool/indicators"), &[]);
        assert_eq!(sandbox.outside(&at("secrets/other"), &at("spool/new")), None);
        let elsewhere = vec![PathBuf::from("/var/lib/elsewhere/output")];
        assert_eq!(sandbox.outside(&[], &elsewhere), Some(elsewhere[0].as_path()));
        assert_eq!(sandbox.outside(&elsewhere, &[]), Some(elsewhere[0].as_path()));
        let system = vec![PathBuf::from("/etc/ssl/certs/ca-certificates.crt")];
        assert_eq!(sandbox.outside(&system, &[]), None);
        assert_eq!(sandbox.outside(&[], &system), Some(system[0].as_path()), "to be read, not to be written");
    }
}
