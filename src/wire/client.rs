//! One server, as it is spoken to.
#![expect(clippy::disallowed_methods, reason = "this is the door to reqwest")]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use tokio::time::{Instant, sleep_until};
use url::Url;

use super::body::Sent;
use super::cause;
use super::credentials::{Credentials, own_header, sensitive};
use super::error::{Limit, MOST_SHOWN, WireError, shown};
use super::login::TokenUse;
use super::origin::{Origins, bare_url, is_loopback};
use super::proxy::Route;
use super::record::{Recorder, Recording};
use super::redact::Known;
use super::response::Bounds;
use super::validity::{Shown, Validity, not_after};
use super::{Body, Identity, Response, Secret, Settings, keys, tls};
use crate::taxii::Version;
use crate::taxii::names::{Scheme, headers};

/// How many redirects are followed.
const MOST_REDIRECTS: usize = 3;
/// How many unused connections are kept open, and how long: as many as an inbox may sensibly use at once.
const IDLE_CONNECTIONS: usize = 32;
const KEPT_OPEN: Duration = Duration::from_secs(60);
/// The time over which the lowest pace of a reply is looked at.
const PACE_WINDOW: Duration = Duration::from_secs(300);
/// No time-out is longer: clocks cannot count for ever.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// One server, as it is spoken to. Clones share connections, the login and everything else.
#[derive(Clone)]
pub struct Client {
    pub(super) inner: Arc<Inner>,
    /// Who keeps the exchanges, where somebody does.
    pub(super) recorder: Option<Arc<dyn Recorder>>,
}

pub(super) struct Inner {
    pub(super) credentials: Credentials,
    pub(super) headers: Vec<(HeaderName, Secret)>,
    pub(super) known: Known,
    pub(super) bounds: Bounds,
    connect_timeout: Duration,
    plaintext_credentials: bool,
    origins: Origins,
    proxy: Option<Arc<Route>>,
    shown: Shown,
    own_certificate: Option<Validity>,
    http: reqwest::Client,
}

/// What is POSTed.
pub(super) struct Request<'a> {
    pub(super) headers: &'a [(&'static str, &'static str)],
    pub(super) authorization: Option<HeaderValue>,
    pub(super) body: Body,
    /// When the exchange began that this is a part of.
    pub(super) started: Instant,
    /// Whether its answer holds a new secret.
    pub(super) is_login: bool,
}

/// The header of a reply, how far the request got, and the recording of both.
type Answered = (reqwest::Response, Sent, Option<Box<Recording>>);

