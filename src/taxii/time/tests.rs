//! Tests of timestamps and of the dates of HTTP.

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

#[test]
fn what_servers_write_is_read() {
    // As received, the instant, as shown, whether the zone was assumed.
    #[rustfmt::skip]
    let table = [
        ("2024-03-01T12:00:00Z",              "2024-03-01T12:00:00Z",           "2024-03-01T12:00:00Z", false),
        ("2024-03-01T12:00:00.1Z",            "2024-03-01T12:00:00.1Z",         "2024-03-01T12:00:00.1Z", false),
        ("2024-03-01T12:00:00.123456+02:00",  "2024-03-01T10:00:00.123456Z",    "2024-03-01T12:00:00.123456+02:00", false),
        ("2024-03-01T12:00:00+14:00",         "2024-02-29T22:00:00Z",           "2024-03-01T12:00:00+14:00", false),
        ("2024-03-01T12:00:00-00:00",         "2024-03-01T12:00:00Z",           "2024-03-01T12:00:00-00:00", false),
        (" \n2024-03-01T12:00:00Z\t ",        "2024-03-01T12:00:00Z",           "2024-03-01T12:00:00Z", false),
        ("2024-03-01T12:00:00.1234567Z",      "2024-03-01T12:00:00.1234567Z",   "2024-03-01T12:00:00.1234567Z", false),
        ("2024-03-01T12:00:00.123456789012Z", "2024-03-01T12:00:00.123456789Z", "2024-03-01T12:00:00.123456789012Z", false),
        ("2024-03-01T12:00:00",               "2024-03-01T12:00:00Z",           "2024-03-01T12:00:00Z", true),
        ("2024-03-01T12:00:00.5",             "2024-03-01T12:00:00.5Z",         "2024-03-01T12:00:00.500Z", true),
        ("2024-03-01",                        "2024-03-01T00:00:00Z",           "2024-03-01T00:00:00Z", true),
        ("2024-03-01T12:00:00z",              "2024-03-01T12:00:00Z",           "2024-03-01T12:00:00Z", false),
        ("2024-03-01t12:00:00Z",              "2024-03-01T12:00:00Z",           "2024-03-01T12:00:00Z", false),
        ("2024-03-01 12:00:00Z",              "2024-03-01T12:00:00Z",           "2024-03-01T12:00:00Z", false),
        ("2024-03-01T12:00:00+0200",          "2024-03-01T10:00:00Z",           "2024-03-01T10:00:00Z", false),
        ("2024-03-01T12:00:00+02",            "2024-03-01T10:00:00Z",           "2024-03-01T10:00:00Z", false),
        ("20240301T120000Z",                  "2024-03-01T12:00:00Z",           "2024-03-01T12:00:00Z", false),
        ("20240301T120000.25+0530",           "2024-03-01T06:30:00.25Z",        "2024-03-01T06:30:00.250Z", false),
        ("2024-03-01T12:00:00+14:30",         "2024-02-29T21:30:00Z",           "2024-03-01T12:00:00+14:30", false),
        ("2024-03-01T24:00:00Z",              "2024-03-02T00:00:00Z",           "2024-03-02T00:00:00Z", false),
        ("2024-02-28T24:00:00.000Z",          "2024-02-29T00:00:00Z",           "2024-02-29T00:00:00Z", false),
        ("2016-12-31T23:59:60Z",              "2017-01-01T00:00:00Z",           "2016-12-31T23:59:60Z", false),
        ("2017-01-01T00:59:60+01:00",         "2017-01-01T00:00:00Z",           "2017-01-01T00:59:60+01:00", false),
        ("2024-03-01T12:00:60.9Z",            "2024-03-01T12:01:00Z",           "2024-03-01T12:01:00Z", false),
        ("0001-01-01T00:00:00Z",              "0001-01-01T00:00:00Z",           "0001-01-01T00:00:00Z", false),
        ("9999-12-31T23:59:59.999999999Z",    "9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z", false),
    ];
    for (text, instant, shown, assumed) in table {
        let read = Timestamp::parse(text).unwrap_or_else(|| panic!("{text} was not read"));
        assert_eq!(read.at, at(instant), "{text}");
        assert_eq!(read.text, text.trim(), "{text}");
        assert_eq!(read.rfc3339(), shown, "{text}");
        assert_eq!(read.assumed_zone(), assumed, "{text}");
    }
}

