//! The running agent has locked itself in: what its configuration does not name is out of reach, and what it names is
//! not, also after it was replaced.
//!
//! Where the kernel has no Landlock the tests say so and pass.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// An agent with one feed, whose password is a file and whose server accepts no password.
struct Site {
    directory: tempfile::TempDir,
    server: SocketAddr,
    agent: Option<Child>,
}

impl Site {
    fn new() -> Site {
        // Not below /tmp, which stays open.
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut site = Site { directory, server: forbidding(), agent: None };
        fs::create_dir_all(site.at("inside/secrets")).unwrap();
        fs::create_dir_all(site.at("outside")).unwrap();
        fs::write(site.at("inside/secrets/password"), "secret\n").unwrap();
        fs::write(site.at("outside/password"), "secret\n").unwrap();
        site.configure("inside/outgoing");
        let log = fs::File::create(site.at("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_taxii-sync"));
        command.arg("--config").arg(site.at("inside/config.toml")).arg("run").stderr(Stdio::from(log));
        site.agent = Some(command.spawn().unwrap());
        site
    }

    fn at(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn configure(&self, drop: &str) {
        let (root, server) = (self.directory.path().display(), self.server);
        let config = format!(
            r#"
            state_dir = "{root}/inside/state"
            log.level = "debug"
            [servers.hub]
            poll = "http://{server}/poll"
            inbox = "http://{server}/inbox"
            auth = {{ type = "basic", username = "u", password_file = "{root}/inside/secrets/password" }}
            [feeds.indicators]
            server = "hub"
            collection = "default"
            output = "{root}/inside/indicators"
            [inboxes.partner]
            server = "hub"
            [drops.outgoing]
            path = "{root}/{drop}"
            inboxes = ["partner"]
            settle = "1ms"
            rescan = "1s"
            "#
        );
        fs::write(self.at("inside/config.toml"), config).unwrap();
    }

    fn log(&self) -> String {
        fs::read_to_string(self.at("log")).unwrap()
    }

    /// Waits until `happened`, which is given the log.
    fn until(&self, happened: impl Fn(&str) -> bool) {
        let begun = Instant::now();
        while !happened(&self.log()) {
            assert!(begun.elapsed() < Duration::from_secs(40), "{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Whether the kernel lets a process lock itself in; otherwise there is nothing to see here.
    fn is_locked_in(&self) -> bool {
        self.until(|log| log.contains("started"));
        let yes = self.log().contains("locked in: only what the configuration needs");
        if !yes {
            println!("skipped: the kernel has no Landlock, or one that is too old");
        }
        yes
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.agent.as_ref().unwrap()), signal).unwrap();
    }
}

/// A server that answers 403 to everything, for as long as the tests run.
fn forbidding() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 8192]);
            let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    address
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(agent) = &mut self.agent {
            let _ = agent.kill();
            let _ = agent.wait();
        }
    }
}

#[test]
fn a_secret_outside_cannot_be_read_and_one_that_was_rotated_can() {
    let site = Site::new();
    if !site.is_locked_in() {
        return;
    }
    site.until(|log| log.contains("the poll failed"));
    // A rename puts another file into place, as rotation does.
    fs::write(site.at("inside/secrets/new"), "rotated\n").unwrap();
    fs::rename(site.at("inside/secrets/new"), site.at("inside/secrets/password")).unwrap();
    site.signal(Signal::USR1);
    site.until(|log| log.matches("the poll failed").count() > 1);
    assert!(!site.log().contains("ermission denied"), "{}", site.log());
    // A link leads to a file that this user may read, and this process may not.
    fs::remove_file(site.at("inside/secrets/password")).unwrap();
    std::os::unix::fs::symlink(site.at("outside/password"), site.at("inside/secrets/password")).unwrap();
    site.signal(Signal::USR1);
    site.until(|log| log.contains("ermission denied"));
}

#[test]
fn a_reload_that_needs_what_is_outside_is_refused_and_one_beside_it_is_not() {
    let site = Site::new();
    if !site.is_locked_in() {
        return;
    }
    site.configure("outside/outgoing");
    site.signal(Signal::HUP);
    site.until(|log| log.contains("this is outside: restart it"));
    assert!(!site.at("outside/outgoing").exists());
    site.configure("inside/another");
    site.signal(Signal::HUP);
    site.until(|log| log.contains("the configuration was read again"));
    site.until(|_| site.at("inside/another/sending").exists());
}

#[test]
fn a_drop_directory_that_is_made_again_is_found_again() {
    let site = Site::new();
    if !site.is_locked_in() {
        return;
    }
    site.until(|_| site.at("inside/outgoing/failed").exists());
    fs::rename(site.at("inside/outgoing"), site.at("inside/away")).unwrap();
    fs::create_dir(site.at("inside/outgoing")).unwrap();
    fs::write(site.at("inside/outgoing/report.xml"), "not XML").unwrap();
    // It goes all the way to failed/: copied, admitted, renamed.
    site.until(|_| site.at("inside/outgoing/failed/report.xml.receipt.json").exists());
}