impl Client {
    /// Makes a client. Nothing is sent.
    ///
    /// # Errors
    ///
    /// When a certificate, a key, a header or the proxy's address cannot be used, or the password of a key cannot be
    /// had.
    pub fn new(settings: Settings) -> Result<Client, WireError> {
        let known = Known::default();
        let credentials = Credentials::new(settings.auth.as_ref())?;
        let origins = Origins::new(settings.origins.iter().chain(credentials.login().map(|login| &login.url)));
        let headers = settings.headers.iter().map(own_header).collect::<Result<_, _>>()?;
        let proxy = settings.proxy.as_ref().map(Route::new).transpose()?.map(Arc::new);
        let bounds = Bounds {
            idle_timeout: settings.idle_timeout.min(FOR_EVER),
            total_timeout: settings.total_timeout.min(FOR_EVER),
            pace_window: PACE_WINDOW,
            max_response: settings.max_response,
        };
        let connect_timeout = settings.connect_timeout.min(FOR_EVER);
        let shown = Shown::default();
        let mut http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::config(&settings.tls, origins.any_https(), &known, &shown)?)
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(connect_timeout)
            // A peer that stops reading without closing would otherwise hold its connection for ever.
            .tcp_user_timeout(bounds.idle_timeout + Duration::from_secs(30))
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .pool_idle_timeout(KEPT_OPEN);
        if let Some(route) = &proxy {
            http = http.proxy(route.clone().rule());
        }
        let http = http.build().map_err(|error| WireError::settings(cause::of(&error).text, ""))?;
        let plaintext_credentials = settings.plaintext_credentials;
        let own_certificate = settings.tls.identity.as_ref().and_then(own_validity);
        Ok(Client {
            inner: Arc::new(Inner {
                credentials,
                headers,
                known,
                bounds,
                connect_timeout,
                plaintext_credentials,
                origins,
                proxy,
                shown,
                own_certificate,
                http,
            }),
            recorder: None,
        })
    }

    /// Whether requests may go to this address.
    ///
    /// # Errors
    ///
    /// Why not: its origin is neither configured nor trusted, or it has user information in it.
    pub fn allows(&self, url: &Url) -> Result<(), WireError> {
        self.inner.origins.check(url)
    }

    /// The certificates that servers have shown so far and that were found good, by the servers' names.
    pub fn server_certificates(&self) -> BTreeMap<String, Validity> {
        self.inner.shown.all()
    }

    /// The client certificate, where there is one.
    pub fn own_certificate(&self) -> Option<Validity> {
        self.inner.own_certificate
    }

    /// POSTs one TAXII message and reads the header of the reply, whatever its status.
    ///
    /// The message is sent again after a 307 or 308 within the origin, and once after a 401 in reply to the token of
    /// a login; in both cases the server has said that it did not act on it. It is never sent again for any other reason.
    ///
    /// # Errors
    ///
    /// As [`WireError`] tells them. An HTTP status other than a redirect is no error here.
    pub async fn post(&self, url: &Url, version: Version, body: Body) -> Result<Response, WireError> {
        self.send_message(url, version, body, false).await
    }

    /// POSTs the same message once more, where [`Client::forget_token`] said that this makes sense. It is the last time.
    ///
    /// # Errors
    ///
    /// As [`Client::post`].
    pub async fn post_again(&self, url: &Url, version: Version, body: Body) -> Result<Response, WireError> {
        self.send_message(url, version, body, true).await
    }

    /// `again`: a login token was refused already.
    async fn send_message(
        &self,
        url: &Url,
        version: Version,
        body: Body,
        mut again: bool,
    ) -> Result<Response, WireError> {
        self.admit(url)?;
        let headers = headers(version, Scheme::of(url).unwrap_or(Scheme::Http));
        let started = Instant::now();
        loop {
            let (authorization, token) = self.authorization(started).await?;
            let request = Request { headers: &headers, authorization, body: body.clone(), started, is_login: false };
            let mut reply = self.exchange(url, &request).await?;
            reply.token = token.map(|token| token.after(again));
            if reply.status != 401 || !self.forget_token(reply.token) {
                return Ok(reply);
            }
            again = true;
        }
    }

    /// Told that a reply was UNAUTHORIZED: forgets the login token that request carried ([`Response::token`]). True
    /// where sending the request once again ([`Client::post_again`]) makes sense, because it was the first token.
    pub fn forget_token(&self, used: Option<TokenUse>) -> bool {
        match (self.inner.credentials.login(), used) {
            (Some(login), Some(used)) => login.forget(used),
            _ => false,
        }
    }

    /// `text` with every secret that was used replaced by `[secret]`, however it is spelled. Use it before `text` is
    /// truncated; where that follows anyway, [`Client::redact_beginning`] is enough.
    pub fn redact(&self, text: &str) -> String {
        self.inner.known.redact(text)
    }

    /// The beginning of what [`Client::redact`] gives, at least `least` bytes of it: however long `text` is, that is cheap.
    pub fn redact_beginning(&self, text: &str, least: usize) -> String {
        self.inner.known.redact_beginning(text, least)
    }

    /// An address as people may see it: without user information, query and secrets, and not too long.
    pub fn shown_url(&self, url: &Url) -> String {
        shown(&self.redact_beginning(&bare_url(url), MOST_SHOWN))
    }

    /// `error` without any secret in it that a server has repeated.
    pub fn clean(&self, error: WireError) -> WireError {
        error.map_text(|text| self.redact(text))
    }

    /// Reads a secret, and remembers it for [`Client::redact`].
    pub(super) fn read(&self, secret: &Secret) -> Result<String, WireError> {
        let value = secret.read()?;
        self.inner.known.add(&value);
        Ok(value)
    }

    /// Sends a request, and again where a redirect within the origin says so.
    pub(super) async fn exchange(&self, url: &Url, request: &Request<'_>) -> Result<Response, WireError> {
        let mut url = url.clone();
        let mut followed = 0;
        loop {
            self.admit(&url)?;
            let (reply, sent, recording) = self.send(&url, request).await?;
            if !reply.status().is_redirection() {
                let mut response = Response::new(reply, self.shown_url(&url), self.inner.bounds, request.started, sent);
                response.recording = recording;
                return Ok(response);
            }
            url = self.redirected(&url, &reply, followed)?;
            followed += 1;
        }
    }

    /// Lets a request pass to an address: its origin must be known, and credentials must not travel in the clear.
    fn admit(&self, url: &Url) -> Result<(), WireError> {
        self.inner.origins.check(url)?;
        // A proxy elsewhere would carry even a request to a loopback address over the network.
        let direct = self.inner.proxy.as_ref().is_none_or(|route| route.is_loopback() || !route.applies(url));
        let private = url.scheme() == "https" || (is_loopback(url) && direct);
        match self.has_credentials() && !private && !self.inner.plaintext_credentials {
            true => Err(WireError::Plaintext { url: self.shown_url(url) }),
            false => Ok(()),
        }
    }

    async fn send(&self, url: &Url, request: &Request<'_>) -> Result<Answered, WireError> {
        let Inner { http, proxy, known, .. } = &*self.inner;
        if let Some(proxy) = proxy {
            proxy.check(known)?;
        }
        let headers = self.headers(request)?;
        let (mut sent, stream) = request.body.clone().send();
        let mut recording = self.record(url, &headers, request);
        let body = match &recording {
            Some(recording) => recording.watched(stream),
            None => reqwest::Body::wrap_stream(stream),
        };
        let pending = http.post(url.clone()).headers(headers).body(body).send();
        let answer = self.answer(url, request.started, pending, &mut sent).await;
        if let Some(recording) = &mut recording {
            recording.answered(&answer);
        }
        Ok((answer?, sent, recording))
    }

    /// Waits for the header of the reply.
    async fn answer(
        &self,
        url: &Url,
        started: Instant,
        pending: impl Future<Output = reqwest::Result<reqwest::Response>>,
        sent: &mut Sent,
    ) -> Result<reqwest::Response, WireError> {
        let bounds = &self.inner.bounds;
        let (limit, value) = tokio::select! {
            biased;
            outcome = pending => match outcome {
                Ok(reply) => return Ok(reply),
                Err(error) if error.is_connect() && error.is_timeout() => (Limit::Connect, self.inner.connect_timeout),
                Err(error) => return Err(self.explain(&error, url, sent)),
            },
            () = sent.stalled(bounds.idle_timeout) => (Limit::Idle, bounds.idle_timeout),
            () = sleep_until(started + bounds.total_timeout) => (Limit::Total, bounds.total_timeout),
        };
        Err(WireError::Timeout { url: self.shown_url(url), limit, value, unknown: sent.whole() })
    }

    /// The headers of a request; the operator's own win.
    fn headers(&self, request: &Request<'_>) -> Result<HeaderMap, WireError> {
        let mut headers = HeaderMap::new();
        for &(name, value) in request.headers {
            if let Ok(name) = HeaderName::try_from(name) {
                headers.insert(name, HeaderValue::from_static(value));
            }
        }
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(request.body.len()));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("taxii-sync/", env!("CARGO_PKG_VERSION"))));
        if let Some(authorization) = &request.authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        for (name, secret) in &self.inner.headers {
            let value = sensitive(&self.read(secret)?).ok_or_else(|| {
                WireError::settings(
                    format!("the value of the header {name} has characters that no header can carry"),
                    "",
                )
            })?;
            headers.insert(name.clone(), value);
        }
        Ok(headers)
    }

    /// Where a redirect leads, if it may be followed.
    fn redirected(&self, url: &Url, reply: &reqwest::Response, followed: usize) -> Result<Url, WireError> {
        let status = reply.status().as_u16();
        let location = reply.headers().get(header::LOCATION).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let target = location.as_deref().and_then(|location| url.join(location).ok());
        let reason = match &target {
            _ if !matches!(status, 307 | 308) => "only 307 and 308 are followed",
            None => "it names no address",
            Some(target) if target.origin() != url.origin() => "it leads to another origin",
            Some(_) if followed == MOST_REDIRECTS => "it is the fourth in a row",
            Some(target) => return Ok(target.clone()),
        };
        let target = match (target, location) {
            (Some(target), _) => self.shown_url(&target),
            (None, Some(location)) => shown(&self.redact_beginning(&location, MOST_SHOWN)),
            (None, None) => "nowhere".to_owned(),
        };
        Err(WireError::Redirect { url: self.shown_url(url), status, target, reason })
    }

    /// What an error of the HTTP client means for a request.
    fn explain(&self, error: &reqwest::Error, url: &Url, sent: &Sent) -> WireError {
        let shown = self.shown_url(url);
        if let Some(reason) = sent.failure() {
            return WireError::File { url: shown, reason };
        }
        let cause = cause::of(error);
        if sent.begun() && !error.is_connect() && !cause.refused {
            return WireError::Broken { url: shown, reason: cause.text, unknown: sent.whole() };
        }
        let reason = match self.inner.proxy.as_ref().filter(|route| route.applies(url)) {
            Some(route) => format!("{} (through the proxy {})", cause.text, route.shown()),
            None => cause.text,
        };
        WireError::Connect { url: shown, reason, hint: cause.hint, class: cause.class }
    }
}

/// How long the client certificate lasts: the first one counts, the others lead up to its authority.
fn own_validity(identity: &Identity) -> Option<Validity> {
    let certificates = keys::certificates(&identity.certificates, "tls.cert_file").ok()?;
    Some(Validity { until: not_after(certificates.first()?)?, counts: true })
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("origins", &self.inner.origins).finish_non_exhaustive()
    }
}
