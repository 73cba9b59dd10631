//! How long certificates are still valid.

use chrono::{DateTime, Utc};

use super::finding::About;
use crate::cli::output::counted;
use crate::config::Server;
use crate::peer::Peer;
use crate::wire::Validity;

/// Renewing a certificate may take people some weeks: fewer days are worth a word.
const SOON: i64 = 30;

/// Looks at the certificates that the server has shown, and at the one that it is shown.
pub(super) fn findings(about: &mut About, peer: &Peer, server: &Server, now: DateTime<Utc>) {
    for (host, validity) in peer.server_certificates() {
        let remedy = match server.tls.pin_sha256 {
            Some(_) => "its administrator should renew it, with the same key, or `tls.pin_sha256` changes with it",
            None => "its administrator should renew it",
        };
        judge(about, &format!("TLS: the certificate of {host}"), &validity, now, remedy);
    }
    if let (Some(validity), Some(file)) = (peer.own_certificate(), &server.tls.cert_file) {
        let remedy = "ask whoever issued it for a new one, and put it into `tls.cert_file`";
        judge(about, &format!("TLS: the client certificate {}", file.display()), &validity, now, remedy);
    }
}

fn judge(about: &mut About, what: &str, validity: &Validity, now: DateTime<Utc>, remedy: &str) {
    let left = validity.until - now;
    let days = counted(left.num_days().unsigned_abs(), "day");
    let until = validity.until.format("%Y-%m-%d");
    match left.num_seconds() {
        ..0 if validity.counts => about.problem(format!("{what} expired {days} ago, on {until}"), remedy),
        ..0 => about.warning(
            format!("{what} expired {days} ago, on {until}: the agent goes on, since its dates do not count here"),
            remedy,
        ),
        _ if left.num_days() < SOON => {
            about.warning(format!("{what} expires in {days}, on {until}"), remedy);
        }
        _ => about.fine(format!("{what} is valid for {days}, until {until}")),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_certificate_is_fine_for_thirty_days_then_a_warning_and_a_problem_once_it_expired() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let judged = |left: TimeDelta, counts: bool| {
            let mut about = About::new("server", "hub");
            judge(&mut about, "it", &Validity { until: now + left, counts }, now, "renew it");
            let finding = about.into_findings().remove(0);
            (finding.verdict.word(), finding.what)
        };
        let (day, second) = (TimeDelta::days(1), TimeDelta::seconds(1));
        assert_eq!(judged(day * 30, true), ("ok", "it is valid for 30 days, until 2023-12-14".into()));
        assert_eq!(judged(day * 30 - second, true), ("warning", "it expires in 29 days, on 2023-12-14".into()));
        assert_eq!(judged(second, true), ("warning", "it expires in 0 days, on 2023-11-14".into()));
        assert_eq!(judged(-second, true), ("problem", "it expired 0 days ago, on 2023-11-14".into()));
        assert_eq!(judged(-day, true).1, "it expired 1 day ago, on 2023-11-13");
        let (verdict, what) = judged(-day, false);
        assert!(verdict == "warning" && what.contains("the agent goes on"), "{what}");
    }
}
