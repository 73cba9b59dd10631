//! `subscription`: subscribing to the collection of a feed (Services Specification 1.1, section 4.4.6).

use std::path::Path;

use serde_json::{Value, json};
use url::Url;

use super::args::{Action, SubscriptionArguments};
use super::output::{Say, complain, json as print};
use super::services::{
    Advertised, bindings_json, bindings_text, contact_json, headers_json, redacted, shown, tell_headers,
};
use super::target::{self, Target};
use super::{End, Result, Trouble, load, progress, runtime};
use crate::agent;
use crate::config;
use crate::peer::{Peer, PeerError};
use crate::taxii::Version;
use crate::taxii::message::{
    Body, ContentBinding, ExtendedHeader, Parameters, Query, ResponseType, ServiceType, Subscription,
    SubscriptionRequest, SubscriptionResponse,
};

/// A feed, and where its subscriptions are managed.
struct Managed<'a> {
    name: &'a str,
    settings: &'a config::Feed,
    query: Option<Query>,
    target: Target,
}

/// What the server said.
struct Answered {
    extended: Vec<ExtendedHeader>,
    response: SubscriptionResponse,
    base: Url,
    /// What was asked for was there already.
    existing: bool,
}

/// Manages the subscription of a feed.
pub(super) fn subscription(file: &Path, arguments: &SubscriptionArguments) -> Result<End> {
    let config = load(file)?.config;
    let settings = target::feed(&config, &arguments.feed, file)?;
    let managed = Managed {
        name: &arguments.feed,
        settings,
        query: agent::query(&arguments.feed, settings)?,
        target: target::server_of(&config, &settings.server, file, &arguments.keep)?,
    };
    let words = || format!("asking {}", managed.target.shown());
    let answered = runtime()?.block_on(progress::shown(words, managed.act(arguments)))?;
    managed.tell(arguments, &answered);
    Ok(managed.as_asked(arguments.action, &answered))
}

