//! Tests with real directories.
#![expect(clippy::disallowed_methods, reason = "tests look at real files from outside")]

use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use tempfile::TempDir;

use super::*;

fn dir() -> (TempDir, Dir) {
    let temporary = TempDir::new().unwrap();
    let dir = Dir::open(temporary.path()).unwrap();
    (temporary, dir)
}

#[test]
fn a_rename_replaces_nothing() {
    let (temporary, dir) = dir();
    std::fs::write(temporary.path().join("a"), "a").unwrap();
    std::fs::write(temporary.path().join("b"), "b").unwrap();
    assert_eq!(dir.rename("a", &dir, "b").unwrap(), Renamed::TargetExists);
    assert_eq!(std::fs::read_to_string(temporary.path().join("b")).unwrap(), "b");
    assert_eq!(dir.rename("a", &dir, "c").unwrap(), Renamed::Done);
    assert_eq!(std::fs::read_to_string(temporary.path().join("c")).unwrap(), "a");
}

#[test]
fn a_file_is_absent_only_in_a_directory_that_exists() {
    let (temporary, dir) = dir();
    let sub = dir.sub("sub", 0o700).unwrap();
    assert_eq!(sub.rename("a", &dir, "b").unwrap(), Renamed::SourceAbsent);
    assert!(!sub.touch("a").unwrap());
    std::fs::remove_dir(temporary.path().join("sub")).unwrap();
    assert!(sub.rename("a", &dir, "b").is_err(), "the source directory is gone");
    assert!(sub.touch("a").is_err());
    std::fs::write(temporary.path().join("c"), "c").unwrap();
    assert!(dir.rename("c", &sub, "c").is_err(), "the target directory is gone");
    assert!(temporary.path().join("c").is_file());
}

#[test]
fn only_enoent_means_absent() {
    let (temporary, dir) = dir();
    std::fs::write(temporary.path().join("file"), "").unwrap();
    let long = "n".repeat(256);
    assert!(dir.stat(&long).is_err());
    assert!(dir.read(&long).is_err());
    assert!(dir.remove(&long).is_err());
    assert!(dir.rename("file", &dir, &long).is_err());
    assert!(Dir::open_if_there(&temporary.path().join("file")).is_err(), "a file is no directory");
    assert!(Dir::open_if_there(&temporary.path().join("none")).unwrap().is_none());
}

#[test]
fn links_fifos_devices_and_directories_are_never_opened() {
    let (temporary, dir) = dir();
    let path = |name: &str| temporary.path().join(name);
    std::fs::write(path("file"), "text").unwrap();
    std::os::unix::fs::symlink(path("file"), path("link")).unwrap();
    std::os::unix::fs::symlink("/dev/tty", path("tty")).unwrap();
    std::fs::create_dir(path("dir")).unwrap();
    std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
    let mode = Mode::from_raw_mode(0o600);
    fs::mknodat(fs::CWD, path("fifo"), fs::FileType::Fifo, mode, 0).unwrap();
    for name in ["link", "tty", "dir", "socket", "fifo", "none"] {
        assert!(dir.read(name).unwrap().is_none(), "{name}");
    }
    assert!(dir.read("file").unwrap().is_some());
    assert!(dir.existing_sub("link").is_err());
}

#[test]
fn names_are_bytes() {
    let (temporary, dir) = dir();
    for name in [&b"\xff\xfe"[..], b"-rf", b"a b\nc", "e\u{301}\u{202e}".as_bytes()] {
        let name = OsStr::from_bytes(name);
        dir.create(name, 0o640).unwrap().write(b"x").unwrap();
        assert!(dir.list().unwrap().any(|found| found.unwrap() == name));
        assert_eq!(dir.rename(name, &dir, "there").unwrap(), Renamed::Done);
        assert!(dir.remove("there").unwrap());
        assert!(!dir.remove("there").unwrap());
    }
    assert_eq!(show(OsStr::from_bytes(b"a\xffb\n")), "a\\xFFb\\n");
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[test]
fn a_put_replaces_in_one_step_and_leaves_nothing_else() {
    let (temporary, dir) = dir();
    std::fs::write(temporary.path().join(".state.new"), "left by a crash").unwrap();
    dir.put("state", b"one", 0o600).unwrap();
    let inode = dir.stat("state").unwrap().unwrap().inode;
    dir.put("state", b"two", 0o640).unwrap();
    assert_ne!(dir.stat("state").unwrap().unwrap().inode, inode, "never in place");
    assert_eq!(std::fs::read_to_string(temporary.path().join("state")).unwrap(), "two");
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 1);
}

