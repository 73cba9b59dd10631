//! One value of the file, read as its kind of key wants it.
//!
//! Every function answers with the value or with what is wrong about it, as it stands in brackets after what was
//! found. That text never repeats the value: it may be a secret's.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, TimeZone, Utc};
use croner::parser::{CronParser, Seconds, Year};
use toml::de::{DeArray, DeTable, DeValue};
use url::Url;

use super::kind::{Kind, nearest};
use super::model::{Schedule, Start};
use super::units;

/// A value, or what is wrong about it.
pub(super) type Reading<T> = Result<T, String>;

pub(super) fn string<'v>(_: &Kind, value: &'v DeValue<'_>) -> Reading<&'v str> {
    value.as_str().ok_or_else(|| "not a text in quotes".to_owned())
}

pub(super) fn table<'v>(_: &Kind, value: &'v DeValue<'v>) -> Reading<&'v DeTable<'v>> {
    value.as_table().ok_or_else(|| "not a table".to_owned())
}

pub(super) fn list<'v>(kind: &Kind, value: &'v DeValue<'v>) -> Reading<&'v DeArray<'v>> {
    let list = value.as_array().ok_or_else(|| "not a list in brackets".to_owned())?;
    match kind {
        Kind::List { least, .. } if list.len() < *least => Err("too short".into()),
        _ => Ok(list),
    }
}