impl Managed<'_> {
    fn peer(&self) -> &Peer {
        &self.target.peer
    }

    async fn act(&self, arguments: &SubscriptionArguments) -> Result<Answered> {
        let action = arguments.action;
        if matches!(action, Action::Pause | Action::Resume) && self.peer().version == Version::V10 {
            return Err(Trouble::failed("TAXII 1.0 has no PAUSE and no RESUME", "unsubscribe, and subscribe again"));
        }
        let address =
            self.peer().address(ServiceType::CollectionManagement, Some(&self.settings.collection)).await?.url;
        match action {
            Action::Subscribe => self.subscribe(&address).await,
            Action::Status => {
                let id = arguments.id.clone().or_else(|| self.settings.subscription_id.clone());
                Ok(self.ask(&address, Action::Status, id).await?)
            }
            Action::Unsubscribe | Action::Pause | Action::Resume => {
                let id = self.which(&address, arguments.id.as_deref()).await?;
                let mut answered = self.ask(&address, action, Some(id)).await?;
                if self.peer().version == Version::V10 {
                    // 1.0 tells no status; what was ended without an error is ended.
                    let ended = |one: &mut Subscription| "UNSUBSCRIBED".clone_into(&mut one.status);
                    answered.response.subscriptions.iter_mut().for_each(ended);
                }
                Ok(answered)
            }
        }
    }

    /// A server may answer without an error and not do it. One that tells no status is believed, but what was made has a
    /// Subscription ID. The answer is printed already, so that this is only complained of.
    fn as_asked(&self, action: Action, answered: &Answered) -> End {
        let (wanted, did) = match action {
            Action::Pause => ("PAUSED", "paused"),
            Action::Resume => ("ACTIVE", "resumed"),
            Action::Unsubscribe => ("UNSUBSCRIBED", "ended"),
            Action::Subscribe if answered.response.subscriptions.is_empty() => return self.none_made(),
            Action::Subscribe => ("ACTIVE", "made"),
            Action::Status => return End::Good,
        };
        // One that was made may be paused: the advice says how it is resumed.
        let as_wanted = |one: &Subscription| is(one, wanted) || (action == Action::Subscribe && is(one, "PAUSED"));
        let told = |one: &&Subscription| !one.status.trim().is_empty() && !as_wanted(one);
        let Some(other) = answered.response.subscriptions.iter().find(told) else { return End::Good };
        let status = shown(self.peer(), &other.status);
        complain(
            &format!("the subscription was not {did}: the server says that it is {status}"),
            "ask the server's administrator, or make another one with `taxii-sync subscription subscribe`",
        );
        End::Failed
    }

    fn none_made(&self) -> End {
        let (server, collection) = (self.target.shown(), &self.settings.collection);
        complain(
            &format!("the answer of {server} holds no subscription to the collection `{collection}`: none was made"),
            &format!("`taxii-sync subscription status {}` says what there is; else ask its administrator", self.name),
        );
        End::Failed
    }

    /// Some servers make a second subscription without a word: STATUS is asked first.
    async fn subscribe(&self, address: &Url) -> Result<Answered> {
        match self.ask(address, Action::Status, None).await {
            Ok(mut answered) => {
                answered.response.subscriptions.retain(|there| self.is_same(there));
                if !answered.response.subscriptions.is_empty() {
                    answered.response.subscriptions.truncate(1);
                    answered.existing = true;
                    return Ok(answered);
                }
            }
            Err(PeerError::Refused { words, .. }) => {
                Say::new(true).line(&format!("the server does not tell of subscriptions that there are: {words}"));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(self.ask(address, Action::Subscribe, None).await?)
    }

    /// The subscription that is meant: as named, as configured, or the only one there is.
    async fn which(&self, address: &Url, named: Option<&str>) -> Result<String> {
        if let Some(id) = named.or(self.settings.subscription_id.as_deref()) {
            return Ok(id.to_owned());
        }
        let there = self.ask(address, Action::Status, None).await?.response.subscriptions;
        let ids: Vec<&str> = there.iter().filter(|one| !is(one, "UNSUBSCRIBED")).map(|one| one.id.as_str()).collect();
        match ids.as_slice() {
            [only] => Ok((*only).to_owned()),
            [] => Err(Trouble::failed(
                format!("there is no subscription to the collection `{}`", self.settings.collection),
                format!("`taxii-sync subscription subscribe {}` makes one", self.name),
            )),
            several => Err(Trouble::failed(
                format!(
                    "there are {} subscriptions to the collection `{}`: {}",
                    several.len(),
                    self.settings.collection,
                    shown(self.peer(), &several.join(", "))
                ),
                "say which one with --id, or set `subscription_id` of the feed",
            )),
        }
    }

    async fn ask(&self, address: &Url, action: Action, id: Option<String>) -> Result<Answered, PeerError> {
        let parameters = (action == Action::Subscribe).then(|| self.parameters());
        let request = SubscriptionRequest {
            action: action.into(),
            collection: self.settings.collection.clone(),
            subscription_id: id,
            parameters,
            push: None,
        };
        let (message, base) = self.peer().ask(address, Body::SubscriptionRequest(request)).await?;
        match message.body {
            Body::SubscriptionResponse(response) => {
                Ok(Answered { extended: message.header.extended, response, base, existing: false })
            }
            other => {
                let what = format!("a {} where a subscription was asked about", other.name(message.version));
                Err(PeerError::Unreadable { url: base.to_string(), what })
            }
        }
    }

    fn parameters(&self) -> Parameters {
        let binding = |id: &String| ContentBinding { id: id.clone(), subtypes: Vec::new() };
        Parameters {
            response_type: ResponseType::Full,
            content_bindings: self.settings.content_bindings.iter().map(binding).collect(),
            query: self.query.clone(),
        }
    }

    /// Whether a subscription is what SUBSCRIBE would make: one that is polled, for the same content. One without
    /// parameters is taken for one without filters; in TAXII 1.0 a subscription that is polled has none.
    fn is_same(&self, there: &Subscription) -> bool {
        let wanted = self.parameters();
        let is_same = match &there.parameters {
            Some(parameters) => *parameters == wanted,
            None => self.peer().version == Version::V10 || wanted == Parameters::default(),
        };
        is_same && there.push.is_none() && !is(there, "UNSUBSCRIBED")
    }

    fn tell(&self, arguments: &SubscriptionArguments, answered: &Answered) {
        let Answered { extended, response, base, existing } = answered;
        let (say, peer) = (Say::new(arguments.output.json), self.peer());
        if *existing {
            say.line("there is a subscription for the same content already; no second one was made");
        }
        if response.subscriptions.is_empty() {
            say.line(&format!("no subscription to the collection `{}`", self.settings.collection));
        }
        for subscription in &response.subscriptions {
            tell_one(&say, peer, subscription, base);
        }
        if let Some(message) = &response.message {
            say.line(&format!("the server says: {}", shown(peer, message)));
        }
        tell_headers(&say, peer, extended);
        if arguments.action == Action::Subscribe
            && let Some(subscription) = response.subscriptions.first()
        {
            self.advise(&say, subscription);
        }
        if arguments.output.json {
            let subscriptions: Vec<Value> =
                response.subscriptions.iter().map(|subscription| subscription_json(peer, subscription, base)).collect();
            let answer = json!({
                "feed": self.name,
                "server": self.target.name,
                "collection": self.settings.collection,
                "url": base.as_str(),
                "existing": existing,
                "message": response.message,
                "extended_headers": headers_json(extended),
                "subscriptions": subscriptions,
            });
            print(&redacted(peer, answer));
        }
    }

    fn advise(&self, say: &Say, subscription: &Subscription) {
        let (name, id) = (self.name, shown(self.peer(), &subscription.id));
        if is(subscription, "PAUSED") {
            say.line(&format!("it is paused: `taxii-sync subscription resume {name} --id {id}` resumes it"));
        }
        if self.settings.subscription_id.as_deref() != Some(&subscription.id) {
            say.line(&format!("to poll by it, set subscription_id = {id:?} in [feeds.{name}]"));
        }
    }
}

fn tell_one(say: &Say, peer: &Peer, subscription: &Subscription, base: &Url) {
    let status = if subscription.status.is_empty() { "ACTIVE" } else { &subscription.status };
    say.line(&format!("subscription {}: {}", shown(peer, &subscription.id), shown(peer, status)));
    if let Some(parameters) = &subscription.parameters {
        say.line(&format!("  for {}", bindings_text(peer, &parameters.content_bindings)));
    }
    for contact in &subscription.poll_instances {
        if let Some(advertised) = Advertised::contact(contact, peer, base) {
            say.line(&format!("  polled at {}", advertised.lines().join("\n    ")));
        }
    }
}

fn subscription_json(peer: &Peer, subscription: &Subscription, base: &Url) -> Value {
    let instances = subscription.poll_instances.iter();
    let instances: Vec<Value> =
        instances.map(|contact| contact_json(contact, Advertised::contact(contact, peer, base).as_ref())).collect();
    json!({
        "subscription_id": subscription.id,
        "status": subscription.status,
        "content_bindings": subscription.parameters.as_ref().map(|some| bindings_json(&some.content_bindings)),
        "response_type": subscription.parameters.as_ref().map(|some| some.response_type.name()),
        "pushed": subscription.push.is_some(),
        "poll_instances": instances,
    })
}

fn is(subscription: &Subscription, status: &str) -> bool {
    subscription.status.trim().eq_ignore_ascii_case(status)
}
