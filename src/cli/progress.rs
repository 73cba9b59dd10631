//! A line on a terminal that says that work goes on.

use std::future::Future;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// What takes no longer needs no line.
const SOON: Duration = Duration::from_secs(2);

/// The line is written anew this often.
const PACE: Duration = Duration::from_millis(500);

/// Does some work; where it takes longer than two seconds, and standard error is a terminal, a line there says so.
/// `words` are what is being done, made anew each time.
pub(super) async fn shown<T>(words: impl Fn() -> String, work: impl Future<Output = T>) -> T {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    if dumb || !io::stderr().is_terminal() {
        return work.await;
    }
    drawn(&mut io::stderr(), SOON, words, work).await
}

async fn drawn<T>(
    out: &mut impl Write,
    soon: Duration,
    words: impl Fn() -> String,
    work: impl Future<Output = T>,
) -> T {
    let began = Instant::now();
    let mut ticks = interval_at(began + soon, PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut line = Line { out, is_drawn: false };
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            _ = ticks.tick() => line.draw(&format!("{} ({} s)", words(), began.elapsed().as_secs())),
        }
    }
}

/// The last line of a terminal. It is erased when this is dropped, also where the work is given up.
struct Line<'a, W: Write> {
    out: &'a mut W,
    is_drawn: bool,
}

impl<W: Write> Line<'_, W> {
    /// Back to the beginning of the line, and its end erased: this is for terminals only.
    fn draw(&mut self, line: &str) {
        self.is_drawn = true;
        let _ = write!(self.out, "\r\x1b[K{line}");
        let _ = self.out.flush();
    }
}

impl<W: Write> Drop for Line<'_, W> {
    fn drop(&mut self) {
        if self.is_drawn {
            self.draw("");
        }
    }
}

/// Bytes for people.
pub(super) fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} bytes"),
        10_000..10_000_000 => format!("{} KB", count / 1_000),
        _ => format!("{} MB", count / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawing(soon: u64, takes: u64) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let mut out = Vec::new();
        let work = async {
            tokio::time::sleep(Duration::from_millis(takes)).await;
            7
        };
        let words = || "asking".to_owned();
        let done = runtime.block_on(async { drawn(&mut out, Duration::from_millis(soon), words, work).await });
        assert_eq!(done, 7);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_takes_long_is_told_and_the_line_is_erased_afterwards() {
        let out = drawing(10, 100);
        assert!(out.starts_with("\r\x1b[Kasking (0 s)"), "{out:?}");
        assert!(out.ends_with("\r\x1b[K"), "{out:?}");
    }

    #[test]
    fn what_is_soon_done_is_not_told() {
        assert_eq!(drawing(60_000, 1), "");
    }
}