/// One of the words of a [`Kind::Word`].
pub(super) fn word(kind: &Kind, value: &DeValue<'_>) -> Reading<&'static str> {
    let text = string(kind, value)?;
    let Kind::Word(words) = kind else { return Err("not one of them".into()) };
    words.iter().find(|word| **word == text).copied().ok_or_else(|| match nearest(text, words.iter().copied()) {
        Some(meant) => format!("did you mean {meant:?}?"),
        None => "not one of them".to_owned(),
    })
}

/// A text that XML, a log line and a header field can hold.
pub(super) fn text(kind: &Kind, value: &DeValue<'_>) -> Reading<String> {
    let text = string(kind, value)?;
    if text.is_empty() && !kind.may_be_empty() {
        return Err("empty".into());
    }
    if text.chars().any(|c| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')) {
        return Err("it has a control character".into());
    }
    Ok(text.to_owned())
}

pub(super) fn flag(_: &Kind, value: &DeValue<'_>) -> Reading<bool> {
    value.as_bool().ok_or_else(|| "neither of them".to_owned())
}

pub(super) fn number(kind: &Kind, value: &DeValue<'_>) -> Reading<u64> {
    let integer = value.as_integer().ok_or_else(|| "not a whole number".to_owned())?;
    let (least, most) = if let Kind::Number { least, most } = kind { (*least, *most) } else { (0, u64::MAX) };
    if integer.as_str().starts_with('-') {
        return Err("negative".into());
    }
    // Digits alone fail to parse only where there are too many of them.
    match u64::from_str_radix(integer.as_str(), integer.radix()) {
        Ok(number) if number < least => Err("too small".into()),
        Ok(number) if number <= most => Ok(number),
        _ => Err("too large".into()),
    }
}

/// A [`number`] no larger than its kind says, which is within 32 bits.
pub(super) fn small_number(kind: &Kind, value: &DeValue<'_>) -> Reading<u32> {
    u32::try_from(number(kind, value)?).map_err(|_| "too large".into())
}

pub(super) fn duration(kind: &Kind, value: &DeValue<'_>) -> Reading<Duration> {
    let duration = units::parse_duration(quantity(kind, value)?).map_err(|why| match why {
        units::NotAQuantity::TooLarge => "more than a hundred years".to_owned(),
        why => why.to_string(),
    })?;
    match kind {
        Kind::Duration { least } if duration < *least => Err("too short".into()),
        _ => Ok(duration),
    }
}

pub(super) fn size(kind: &Kind, value: &DeValue<'_>) -> Reading<u64> {
    let size = units::parse_size(quantity(kind, value)?).map_err(|why| why.to_string())?;
    match kind {
        Kind::Size { least } if size < *least => Err("too small".into()),
        _ => Ok(size),
    }
}

fn quantity<'v>(kind: &Kind, value: &'v DeValue<'_>) -> Reading<&'v str> {
    if value.is_integer() || value.is_float() {
        return Err("a number without a unit".into());
    }
    string(kind, value)
}

/// A path, relative or absolute. No path can hold a NUL.
pub(super) fn path(kind: &Kind, value: &DeValue<'_>) -> Reading<PathBuf> {
    Ok(PathBuf::from(text(kind, value)?))
}

/// `every`, as a schedule.
pub(super) fn every(kind: &Kind, value: &DeValue<'_>) -> Reading<Schedule> {
    Ok(Schedule::Every(duration(kind, value)?))
}

/// Five fields; croner alone would take seconds, years and nicknames too.
pub(super) fn cron(kind: &Kind, value: &DeValue<'_>) -> Reading<Schedule> {
    let text = text(kind, value)?;
    let fields = text.split_whitespace().count();
    if fields != 5 {
        return Err(format!("{fields} field{}", if fields == 1 { "" } else { "s" }));
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let cron = parser.parse(&text).map_err(|error| error.to_string().trim_end_matches('.').to_owned())?;
    // The 30th of February can be written, but a feed that is never polled was not meant. Any instant will do here.
    match cron.find_next_occurrence(&DateTime::<Utc>::UNIX_EPOCH, false) {
        Ok(_) => Ok(Schedule::Cron(Box::new(cron))),
        Err(_) => Err("a time that never comes".into()),
    }
}

/// A duration, an RFC 3339 time (also as TOML's own date-time) or `beginning`.
pub(super) fn start(kind: &Kind, value: &DeValue<'_>) -> Reading<Start> {
    if let Some(time) = value.as_datetime() {
        return instant(&time.to_string()).map(Start::At).ok_or_else(|| "a time without an offset such as Z".into());
    }
    let text = quantity(kind, value)?;
    if text == "beginning" {
        return Ok(Start::Beginning);
    }
    match units::parse_duration(text) {
        Ok(duration) => Ok(Start::Ago(duration)),
        Err(why) => instant(text).map(Start::At).ok_or_else(|| match why {
            units::NotAQuantity::TooLarge => "more than a hundred years".to_owned(),
            units::NotAQuantity::Negative => "negative".to_owned(),
            units::NotAQuantity::NoUnit => "a number without a unit".to_owned(),
            _ => "none of these".to_owned(),
        }),
    }
}

fn instant(text: &str) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(text).ok()?.naive_utc();
    Some(Utc.from_utc_datetime(&time))
}

pub(super) fn file_mode(kind: &Kind, value: &DeValue<'_>) -> Reading<u32> {
    let text = string(kind, value)?;
    let octal = matches!(text.len(), 3 | 4) && text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    match u32::from_str_radix(text, 8) {
        Ok(mode) if octal && mode <= 0o777 => Ok(mode),
        Ok(_) if octal => Err("more than permission bits".into()),
        _ => Err("not three or four octal digits".into()),
    }
}

pub(super) fn fingerprint(kind: &Kind, value: &DeValue<'_>) -> Reading<[u8; 32]> {
    let text = string(kind, value)?;
    if !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err("not hexadecimal digits alone".into());
    }
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() {
        return Err(format!("{} digits", text.len()));
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).map_err(|error| error.to_string())?;
        *byte = u8::from_str_radix(digits, 16).map_err(|error| error.to_string())?;
    }
    Ok(bytes)
}

/// A level, or an EnvFilter string. A single word that is no level would be taken for the name of a module and turn
/// every line off, which is not what anyone means by `level = "verbose"`.
pub(super) fn level(kind: &Kind, value: &DeValue<'_>) -> Reading<String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let text = text(kind, value)?;
    if LEVELS.contains(&text.to_ascii_lowercase().as_str()) {
        return Ok(text);
    }
    if text.chars().all(char::is_alphanumeric) {
        let meant = nearest(&text, LEVELS).map(|level| format!("; did you mean \"{level}\"?"));
        return Err(format!("not a level{}", meant.unwrap_or_default()));
    }
    tracing_subscriber::EnvFilter::try_new(&text).map(|_| text).map_err(|error| error.to_string())
}

/// The user name of HTTP Basic, where a colon ends the name (RFC 7617, section 2).
pub(super) fn username(kind: &Kind, value: &DeValue<'_>) -> Reading<String> {
    let name = text(kind, value)?;
    if name.contains(':') { Err("it has a colon".into()) } else { Ok(name) }
}

pub(super) fn glob(kind: &Kind, value: &DeValue<'_>) -> Reading<String> {
    let pattern = text(kind, value)?;
    match globset::Glob::new(&pattern) {
        Ok(_) => Ok(pattern),
        Err(error) => Err(error.kind().to_string()),
    }
}

