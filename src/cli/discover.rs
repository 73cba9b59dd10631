//! `discover`: which services a server has.

use std::path::Path;

use serde_json::{Value, json};
use url::Url;

use super::args::Question;
use super::output::{Say, counted, json as print};
use super::services::{
    Advertised, available_text, bindings_json, bindings_text, contact_json, headers_json, redacted, shown, tell_headers,
};
use super::target::Target;
use super::{End, Result, Trouble, progress, runtime};
use crate::peer::{Peer, PeerError};
use crate::taxii::message::{Body, Header, ServiceInstance, ServiceType};

/// Asks a server which services it has.
pub(super) fn discover(file: &Path, question: &Question) -> Result<End> {
    let target = Target::of(file, &question.server, &question.access, &question.keep)?;
    let words = || format!("asking {}", target.shown());
    let (header, instances, base) = runtime()?.block_on(progress::shown(words, ask(&target)))?;
    let (say, peer) = (Say::new(question.output.json), &target.peer);
    say.line(&format!("{} answered: {}", peer.shown_url(&base), counted(instances.len() as u64, "service")));
    tell_headers(&say, peer, &header.extended);
    for instance in &instances {
        tell(&say, peer, instance, &base);
    }
    if question.output.json {
        let services: Vec<Value> = instances.iter().map(|instance| instance_json(peer, instance, &base)).collect();
        let answer = json!({
            "server": target.name,
            "url": peer.shown_url(&base),
            "taxii": peer.version.number(),
            "clock_skew_seconds": peer.skew().map(|skew| skew.num_milliseconds() as f64 / 1000.0),
            "extended_headers": headers_json(&header.extended),
            "services": services,
        });
        print(&redacted(peer, answer));
    }
    Ok(End::Good)
}

async fn ask(target: &Target) -> Result<(Header, Vec<ServiceInstance>, Url)> {
    let Some(url) = target.peer.discovery() else {
        let words = format!("server `{}` has no `discovery` address in the configuration", target.shown());
        return Err(Trouble::failed(words, "set it, or give the URL of its Discovery Service instead of its name"));
    };
    let (message, base) = target.peer.ask(url, Body::DiscoveryRequest).await?;
    match message.body {
        Body::DiscoveryResponse(instances) => Ok((message.header, instances, base)),
        other => {
            let what = format!("a {} where services were asked for", other.name(message.version));
            Err(PeerError::Unreadable { url: target.peer.shown_url(&base), what }.into())
        }
    }
}

fn tell(say: &Say, peer: &Peer, instance: &ServiceInstance, base: &Url) {
    let service = type_name(peer, instance.service_type);
    let mut lines = match Advertised::service(instance, peer, base) {
        Some(advertised) => advertised.lines(),
        None => vec![shown(peer, &instance.contact.address), "a type of service that TAXII does not know".to_owned()],
    };
    say.line("");
    say.line(&format!("{service}: {}", lines.remove(0)));
    let bindings = instance.contact.message_bindings.join(", ");
    say.line(&format!("  {}; speaks {}", available_text(instance.available), shown(peer, &bindings)));
    if instance.service_type == Some(ServiceType::Inbox) {
        say.line(&format!("  accepts {}", bindings_text(peer, &instance.content_bindings)));
    }
    if !instance.supported_queries.is_empty() {
        say.line(&format!("  takes queries: {}", shown(peer, &instance.supported_queries.join(", "))));
    }
    if let Some(message) = &instance.message {
        say.line(&format!("  {}", shown(peer, message)));
    }
    lines.iter().for_each(|line| say.line(&format!("  {line}")));
}

fn type_name(peer: &Peer, service: Option<ServiceType>) -> &'static str {
    service.map_or("unknown", |service| service.name(peer.version))
}

fn instance_json(peer: &Peer, instance: &ServiceInstance, base: &Url) -> Value {
    let mut value = contact_json(&instance.contact, Advertised::service(instance, peer, base).as_ref());
    value["service_type"] = json!(instance.service_type.map(|service| service.name(peer.version)));
    value["service_version"] = json!(instance.service_version);
    value["available"] = json!(instance.available);
    value["content_bindings"] = bindings_json(&instance.content_bindings);
    value["supported_queries"] = json!(instance.supported_queries);
    value["message"] = json!(instance.message);
    value
}
