//! Every line of the log, one function each: the words and the fields are decided here and nowhere else.
//!
//! A field `feed`, `drop`, `inbox` or `file` is on every line about one. Remote text is escaped and cut before it
//! comes here.

use std::time::Duration;

use tracing::{debug, info, warn};

use crate::peer::PeerError;
use crate::store::ledger::Totals;
use crate::store::output::Recovered;
use crate::taxii::exchange::Poll;

/// The output directory was opened: says what was mended.
pub fn output_opened(feed: &str, recovered: &Recovered) {
    let Recovered { totals, replaced, swept } = recovered;
    if *replaced {
        warn!(feed, "the staging directory was replaced or emptied: what was in it is asked for again");
    }
    if totals.files + totals.quarantined > 0 {
        info!(feed, files = totals.files, quarantined = totals.quarantined, "handed over what an earlier end had left staged");
    }
    if *swept > 0 {
        debug!(feed, swept, "removed half-written files from the staging directory");
    }
}

/// A result set from before a restart goes on.
pub fn poll_resumed(feed: &str, part: u32) {
    info!(feed, part, "going on with a result that was under way");
}

/// The server could not say what kind of collection it is.
pub fn collections_unknown(feed: &str, error: &PeerError) {
    warn!(feed, %error, "the server does not describe its collections: this one is taken for a data feed");
}

/// The server's reply ended where the request began.
pub fn cursor_stays(feed: &str, asked_end: &str) {
    warn!(feed, asked_end, "the server's reply ends where the request began, or before: the cursor stays");
}

/// A reply could not be read; a smaller range is asked for.
pub fn window_halved(feed: &str, reason: &str, asked_end: &str) {
    warn!(feed, reason, asked_end, "the reply cannot be read: asking for half of the range");
}

/// All parts of a result are in place.
pub fn result_complete(feed: &str, poll: &Poll, totals: &Totals, parts: u32, empty: u64) {
    let range = poll.progress().range.as_ref();
    let begin = range.and_then(|range| range.begin.as_ref()).map_or("the beginning", |begin| begin.text.as_str());
    let end = range.map_or("", |range| range.end.text.as_str());
    let Totals { files, bytes, quarantined } = *totals;
    if files + quarantined + empty > 0 {
        info!(feed, files, bytes, quarantined, empty, parts, begin, end, "polled");
    } else {
        debug!(feed, parts, begin, end, "polled: nothing new");
    }
    if quarantined > 0 {
        warn!(feed, quarantined, "content blocks were put into .quarantine, each with its reason beside it");
    }
}

/// The server answered that there is nothing.
pub fn nothing_to_report(feed: &str, words: &str) {
    debug!(feed, words, "the server has nothing to report");
}

/// The server lost a result; it is asked for again.
pub fn result_abandoned(feed: &str, reason: &str) {
    warn!(feed, reason, "the result is lost: asking for the same range again");
}

/// A message for people in a Poll_Response.
pub fn server_says(feed: &str, message: &str) {
    debug!(feed, message, "the server says");
}

/// An Inclusive_End_Timestamp that is none.
pub fn unreadable_end(feed: &str, end: &str) {
    warn!(feed, end, "the server's Inclusive_End_Timestamp cannot be read: taken as absent");
}

/// A part is in place.
pub fn part_stored(feed: &str, part: u32, totals: &Totals) {
    debug!(feed, part, files = totals.files, bytes = totals.bytes, quarantined = totals.quarantined, "part in place");
}

/// A request failed for a passing reason.
pub fn trying_again(feed: &str, reason: &str, pause: Duration) {
    debug!(feed, reason, ?pause, "trying again");
}