/// An address of a service.
pub(super) fn url(kind: &Kind, value: &DeValue<'_>) -> Reading<Url> {
    address(kind, value, &["http", "https"])
}

/// An address of which only scheme, host and port are meant.
pub(super) fn origin(kind: &Kind, value: &DeValue<'_>) -> Reading<Url> {
    only_authority(url(kind, value)?)
}

pub(super) fn proxy_url(kind: &Kind, value: &DeValue<'_>) -> Reading<Url> {
    only_authority(address(kind, value, &["http", "socks5", "socks5h"])?)
}

fn only_authority(url: Url) -> Reading<Url> {
    if !matches!(url.path(), "" | "/") || url.query().is_some() { Err("it has a path".into()) } else { Ok(url) }
}

/// The parser of addresses forgives much (spaces, backslashes, missing slashes); here it is to mean what it says.
fn address(kind: &Kind, value: &DeValue<'_>, schemes: &[&str]) -> Reading<Url> {
    let text = text(kind, value)?;
    let (scheme, rest) = text.split_once("://").ok_or("it does not begin with a scheme and ://")?;
    if !schemes.contains(&scheme.to_ascii_lowercase().as_str()) {
        return Err("of another scheme".into());
    }
    if rest.contains(|c: char| c.is_whitespace() || c == '\\') {
        return Err("it has a space or a backslash".into());
    }
    let url = Url::parse(&text).map_err(|error| error.to_string())?;
    if !url.username().is_empty() || url.password().is_some() || authority(rest).contains('@') {
        return Err("it has a user name or password".into());
    }
    if url.fragment().is_some() {
        return Err("it has a fragment".into());
    }
    if rest.starts_with('/') || url.host_str().is_none_or(str::is_empty) {
        return Err("it has no host".into());
    }
    Ok(url)
}

fn authority(rest: &str) -> &str {
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// What is reached without the proxy.
pub(super) fn direct(kind: &Kind, value: &DeValue<'_>) -> Reading<String> {
    let text = text(kind, value)?;
    if let Some((address, prefix)) = text.split_once('/') {
        let address: IpAddr = address.parse().map_err(|_| "not an address and a prefix length")?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        return match prefix.parse::<u8>() {
            Ok(length) if length <= longest && prefix.bytes().all(|digit| digit.is_ascii_digit()) => Ok(text),
            _ => Err(format!("the prefix length is not one from 0 to {longest}")),
        };
    }
    let host = text == "*" || text.parse::<IpAddr>().is_ok();
    let legal = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    if host || (text.chars().all(legal) && !text.trim_matches('.').is_empty()) {
        return Ok(text);
    }
    Err("not a host name, an address or a network".into())
}

/// The name of an environment variable.
pub(super) fn variable(kind: &Kind, value: &DeValue<'_>) -> Reading<String> {
    let name = string(kind, value)?;
    let legal = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if name.is_empty() || !legal || name.as_bytes()[0].is_ascii_digit() {
        return Err("not the name of an environment variable".into());
    }
    Ok(name.to_owned())
}

/// The name of a systemd credential: a file name.
pub(super) fn credential(kind: &Kind, value: &DeValue<'_>) -> Reading<String> {
    let name = text(kind, value)?;
    if name.contains('/') || name.len() > 255 || matches!(name.as_str(), "." | "..") {
        return Err("not the name of a credential, which is a file name".into());
    }
    Ok(name)
}

/// A value that may stand in a header field (RFC 9110, section 5.5), without the bytes that nobody agrees about.
pub(super) fn header_value(kind: &Kind, value: &DeValue<'_>) -> Reading<String> {
    let text = text(kind, value)?;
    let edges = text.starts_with(' ') || text.ends_with(' ');
    if edges || !text.is_ascii() { Err("not printable ASCII without spaces around it".into()) } else { Ok(text) }
}

/// The name of a header field (RFC 9110, section 5.6.2) that is not the agent's own to write.
pub(super) fn header_name(name: &str) -> Result<(), String> {
    // What HTTP and TAXII need of every request (Services Specification 1.1, section 6; HTTP binding).
    const OURS: [&str; 17] = [
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-taxii-accept",
        "x-taxii-content-type",
        "x-taxii-services",
    ];
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(legal) {
        return Err("no header field can have it".to_owned());
    }
    if OURS.contains(&name.to_ascii_lowercase().as_str()) {
        return Err("the agent writes this field itself".to_owned());
    }
    Ok(())
}