#[test]
fn what_is_not_an_instant_is_not_read() {
    let table = [
        "",
        " ",
        "T",
        "2024",
        "2024-03",
        "2024-03-01T",
        "2024-03-01Z",
        "2024-03-01T12:00Z",
        "2024-03-01T12:00:00.Z",
        "2017-1-1T00:00:00Z",
        "2024-0301T12:00:00Z",
        "202403-01T12:00:00Z",
        "2024-03-01T12:0000Z",
        "2024-13-01T12:00:00Z",
        "2023-02-29T12:00:00Z",
        "2024-03-00T12:00:00Z",
        "2024-03-01T25:00:00Z",
        "2024-03-01T24:00:01Z",
        "2024-03-01T24:00:00.1Z",
        "2024-03-01T12:60:00Z",
        "2024-03-01T12:00:61Z",
        "2024-03-01T12:00:00+24:00",
        "2024-03-01T12:00:00+02:60",
        "2024-03-01T12:00:00+2",
        "2024-03-01T12:00:00+020",
        "2024-03-01T12:00:00ZZ",
        "2024-03-01T12:00:00 Z",
        "2024-03-01T12:00:00+02:",
        "2024-03-01T12:00:00,5Z",
        "0000-01-01T00:00:00Z",
        "9999-12-31T24:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:00-00:01",
        "10000-01-01T00:00:00Z",
        "-2024-03-01T12:00:00Z",
        "+2024-03-01T12:00:00Z",
        "yesterday",
        "２０２４-03-01T12:00:00Z",
        "2024-03-01T12:00:00\u{0}Z",
        "2024-03-01é12:00:00Z",
    ];
    for text in table {
        assert_eq!(Timestamp::parse(text), None, "{text:?}");
    }
    assert_eq!(Timestamp::parse(&format!("2024-03-01T12:00:00.{}Z", "1".repeat(100))), None);
}

#[test]
fn no_cut_or_changed_byte_makes_the_reader_panic() {
    let whole = "2024-03-01T12:00:00.1234567+02:00";
    for end in 0..=whole.len() {
        let _ = Timestamp::parse(&whole[..end]);
        for other in ["", "-", "9", "Z", "é", "\u{0}", "🦀"] {
            let _ = Timestamp::parse(&format!("{}{other}{}", &whole[..end], &whole[end..]));
        }
    }
}

#[test]
fn a_timestamp_is_written_with_exactly_the_digits_wanted_and_rounded_down() {
    let table = [
        ("2024-03-01T12:34:56.987654999Z", Precision::Micros, "2024-03-01T12:34:56.987654Z"),
        ("2024-03-01T12:34:56.987654999Z", Precision::Millis, "2024-03-01T12:34:56.987Z"),
        ("2024-03-01T12:34:56.987654999Z", Precision::Seconds, "2024-03-01T12:34:56Z"),
        ("2024-03-01T12:34:56.987654999Z", Precision::Minutes, "2024-03-01T12:34:00Z"),
        ("2024-03-01T12:00:00Z", Precision::Micros, "2024-03-01T12:00:00.000000Z"),
        ("1969-12-31T23:59:59.9999999Z", Precision::Micros, "1969-12-31T23:59:59.999999Z"),
        ("1969-12-31T23:59:59.5Z", Precision::Seconds, "1969-12-31T23:59:59Z"),
        ("1969-12-31T23:59:59.5Z", Precision::Minutes, "1969-12-31T23:59:00Z"),
        ("0001-01-01T00:00:30Z", Precision::Minutes, "0001-01-01T00:00:00Z"),
    ];
    for (instant, precision, text) in table {
        let written = Timestamp::new(at(instant), precision);
        assert_eq!(written.text, text);
        assert_eq!(written.at, at(text), "the instant is that of the text");
        assert_eq!(Timestamp::parse(text), Some(written), "and is read back");
    }
    let far = Timestamp::new(DateTime::<Utc>::MAX_UTC, Precision::Seconds);
    assert_eq!(far.text, "9999-12-31T23:59:59Z");
    assert_eq!(Timestamp::new(DateTime::<Utc>::MIN_UTC, Precision::Seconds).text, "0001-01-01T00:00:00Z");
}

