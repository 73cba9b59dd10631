//! Which files a configuration needs: what `run` locks itself in with.

use std::path::{Path, PathBuf};

use crate::config::{Auth, Config, Secret, Server};
use crate::observe::lines;
use crate::store::disk::is_there;
use crate::store::drops::DropDirectory;
use crate::store::output;
use crate::store::sandbox::Sandbox;

/// The process locked in, or not where that is not to be had.
pub(super) struct Confined {
    file: PathBuf,
    sandbox: Option<Sandbox>,
}

impl Confined {
    /// Locks this thread in, and all that it starts, with what a configuration needs. That it cannot be is no trouble.
    pub(super) fn enter(file: &Path, config: &Config) -> Confined {
        let sandbox = Sandbox::around(&read(file, config), &written(config), &busy(config));
        let entered = sandbox.enforce();
        match &entered {
            Ok(()) => lines::confined(),
            Err(error) => lines::not_confined(&error.to_string()),
        }
        Confined { file: file.to_owned(), sandbox: entered.ok().map(|()| sandbox) }
    }

    /// Refuses a configuration that needs what lies outside.
    pub(super) fn check(&self, config: &Config) -> Result<(), String> {
        let Some(sandbox) = &self.sandbox else { return Ok(()) };
        match sandbox.outside(&read(&self.file, config), &written(config)) {
            None => Ok(()),
            Some(path) => Err(format!(
                "{}: the agent has locked itself in with the directories it started with, and this is outside: restart it",
                path.display()
            )),
        }
    }
}

/// What is written: the directories, and the textfile.
fn written(config: &Config) -> Vec<PathBuf> {
    // A name within it, so that it is the directory itself that is let in: it is there, and stays the same.
    let state = config.state_dir.join("ledger.db");
    let outputs = config.feeds.values().map(|feed| &feed.output);
    let drops = config.drops.values().map(|drop| &drop.path);
    outputs.chain(drops).chain(&config.metrics_textfile).cloned().chain([state]).collect()
}

/// The directories that files are made in all the time; they are made for that. One that cannot be made, or that is to be
/// given to a group, is left to whoever works with it, who says what is wrong.
fn busy(config: &Config) -> Vec<PathBuf> {
    let ready = config.feeds.values().filter(|feed| feed.group.is_none() || is_there(&feed.output).unwrap_or(false));
    let outputs = ready.filter_map(|feed| output::make(&feed.output).ok());
    let drops = config.drops.values().filter_map(|drop| DropDirectory::make(&drop.path).ok());
    outputs.flatten().chain(drops.flatten()).collect()
}

/// What is only read.
fn read(file: &Path, config: &Config) -> Vec<PathBuf> {
    let mut paths = vec![file.to_owned()];
    paths.extend(config.feeds.values().filter_map(|feed| feed.query_file.clone()));
    for server in config.servers.values() {
        let tls = &server.tls;
        paths.extend([&tls.ca_file, &tls.cert_file, &tls.key_file].into_iter().flatten().cloned());
        paths.extend(secrets(server).into_iter().filter_map(place));
    }
    paths.extend(std::env::var_os("SSL_CERT_FILE").map(PathBuf::from));
    paths.extend(std::env::var_os("SSL_CERT_DIR").map(|directory| PathBuf::from(directory).join("any")));
    paths
}

fn secrets(server: &Server) -> Vec<&Secret> {
    let auth = server.auth.as_ref().map(|auth| match auth {
        Auth::Basic { password, .. } | Auth::Jwt { password, .. } => password,
        Auth::Bearer { token } => token,
    });
    let proxy = server.proxy.as_ref().and_then(|proxy| proxy.password.as_ref());
    let headers = server.headers.iter().map(|(_, value)| value);
    headers.chain(auth).chain(proxy).chain(&server.tls.key_password).collect()
}

/// The file that a secret is in, if it is in one.
fn place(secret: &Secret) -> Option<PathBuf> {
    match secret {
        Secret::File(path) => Some(path.clone()),
        Secret::Credential(name) => Some(PathBuf::from(std::env::var_os("CREDENTIALS_DIRECTORY")?).join(name)),
        Secret::Literal(_) | Secret::Env(_) => None,
    }
}
