//! `push`: files sent by hand, one message and one line of result each.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use url::Url;

use super::args::PushArguments;
use super::output::{Say, complain, counted, json as print};
use super::services::{redacted, shown};
use super::target::{self, Target};
use super::{End, Result, Trouble, load, progress, runtime};
use crate::clock::Clock;
use crate::peer::{Nothing, Peer, Trouble as Failed};
use crate::push::{Prepared, Unsendable, assemble, prepare};
use crate::store::disk;
use crate::taxii::Version;
use crate::taxii::message::ServiceType;
use crate::taxii::status::{Judgement, Verdict, judge_push};

/// Files, and where they go.
struct Sending<'a> {
    arguments: &'a PushArguments,
    /// The inbox's name in the configuration; `None` where the address was given.
    inbox: Option<&'a str>,
    target: Target,
    collections: Vec<String>,
    files: Vec<&'a Path>,
}

/// What became of one file.
#[derive(Debug)]
struct Outcome {
    file: PathBuf,
    kind: Kind,
    /// Why, or what else is to be said.
    words: String,
    binding: Option<String>,
    bytes: Option<u64>,
    status_type: Option<String>,
    message_id: Option<String>,
    remarks: Vec<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Accepted,
    /// It can be sent (a dry run).
    Sendable,
    Refused,
    Failed,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Accepted => "accepted",
            Kind::Sendable => "would be sent",
            Kind::Refused => "refused",
            Kind::Failed => "failed",
        }
    }
}

/// What was done with a message, and whether the next file has a chance.
struct Sent {
    outcome: Outcome,
    /// Why it has none.
    hopeless: Option<String>,
    /// The service answered, but does not take such messages perhaps.
    answered: bool,
}

/// Sends files.
pub(super) fn push(file: &Path, arguments: &PushArguments) -> Result<End> {
    let mut sending = Sending::new(file, arguments)?;
    let say = Say::new(arguments.output.json);
    if sending.destinations() != sending.collections {
        Say::new(true).line("warning: no collection is named: TAXII 1.0 has no Destination_Collection_Name");
    }
    let outcomes = runtime()?.block_on(sending.run(&say))?;
    if arguments.output.json {
        let files: Vec<Value> = outcomes.iter().map(Outcome::to_json).collect();
        let answer = json!({
            "inbox": sending.inbox,
            "server": sending.target.name,
            "collections": sending.destinations(),
            "dry_run": arguments.dry_run,
            "files": files,
        });
        print(&redacted(&sending.target.peer, answer));
    }
    Ok(sending.end(&outcomes))
}

