//! Every line of the log, one function each: the words and the fields are decided here and nowhere else.
//!
//! A field `feed`, `drop`, `inbox` or `file` is on every line about one. All lines about one poll bear the same `id`, and
//! so do those about one file, from its admission to its end: its name in `sending/`. Remote text is escaped and cut before it
//! comes here.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use tracing::{Span, debug, error, error_span, info, warn};

use super::concerns::Concern;
use crate::store::StoreError;
use crate::store::disk::{DiskError, show};
use crate::store::drops::{End, Left};
use crate::store::ledger::{Admission, Claim, FileRow, Outcome, Owed, Settled, Totals};
use crate::store::output::Recovered;
use crate::taxii::exchange::Poll;
use crate::taxii::message::ExtendedHeader;

/// A field is left out where there is nothing to say.
fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// The output directory was opened: says what was mended.
pub fn output_opened(feed: &str, recovered: &Recovered) {
    let Recovered { totals, replaced, swept } = recovered;
    if *replaced {
        warn!(feed, "the staging directory was replaced or emptied: what was in it is asked for again");
    }
    if totals.files + totals.quarantined > 0 {
        info!(
            feed,
            files = totals.files,
            quarantined = totals.quarantined,
            "handed over what an earlier end had left staged"
        );
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
pub fn collections_unknown(feed: &str, error: &str) {
    warn!(feed, error, "the server does not describe its collections: this one is taken for a data feed");
}

/// Where a feed is polled, and why there; told when it changes.
pub fn feed_address(feed: &str, address: &str) {
    info!(feed, address, "is polled at another address than before, or for the first time");
}

/// Where the messages of an inbox go, and why there; told when it changes.
pub fn inbox_address(inbox: &str, address: &str) {
    info!(inbox, address, "is sent to at another address than before, or for the first time");
}

/// Something odd about an address that a server advertises.
pub fn address_remark(server: &str, remark: &str) {
    warn!(server, remark, "what the server advertises is odd");
}

/// The server cannot say where its services are.
pub fn address_of_before(server: &str, address: &str) {
    warn!(server, address, "the server cannot be asked where its services are: going on with what it said before");
}

/// What a server said of itself cannot be kept for later.
pub fn last_word_not_kept(server: &str, error: &StoreError) {
    warn!(server, %error, "what the server says of its services cannot be kept: it has to be asked again after a restart");
}

/// The server's reply ended where the request began.
pub fn cursor_stays(feed: &str, asked_end: &str) {
    warn!(feed, asked_end, "the server's reply ends where the request began, or before: the cursor stays");
}

/// A reply could not be read; a smaller range is asked for.
pub fn window_halved(feed: &str, reason: &str, asked_end: &str) {
    warn!(feed, reason, asked_end, "the reply cannot be read: asking for half of the range");
}

/// Some of what the overlap asks for again cannot be read.
pub fn overlap_passed_over(feed: &str, reason: &str, begin: &str, end: &str) {
    warn!(feed, reason, begin, end, "a part of the overlap cannot be read: passed over, as the cursor is beyond it");
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

/// The feed has moved away from a result that was under way.
pub fn result_left_behind(feed: &str, address: &str) {
    warn!(
        feed,
        address, "the rest of a result lies at an address that is not configured any more: asking for the range anew"
    );
}

/// A message for people in a Poll_Response.
pub fn server_says(feed: &str, words: &str) {
    debug!(feed, words, "the server says");
}

/// An Extended_Header of a Poll_Response: it means something to whoever knows the server.
pub fn extended_header(feed: &str, header: &ExtendedHeader, shown: impl Fn(&str) -> String) {
    // There may be many, and nobody looks: a field is made only where the line is.
    debug!(feed, name = shown(&header.name), value = shown(&header.value), "extended header");
}

/// An Inclusive_End_Timestamp that is none.
pub fn unreadable_end(feed: &str, end: &str) {
    warn!(feed, end, "the server's Inclusive_End_Timestamp cannot be read: taken as absent");
}

/// A `more` that is neither true nor false, without a result to ask for more of.
pub fn unreadable_more(feed: &str, more: &str) {
    warn!(feed, more, "the server's `more` is neither true nor false, and there is no result_id: taken as no more");
}

/// A part is in place.
pub fn part_stored(feed: &str, part: u32, totals: &Totals) {
    debug!(feed, part, files = totals.files, bytes = totals.bytes, quarantined = totals.quarantined, "part in place");
}

/// A message went to a server, and this came back.
pub fn exchanged(server: &str, address: &str, http: u16, bytes: u64, took: Duration) {
    debug!(server, address, http, bytes, ?took, "the server was asked");
}

/// A message to a server got no answer, or none that can be read.
pub fn not_exchanged(server: &str, address: &str, reason: &str, bytes: u64, took: Duration) {
    debug!(server, address, reason, bytes, ?took, "the server was asked in vain");
}

/// A request failed for a passing reason.
pub fn trying_again(feed: &str, reason: &str, pause: Duration) {
    debug!(feed, reason, ?pause, "trying again");
}

/// A drop directory cannot be looked at, or files cannot be taken in.
pub fn drop_trouble(drop: &str, error: &StoreError) {
    error!(drop, %error, hint = some(error.hint()), "the drop directory cannot be worked with just now: trying again");
}

/// The path of a drop directory leads elsewhere.
pub fn drop_directory_moved(drop: &str, path: &Path) {
    warn!(drop, path = show(path), "the drop directory was renamed, replaced or unmounted: looking for it again");
}

/// The path of a drop directory leads to another one than when it was opened.
pub fn drop_path_leads_elsewhere(drop: &str, path: &Path) {
    let path = show(path);
    warn!(drop, path, "the drop directory's path leads elsewhere now: what is there waits for a restart");
}

/// A drop directory has another name now.
pub fn files_taken_over(drop: &str, files: usize) {
    if files > 0 {
        info!(drop, files, "files that were taken in under another name of this drop directory go on under this one");
    }
}

/// A drop directory that is no longer configured is not empty.
pub fn files_left_behind(drop: &str, files: u64, place: &str) {
    warn!(
        drop,
        files,
        path = place,
        "files still wait in a drop directory that is not configured: put it back to have them sent"
    );
}

/// Files are owed to an inbox that is no longer configured.
pub fn files_for_nobody(drop: &str, inbox: &str, files: u64) {
    warn!(drop, inbox, files, "files still wait for an inbox that is not configured: they expire after give_up");
}

/// The system does not watch a directory for us.
pub fn not_watched(drop: &str, error: &notify::Error, rescan: Duration) {
    warn!(drop, %error, ?rescan, "the drop directory cannot be watched: it is listed every `rescan` only");
}

/// A dropped file cannot be read; its neighbours can.
pub fn file_unreadable(drop: &str, file: &OsStr, error: &DiskError) {
    warn!(drop, file = show(file), %error, "the dropped file cannot be read: it is left where it is and tried again");
}

/// A dropped file cannot be copied. It does not hold up its neighbours.
pub fn file_too_big(drop: &str, file: &OsStr, error: &DiskError) {
    warn!(drop, file = show(file), %error, "no room for a copy of the dropped file: it is left where it is and tried again");
}

/// Something about a file that is sent all the same.
pub fn file_remark(drop: &str, file: &OsStr, remark: &str) {
    warn!(drop, file = show(file), remark, "the dropped file may not be accepted everywhere");
}

/// Files that still changed when `run --once` ended.
pub fn left_unsettled(drop: &str, files: u64, one: &OsStr) {
    warn!(drop, files, file = show(one), "files that still change are left for the next run");
}

/// Old files of `sent/` are gone.
pub fn sent_swept(drop: &str, removed: u64) {
    if removed > 0 {
        info!(drop, removed, "removed from sent/ what was older than keep_sent");
    }
}

/// Files were taken in.
pub fn files_admitted(drop: &str, admissions: &[Admission]) {
    for one in admissions {
        let (file, binding) = (show(OsStr::from_bytes(&one.name)), one.binding.as_deref().unwrap_or_default());
        debug!(drop, file, id = one.token, size = one.size, binding, "taken in");
    }
    info!(drop, files = admissions.len(), "files taken in");
}

/// A sent file is not kept.
pub fn file_sent_and_deleted(drop: &str, file: &FileRow) {
    info!(drop, file = show(OsStr::from_bytes(&file.name)), id = file.token, "sent, and deleted (keep_sent is 0s)");
}

/// A file has its final place.
pub fn file_left(drop: &str, file: &FileRow, left: &Left, claims: &[Claim]) {
    let (id, refusal) = (&file.token, file.refusal.as_deref());
    let (file, name) = (show(OsStr::from_bytes(&file.name)), show(&left.name));
    match left.end {
        End::Sent => info!(drop, file, id, name, "sent: every inbox has it"),
        End::Failed => {
            let bad = claims.iter().find(|claim| !claim.outcome.is_some_and(Outcome::is_good));
            let inbox = bad.filter(|_| refusal.is_none()).map(|claim| claim.inbox.as_str()).unwrap_or_default();
            let reason = refusal.map(str::to_owned).or_else(|| bad?.words()).unwrap_or_default();
            error!(drop, file, id, name, inbox, reason, "failed: the file is in failed/ with its receipt");
        }
    }
}

/// Nothing is left of a file that was to leave.
pub fn file_vanished(drop: &str, file: &FileRow, end: End) {
    let (id, file) = (&file.token, show(OsStr::from_bytes(&file.name)));
    match end {
        End::Sent => warn!(drop, file, id, "sent, and not kept: its copy in sending/ is gone"),
        End::Failed => {
            error!(drop, file, id, "failed, and lost: its copy in sending/ is gone, nothing could go to failed/")
        }
    }
}

/// A message goes out.
pub fn message_sent(inbox: &str, message_id: &str, batch: &[Owed], bytes: u64) {
    debug!(inbox, message_id, id = ids(batch), blocks = batch.len(), bytes, "sending");
}

/// A message got no answer that can be judged.
pub fn delivery_failed(inbox: &str, batch: &[Owed], reason: &str, unknown: bool) {
    debug!(inbox, id = ids(batch), reason, outcome_unknown = unknown, "no answer");
}

fn ids(batch: &[Owed]) -> String {
    batch.iter().map(|owed| owed.file.token.as_str()).collect::<Vec<_>>().join(" ")
}

/// What an answer means for a file.
pub fn verdict(inbox: &str, file: &FileRow, settled: &Settled, words: &str) {
    let id = &file.token;
    let file = show(OsStr::from_bytes(&file.name));
    match settled.outcome {
        Some(outcome) if outcome.is_good() => debug!(inbox, file, id, outcome = outcome.word(), "delivered"),
        Some(outcome) => warn!(inbox, file, id, outcome = outcome.word(), reason = words, "not delivered"),
        None => debug!(inbox, file, id, reason = words, "not accepted yet"),
    }
}

/// An inbox is left alone for a while.
pub fn inbox_paused(inbox: &str, until: DateTime<Utc>, reason: &str) {
    let until = until.to_rfc3339_opts(SecondsFormat::Secs, true);
    warn!(inbox, until, reason, "the inbox does not take anything just now: what it is owed stays pending");
}

/// An inbox is still left alone, as it was said.
pub fn inbox_paused_again(inbox: &str, until: DateTime<Utc>, reason: &str) {
    let until = until.to_rfc3339_opts(SecondsFormat::Secs, true);
    debug!(inbox, until, reason, "the inbox still does not take anything");
}

/// An inbox takes files, and did not before.
pub fn inbox_works_again(inbox: &str) {
    info!(inbox, "the inbox takes files again");
}

/// A drop directory can be worked with, and could not before.
pub fn drop_works_again(drop: &str) {
    info!(drop, "the drop directory can be worked with again");
}

/// An inbox cannot be worked with.
pub fn inbox_trouble(inbox: &str, error: &str, hint: &str) {
    error!(inbox, error, hint = some(hint), "deliveries cannot be recorded just now: trying again");
}

/// The agent runs.
pub fn started(summary: &str) {
    info!(summary, version = env!("CARGO_PKG_VERSION"), "started");
}

/// The process can reach only what the configuration names.
pub fn confined() {
    debug!("locked in: only what the configuration needs can be read and written");
}

/// The kernel does not help to lock the process in.
pub fn not_confined(reason: &str) {
    debug!(reason, "not locked in by Landlock");
}

/// The agent was told to stop.
pub fn stopping() {
    info!("stopping: finishing what is in flight");
}

/// The agent ends.
pub fn stopped() {
    info!("stopped");
}

/// What was in flight did not end in time. It is taken up again at the next start.
pub fn abandoned_in_flight(grace: Duration) {
    warn!(?grace, "what was still in flight is abandoned: it is taken up again at the next start");
}

/// Lines had no place, since nobody read the log.
pub fn lines_lost(lines: u64) {
    warn!(lines, "nobody read the log for a while: some lines are lost");
}

/// The configuration was read again and is in force.
pub fn reloaded(summary: &str) {
    info!(summary, "the configuration was read again");
}

/// The configuration was read again and is wrong.
pub fn reload_refused(reason: &str) {
    error!(reason, "the new configuration is refused: the old one stays");
}

/// A server cannot be spoken to as it is configured.
pub fn server_left_out(server: &str, reason: &str, hint: &str) {
    let hint = some(hint);
    error!(
        server,
        reason,
        hint,
        "its feeds and inboxes cannot be worked with as they are configured: tried again every minute, the rest goes on"
    );
}

/// A feed cannot be polled as it is configured.
pub fn feed_left_out(feed: &str, reason: &str, hint: &str) {
    let hint = some(hint);
    error!(feed, reason, hint, "it cannot be polled as it is configured: tried again every minute, the rest goes on");
}

/// What was wrong with the configuration of a server is mended.
pub fn server_taken_up(server: &str) {
    info!(server, "its feeds and inboxes can be worked with now");
}

/// What was wrong with the configuration of a feed is mended.
pub fn feed_taken_up(feed: &str) {
    info!(feed, "it can be polled as it is configured now");
}

/// SIGUSR1.
pub fn looking_now() {
    info!("polling and looking at the drop directories now");
}

/// A poll that was asked for by SIGUSR1 has to wait.
pub fn pause_stays(feed: &str, reason: &str) {
    info!(feed, reason, "the feed is polled after the pause that the server asked for");
}

/// What all lines about one poll have in common: `id`.
pub fn poll_span() -> Span {
    error_span!("poll", id = format!("{:08x}", fastrand::u32(..)))
}

/// A poll failed, and the one before had not.
pub fn poll_failed(feed: &str, reason: &str, hint: &str) {
    error!(feed, reason, hint = some(hint), "the poll failed: the cursor stays, and it is tried again");
}

/// A poll failed, as the one before.
pub fn poll_failed_again(feed: &str, reason: &str) {
    debug!(feed, reason, "the poll failed again");
}

/// A poll succeeded, and the one before had not.
pub fn poll_works_again(feed: &str) {
    info!(feed, "polling works again");
}

/// The time of the next poll cannot be noted, or what is old cannot be forgotten.
pub fn ledger_trouble(feed: &str, error: &StoreError) {
    error!(feed, %error, hint = some(error.hint()), "the ledger cannot be written");
}

/// The time of the next poll can be noted, and could not before.
pub fn ledger_works_again(feed: &str) {
    info!(feed, "the ledger can be written again");
}

/// Something about a feed that works became worth knowing.
pub fn concern_begins(feed: &str, concern: &Concern) {
    warn!(feed, concern = concern.word(), detail = %concern, "worth knowing of this feed");
}

/// And is over.
pub fn concern_ends(feed: &str, concern: &str) {
    info!(feed, concern, "no longer of concern");
}

/// The state was removed or replaced under the agent.
pub fn state_lost(path: &Path) {
    let path = show(path);
    let hint = "systemd starts it again with the state that is there then, a new one where there is none: to go on with \
                the old one, stop the service and put state_dir back as it was";
    error!(
        path,
        hint, "the agent's state was removed or replaced while it ran: it ends, since nobody would read what it writes"
    );
}

/// A task is gone that should go on for ever.
pub fn task_lost(what: &str) {
    error!(what, "a task has ended by a fault of the program: the watchdog is not fed any more");
}

/// The metrics cannot be written.
pub fn metrics_trouble(error: &str) {
    error!(error, "the metrics cannot be written: what is in the file grows old");
}

/// The metrics are written again.
pub fn metrics_work_again() {
    info!("the metrics are written again");
}

/// Something in the configuration that is allowed but worth a word.
pub fn configuration_warning(warning: &str) {
    warn!(warning, "in the configuration");
}

/// Files that are owed to an inbox which is no longer configured for them.
pub fn expired_for_others(drop: &str, files: usize) {
    if files > 0 {
        warn!(
            drop,
            files,
            "files were owed to inboxes that this drop directory no longer names, for longer than give_up: expired"
        );
    }
}