#[test]
fn a_label_in_a_name_has_six_digits_rounded_down_in_utc() {
    let label = |text| Timestamp::parse(text).unwrap().label_for_name();
    assert_eq!(label("2014-12-19T12:00:00Z"), "20141219T120000.000000Z");
    assert_eq!(label("2014-12-19T14:00:00.9999999+02:00"), "20141219T120000.999999Z");
    assert_eq!(label_for_name(DateTime::<Utc>::MAX_UTC), "99991231T235959.999999Z");
}

#[test]
fn a_timestamp_is_stored_as_its_text() {
    let label = Timestamp::parse("2014-12-19T14:00:00.9999999+02:00").unwrap();
    let stored = serde_json::to_string(&label).unwrap();
    assert_eq!(stored, "\"2014-12-19T14:00:00.9999999+02:00\"");
    assert_eq!(serde_json::from_str::<Timestamp>(&stored).unwrap(), label);
    let error = serde_json::from_str::<Timestamp>("\"soon\"").unwrap_err().to_string();
    assert!(error.contains("soon"), "{error}");
}

#[test]
fn an_http_date_is_read_in_its_three_forms() {
    let wanted = Some(at("1994-11-06T08:49:37Z"));
    assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), wanted);
    assert_eq!(http_date("Sunday, 06-Nov-94 08:49:37 GMT"), wanted);
    assert_eq!(http_date("Sun Nov  6 08:49:37 1994"), wanted);
    assert_eq!(http_date(" Mon, 06 Nov 1994 08:49:37 GMT "), wanted, "the day's name is not looked at");
    assert_eq!(http_date("Fri, 31 Dec 1999 23:59:60 GMT"), Some(at("1999-12-31T23:59:59Z")));
    for text in ["", ",", "Sun,", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 31 Feb 1994"] {
        assert_eq!(http_date(text), None, "{text:?}");
    }
    assert_eq!(http_date("Sun, 06 Nov +262142 08:49:37 GMT"), None);
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let now = at("2024-03-01T12:00:00Z");
    let wait = |text| retry_after(text).map(|wait| wait.counted_from(now));
    assert_eq!(wait("120"), Some(Duration::from_secs(120)));
    assert_eq!(wait(" 0 "), Some(Duration::ZERO));
    assert_eq!(wait("99999999999999999999999"), Some(Duration::from_secs(u64::MAX)), "absurd, but a wait");
    assert_eq!(wait("Fri, 01 Mar 2024 12:02:00 GMT"), Some(Duration::from_secs(120)));
    assert_eq!(wait("Thu, 01 Jan 1970 00:00:00 GMT"), Some(Duration::ZERO));
    for text in ["", "-1", "1.5", "soon", "+5"] {
        assert_eq!(wait(text), None, "{text:?}");
    }
}

#[test]
fn moving_an_instant_too_far_stops_at_the_end_of_time() {
    assert_eq!(later(at("2024-03-01T12:00:00Z"), Duration::MAX), LAST);
    assert_eq!(earlier(at("2024-03-01T12:00:00Z"), Duration::from_secs(1 << 40)), FIRST);
    assert_eq!(earlier(at("2024-03-01T12:00:01Z"), Duration::from_secs(1)), at("2024-03-01T12:00:00Z"));
}
