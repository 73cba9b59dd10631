//! What `check --online` finds out about the habits of Poll Services.

use chrono::TimeDelta;
use taxii_sync::practice::{Act, BigResponse, Quirk, Service, Style};
use taxii_sync::taxii::message::CollectionType;

use super::Bench;
use super::checking::{assert_found, changed, findings};

/// What a check says of the feed when the Poll Service does this.
#[track_caller]
fn found_with(act: Act, code: i32, verdict: &str, what: &str) {
    let bench = Bench::new();
    bench.practice.script(Service::Poll, vec![act]);
    assert_found(&findings(&bench, code), "feed indicators", verdict, what);
    assert_eq!(bench.asked("Poll_Request"), 1);
}

#[test]
fn a_server_that_counts_and_keeps_to_the_range_is_fine() {
    let bench = Bench::new();
    bench.publish("default", 3);
    let findings = findings(&bench, 0);
    assert_found(&findings, "feed indicators", "ok", "counts without sending: 3 within 5m");
    assert_found(&findings, "feed indicators", "ok", "an answer ends where it was asked to");
    bench.run(["check", "--online"]).ended(0).said("counts without sending");
}

#[test]
fn a_server_that_does_not_count_is_a_warning_with_what_that_means() {
    found_with(Act::change(|reply| reply.record_count = None), 0, "warning", "has no Record_Count");
    let partial = Act::change(|reply| {
        (reply.partial_count, reply.more, reply.result_id) = (true, Some("true".into()), Some("1".into()));
        reply.record_count = Some("50".into());
    });
    found_with(partial.clone(), 0, "ok", "at least 50 within 5m");
    found_with(partial, 0, "ok", "in parts of about 50");
}

#[test]
fn content_in_spite_of_the_question_is_not_read_to_its_end() {
    // A terabyte: it could not be.
    let endless = Act::big(BigResponse::new(1 << 20, 1 << 20, Style::Element));
    found_with(endless, 0, "warning", "sends content where only a count is asked for");
}

#[test]
fn a_refusal_to_count_is_a_warning_and_a_refusal_of_any_poll_a_problem() {
    found_with(Act::status("UNSUPPORTED_RESPONSE_TYPE"), 0, "warning", "refuses COUNT_ONLY: ");
    found_with(Act::status("FAILURE"), 0, "warning", "refuses COUNT_ONLY: ");
    found_with(Act::status("BAD_MESSAGE"), 0, "warning", "refuses COUNT_ONLY: ");
    found_with(Act::status("RETRY"), 0, "warning", "puts the question off: ");
    for status in ["UNAUTHORIZED", "DENIED", "NOT_FOUND", "POLLING_UNSUPPORTED", "UNSUPPORTED_PROTOCOL"] {
        found_with(Act::status(status), 1, "problem", status);
    }
    found_with(Act::http(404, "text/html", "gone"), 1, "problem", "404");
}

#[test]
fn an_answer_that_ends_elsewhere_is_a_warning_with_what_the_agent_does() {
    let by = |seconds| Act::poll(Quirk::ShiftEnd(TimeDelta::seconds(seconds)));
    for (act, what) in [
        (Act::poll(Quirk::NoEnd), "does not say where an answer ends"),
        (Act::poll(Quirk::EndText("soon".into())), "cannot be read: `soon`"),
        (by(3600), "ends in the future"),
        (by(-60), "ends earlier than it was asked to"),
        (by(-3600), "ends before what was asked for begins"),
    ] {
        found_with(act, 0, "warning", what);
    }
    found_with(Act::poll(Quirk::SevenDigits), 0, "ok", "an answer ends where it was asked to");
    let bench = Bench::new();
    changed(&bench, "lag = \"0s\"", "lag = \"10m\"");
    bench.practice.script(Service::Poll, vec![by(60)]);
    assert_found(&findings(&bench, 0), "feed indicators", "warning", "later than it was asked to");
}

#[test]
fn a_data_set_is_counted_whole_and_has_no_end() {
    let bench = Bench::with(|options| options.collections[0].collection_type = CollectionType::DataSet);
    bench.publish("default", 2);
    let findings = findings(&bench, 0);
    assert_found(&findings, "feed indicators", "ok", "counts without sending: 2 in all");
    assert!(!findings.iter().any(|one| one["what"].as_str().unwrap().contains("answer ends")), "{findings:#?}");
}

#[test]
fn a_server_of_taxii_1_0_is_not_asked_for_a_count() {
    let bench = Bench::new();
    changed(&bench, "[servers.hub]", "[servers.hub]\ntaxii = \"1.0\"");
    assert_found(&findings(&bench, 0), "feed indicators", "ok", "TAXII 1.0 has no COUNT_ONLY");
    assert_eq!(bench.asked("Poll_Request"), 0);
}