#[test]
fn a_new_file_has_its_mode_whatever_the_umask() {
    let (temporary, dir) = dir();
    dir.create("open", 0o666).unwrap();
    dir.create("closed", 0o600).unwrap();
    assert!(dir.create("open", 0o600).is_err(), "a name that exists");
    let mode = |name: &str| std::fs::metadata(temporary.path().join(name)).unwrap().mode() & 0o7777;
    assert_eq!((mode("open"), mode("closed")), (0o666, 0o600));
    for bits in [0o666, 0o640] {
        let many = Bits::new(bits);
        for name in ["first", "second"] {
            dir.create_with(name, &many).unwrap();
            assert_eq!(mode(name), bits, "{name}");
            assert!(dir.remove(name).unwrap());
        }
    }
}

#[test]
fn set_user_id_is_not_a_permission_bit() {
    let (temporary, dir) = dir();
    let path = temporary.path().join("a");
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o6755)).unwrap();
    assert_eq!(dir.stat("a").unwrap().unwrap().mode, 0o755);
    dir.restore("a", 0o604, -1_500_000_000).unwrap();
    let metadata = std::fs::metadata(&path).unwrap();
    assert_eq!(metadata.mode() & 0o7777, 0o604);
    assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (-2, 500_000_000));
}

#[test]
fn parents_are_made_and_a_link_to_a_directory_is_followed_once() {
    let (temporary, _) = dir();
    let deep = temporary.path().join("a/b/c");
    let (made, new) = Dir::make_for(&deep, 0o755, None).unwrap();
    assert!(new && made.in_place().unwrap());
    assert!(!Dir::make_for(&deep, 0o755, None).unwrap().1);
    std::os::unix::fs::symlink("a", temporary.path().join("link")).unwrap();
    assert!(Dir::make(&temporary.path().join("link/b"), 0o755).unwrap().in_place().unwrap());
}

#[test]
fn a_directory_made_for_a_group_lets_it_read_and_delete() {
    let (temporary, dir) = dir();
    let group = std::fs::metadata(temporary.path()).unwrap().gid();
    Dir::make_for(&temporary.path().join("out"), 0o755, Some(group)).unwrap();
    assert_eq!(dir.stat("out").unwrap().unwrap().mode, 0o775);
}

#[test]
fn a_directory_is_not_in_place_once_its_path_leads_elsewhere() {
    let (temporary, dir) = dir();
    let sub = dir.sub("sub", 0o700).unwrap();
    assert!(sub.in_place().unwrap());
    std::fs::rename(temporary.path().join("sub"), temporary.path().join("moved")).unwrap();
    assert!(!sub.in_place().unwrap());
    std::fs::create_dir(temporary.path().join("sub")).unwrap();
    assert!(!sub.in_place().unwrap());
}

#[test]
fn a_locked_directory_is_locked_until_the_last_clone_is_gone() {
    let (temporary, one) = dir();
    let two = Dir::open(temporary.path()).unwrap();
    assert!(one.lock().unwrap());
    let clone = one.clone();
    drop(one);
    assert!(!two.lock().unwrap());
    drop(clone);
    assert!(two.lock().unwrap());
    let first = Lock::take(&two, "lock").unwrap();
    assert!(first.is_some() && Lock::take(&two, "lock").unwrap().is_none());
}

#[test]
fn same_bytes_are_the_same_to_the_last_one() {
    let (temporary, dir) = dir();
    let long = vec![b'x'; 200_000];
    let write = |name: &str, bytes: &[u8]| std::fs::write(temporary.path().join(name), bytes).unwrap();
    write("a", &long);
    write("b", &long);
    write("c", &[&long[1..], b"y"].concat());
    write("d", &long[1..]);
    assert!(dir.same_bytes("a", &dir, "b").unwrap());
    for other in ["c", "d", "none"] {
        assert!(!dir.same_bytes("a", &dir, other).unwrap(), "{other}");
    }
}

#[test]
fn a_small_file_of_the_operator_is_small() {
    let (temporary, _) = dir();
    let path = temporary.path().join("secret");
    std::fs::write(&path, "12345").unwrap();
    assert_eq!(read_small(&path, 5).unwrap(), b"12345");
    assert!(read_small(&path, 4).unwrap_err().to_string().contains("longer than 4 bytes"));
}