impl<'a> Sending<'a> {
    fn new(file: &Path, arguments: &'a PushArguments) -> Result<Sending<'a>> {
        let paths = |names: &'a [OsString]| names.iter().map(Path::new).collect::<Vec<_>>();
        if let Some(url) = &arguments.url {
            return Ok(Sending {
                arguments,
                inbox: None,
                target: Target::at(url, ServiceType::Inbox, &arguments.access, &arguments.keep)?,
                collections: arguments.collection.iter().cloned().collect(),
                files: paths(&arguments.names),
            });
        }
        target::by_name_alone(&arguments.access, "--url is given")?;
        let Some((inbox, files)) = arguments.names.split_first() else {
            return Err(Trouble::wrong("name an inbox and files"));
        };
        let inbox =
            inbox.to_str().ok_or_else(|| Trouble::wrong(format!("no inbox is called {}", disk::show(inbox))))?;
        let config = load(file)?.config;
        let settings = target::named(&config.inboxes, "inbox", inbox, file)?;
        if files.is_empty() {
            return Err(Trouble::wrong(format!("name the files that inbox `{inbox}` is to get")));
        }
        Ok(Sending {
            arguments,
            inbox: Some(inbox),
            target: target::server_of(&config, &settings.server, file, &arguments.keep)?,
            collections: settings.collections.clone(),
            files: paths(files),
        })
    }

    fn peer(&self) -> &Peer {
        &self.target.peer
    }

    /// The collections that a message names. An Inbox_Message of TAXII 1.0 has no room for them.
    fn destinations(&self) -> &[String] {
        if self.peer().version == Version::V10 { &[] } else { &self.collections }
    }

    /// What became of each file was told already.
    fn end(&self, outcomes: &[Outcome]) -> End {
        let bad = outcomes.iter().filter(|outcome| !matches!(outcome.kind, Kind::Accepted | Kind::Sendable)).count();
        if bad == 0 {
            return End::Good;
        }
        let whom = self.inbox.map_or_else(|| self.target.shown().to_owned(), |inbox| format!("inbox `{inbox}`"));
        let all = counted(outcomes.len() as u64, "file");
        let what = if self.arguments.dry_run { "cannot be sent to" } else { "not accepted by" };
        complain(
            &format!("{bad} of {all} {what} {whom}"),
            "the line of each of them says why: mend that, and push them again",
        );
        End::Failed
    }

    async fn run(&mut self, say: &Say) -> Result<Vec<Outcome>> {
        let address = self.address().await?;
        let files = std::mem::take(&mut self.files);
        let mut outcomes = Vec::with_capacity(files.len());
        let mut hopeless: Option<String> = None;
        let mut address = address;
        for (index, file) in files.iter().enumerate() {
            let outcome = match &hopeless {
                Some(why) => Outcome::new(file, Kind::Failed, format!("not tried: {why}")),
                None => {
                    let words = || format!("sending {} of {}: {}", index + 1, files.len(), disk::show(file));
                    let mut sent = progress::shown(words, self.one(file, &address)).await;
                    let elsewhere = index == 0 && sent.answered && self.inbox.is_none();
                    if elsewhere && let Some(found) = self.advertised(say).await? {
                        address = found;
                        sent = self.one(file, &address).await;
                    }
                    hopeless = sent.hopeless;
                    sent.outcome
                }
            };
            outcome.tell(say, &self.peer().shown_url(&address), self.destinations());
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    async fn address(&self) -> Result<Url> {
        let words = || format!("asking {}", self.target.shown());
        let collection = self.collections.first().map(String::as_str);
        let found = progress::shown(words, self.peer().address(ServiceType::Inbox, collection)).await?;
        found.remarks.iter().for_each(|remark| Say::new(true).line(&format!("note: {}", shown(self.peer(), remark))));
        Ok(found.url)
    }

    /// The address of a Discovery Service is often what people know: its Inbox Service is used. Whoever answers to
    /// discovery has taken no Inbox_Message.
    async fn advertised(&mut self, say: &Say) -> Result<Option<Url>> {
        let PushArguments { url: Some(url), access, keep, .. } = self.arguments else { return Ok(None) };
        let discovery = Target::at(url, ServiceType::Discovery, access, keep)?.peer;
        let collection = self.collections.first().map(String::as_str);
        match discovery.address(ServiceType::Inbox, collection).await {
            Ok(found) if found.url != *url => {
                let (url, place) = (discovery.shown_url(url), discovery.shown_url(&found.url));
                say.line(&format!("{url} is a Discovery Service: sending to {place}"));
                self.target = Target::at(&found.url, ServiceType::Inbox, access, keep)?;
                Ok(Some(found.url))
            }
            _ => Ok(None),
        }
    }

    async fn one(&self, file: &Path, address: &Url) -> Sent {
        let (path, binding) = (file.to_owned(), self.arguments.binding.clone());
        let prepared = match tokio::task::spawn_blocking(move || prepare(&path, binding)).await {
            Ok(Ok(prepared)) => prepared,
            Ok(Err(Unsendable::Refused(why))) => {
                return Sent::not(file, Kind::Refused, format!("it cannot be sent: {why}"));
            }
            Ok(Err(Unsendable::Store(error))) => return Sent::not(file, Kind::Failed, format!("cannot {error}")),
            Err(stopped) => return Sent::not(file, Kind::Failed, stopped.to_string()),
        };
        let described = |kind, words: String| Outcome {
            binding: Some(prepared.block.binding.clone()),
            bytes: Some(prepared.block.range.end - prepared.block.range.start),
            remarks: prepared.remarks.clone(),
            ..Outcome::new(file, kind, words)
        };
        let header = self.peer().header();
        let body = match assemble(self.peer(), &header, &self.collections, std::slice::from_ref(&prepared.block)) {
            Ok(body) => body,
            Err(error) => return Sent::only(described(Kind::Refused, format!("cannot {error}"))),
        };
        if self.arguments.dry_run {
            return Sent::only(described(Kind::Sendable, String::new()));
        }
        let mut sent = match self.peer().exchange(address, body, Nothing).await {
            Ok(exchanged) => {
                let judgement = judge_push(&exchanged.answer(Clock::system().now()), 0);
                self.judged(judgement, &described)
            }
            Err(Failed::Wire(error)) => {
                let unknown = if error.outcome_unknown() { "; the server may have it all the same" } else { "" };
                let hint = if error.hint().is_empty() { String::new() } else { format!(" ({})", error.hint()) };
                let words = format!("{error}{hint}{unknown}");
                Sent { hopeless: Some(words.clone()), ..Sent::only(described(Kind::Failed, words)) }
            }
            Err(Failed::Unreadable { url, what }) => Sent::only(described(
                Kind::Failed,
                format!("the answer of {url} cannot be read: {what}; the server may have it all the same"),
            )),
            Err(Failed::Sink(never)) => match never {},
        };
        sent.outcome.message_id = Some(header.message_id);
        sent.outcome.note_change(&prepared);
        sent
    }

    fn judged(&self, judgement: Judgement, described: &impl Fn(Kind, String) -> Outcome) -> Sent {
        let words = shown(self.peer(), &judgement.words);
        let kind = match judgement.verdict {
            Verdict::Accepted => Kind::Accepted,
            Verdict::Refused => Kind::Refused,
            Verdict::Failing { .. } | Verdict::Later { .. } | Verdict::Admin => Kind::Failed,
        };
        let status_type = judgement.status_type.as_deref().map(|text| shown(self.peer(), text));
        let said = judgement.message.as_deref().map(|text| shown(self.peer(), text));
        let outcome = match kind {
            Kind::Accepted => described(kind, said.unwrap_or_default()),
            _ => described(kind, words.clone()),
        };
        Sent {
            outcome: Outcome { status_type, ..outcome },
            hopeless: (judgement.verdict == Verdict::Admin).then_some(words),
            answered: kind != Kind::Accepted,
        }
    }
}

impl Sent {
    fn only(outcome: Outcome) -> Sent {
        Sent { outcome, hopeless: None, answered: false }
    }

    fn not(file: &Path, kind: Kind, words: String) -> Sent {
        Sent::only(Outcome::new(file, kind, words))
    }
}

impl Outcome {
    fn new(file: &Path, kind: Kind, words: String) -> Outcome {
        Outcome {
            file: file.to_owned(),
            kind,
            words,
            binding: None,
            bytes: None,
            status_type: None,
            message_id: None,
            remarks: Vec::new(),
        }
    }

    /// A file that somebody writes while it is sent is not what was looked at.
    fn note_change(&mut self, prepared: &Prepared) {
        if !prepared.is_unchanged() {
            self.kind = Kind::Failed;
            self.words = "it was changed while it was sent: what the server got is no longer the file".to_owned();
        }
    }

    fn tell(&self, say: &Say, address: &str, collections: &[String]) {
        let file = disk::show(&self.file);
        let line = match self.kind {
            Kind::Sendable => {
                let to =
                    if collections.is_empty() { String::new() } else { format!(" for {}", collections.join(", ")) };
                let (binding, bytes) = (self.binding.as_deref().unwrap_or_default(), self.bytes.unwrap_or_default());
                format!("{file}: would be sent as {binding}, {bytes} bytes, to {address}{to}")
            }
            kind => {
                let status = self.status_type.as_deref().map(|status| format!(" ({status})")).unwrap_or_default();
                let words = if self.words.is_empty() { String::new() } else { format!(": {}", self.words) };
                format!("{file}: {}{status}{words}", kind.word())
            }
        };
        say.line(&line);
        self.remarks.iter().for_each(|remark| Say::new(true).line(&format!("{file}: note: {remark}")));
    }

    fn to_json(&self) -> Value {
        json!({
            "file": disk::show(&self.file),
            "outcome": if self.kind == Kind::Sendable { "sendable" } else { self.kind.word() },
            "reason": (!self.words.is_empty()).then_some(&self.words),
            "content_binding": self.binding,
            "bytes": self.bytes,
            "status_type": self.status_type,
            "message_id": self.message_id,
            "remarks": self.remarks,
        })
    }
}
