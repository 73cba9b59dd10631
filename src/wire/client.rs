//! One server, as it is spoken to.

use url::Url;

use super::{Body, Response, Settings, TokenUse, WireError};
use crate::taxii::Version;

/// One server, as it is spoken to. Clones share connections, the login and everything else.
#[derive(Clone, Debug)]
pub struct Client {}

impl Client {
    /// Makes a client. Nothing is sent.
    ///
    /// # Errors
    ///
    /// When a certificate, a key, a header or the proxy's address cannot be used, or a secret cannot be had.
    pub fn new(_settings: Settings) -> Result<Client, WireError> {
        Ok(Client {})
    }

    /// Whether requests may go to this address.
    ///
    /// # Errors
    ///
    /// Why not: its origin is neither configured nor trusted, or it has user information in it.
    pub fn allows(&self, _url: &Url) -> Result<(), WireError> {
        Ok(())
    }

    /// POSTs one TAXII message and reads the header of the reply, whatever its status.
    ///
    /// # Errors
    ///
    /// As [`WireError`] tells them. An HTTP status other than a redirect is no error here.
    pub async fn post(&self, url: &Url, _version: Version, _body: Body) -> Result<Response, WireError> {
        Err(WireError::Connect { url: url.to_string(), reason: String::new() })
    }

    /// Told that a reply was UNAUTHORIZED: forgets the login token that request carried. True where sending the
    /// request again makes sense, because the token had not been fetched for that very request.
    pub fn forget_token(&self, _used: Option<TokenUse>) -> bool {
        false
    }

    /// `text` with every known secret replaced by `[secret]`. To be used before `text` is escaped or truncated.
    pub fn redact(&self, text: &str) -> String {
        text.to_owned()
    }
}
