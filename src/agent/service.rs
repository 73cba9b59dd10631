//! What systemd is told. Without `NOTIFY_SOCKET` nobody is told anything.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use sd_notify::NotifyState;

/// One that is behind with what it is told is waited for this long.
const PATIENCE: Duration = Duration::from_millis(250);

/// The lock is held, the configuration accepted, the signals caught.
pub(super) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The configuration is being read again.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// What is going on.
pub(super) fn status(status: &str) {
    tell(&[NotifyState::Status(status)]);
}

/// The agent ends.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// The agent is alive.
pub(super) fn watchdog() {
    tell(&[NotifyState::Watchdog]);
}

/// How often [`watchdog`] has to be told: at half of what systemd allows.
pub(super) fn watchdog_pace() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero()).map(|limit| limit / 2)
}

/// A service manager that does not listen is no reason to stop.
fn tell(states: &[NotifyState<'_>]) {
    if let Some(socket) = std::env::var_os("NOTIFY_SOCKET") {
        let _ = send(socket.as_bytes(), states);
    }
}

/// The socket may have no place in the file system; its name begins with an `@` then (sd_notify(3)).
fn send(socket: &[u8], states: &[NotifyState<'_>]) -> io::Result<()> {
    let message: String = states.iter().map(|state| format!("{state}\n")).collect();
    let address = match socket {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        path => SocketAddr::from_pathname(OsStr::from_bytes(path))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.send_to_addr(message.as_bytes(), &address).map(drop)
}
