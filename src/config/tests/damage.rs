//! Damaged configurations are answered, never with a panic.

use super::*;

#[test]
fn no_damage_to_the_example_makes_the_parser_panic() {
    let whole = example_with_everything();
    let mut random = fastrand::Rng::with_seed(42);
    for round in 0..4_000 {
        let mut bytes = whole.as_bytes().to_vec();
        for _ in 0..=round % 4 {
            let at = random.usize(..bytes.len());
            let end = (at + random.usize(..40)).min(bytes.len());
            match random.u8(..5) {
                0 => drop(bytes.drain(at..end)),
                1 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
                2 => bytes[at] = random.u8(..),
                3 => bytes[at] = random.choice(b"\"'=[]{}#,.\n\\ 0-".iter().copied()).unwrap(),
                _ => bytes.insert(at, random.u8(..)),
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Err(mistakes) = Config::parse(&text, "config.toml") {
            assert!(mistakes.iter().count() > 0);
            let lines = text.split('\n').count();
            for mistake in mistakes.iter() {
                assert!((1..=lines).contains(&mistake.line) && mistake.column >= 1, "{mistake}");
            }
            assert!(mistakes.to_string().starts_with("config.toml:"));
        }
    }
}

#[test]
fn a_deep_nest_is_refused_and_not_followed() {
    for text in [
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}", "{ a = ".repeat(100_000)),
        format!("a = {}1{}", "[".repeat(400_000), "]".repeat(400_000)),
        format!("{}a = 1", "a.".repeat(100_000)),
        format!("[{}a]\nx = 1", "a.".repeat(100_000)),
    ] {
        assert!(mistakes(&text).to_string().len() < 100_000);
    }
}

#[test]
fn a_megabyte_of_nonsense_is_answered_soon() {
    for text in [
        format!("a = [{}", "x ".repeat(500_000)),
        "x ".repeat(500_000),
        "x\n".repeat(500_000),
        "[x\n".repeat(300_000),
        format!("state_dir = [{}]", "5,".repeat(500_000)),
        format!("drops.d.include = [{}]", "5,".repeat(500_000)),
        format!("[servers.x.headers]\n{}", (0..60_000).map(|n| format!("X-{n} = 5\n")).collect::<String>()),
        (0..50_000).map(|n| format!("feeds.f{n}.x = 1\n")).collect(),
    ] {
        let mistakes = mistakes(&text);
        assert!(mistakes.iter().count() <= 501);
        assert!(mistakes.to_string().len() < 500_000);
    }
}

#[test]
fn a_file_of_more_than_a_megabyte_is_refused_by_its_size() {
    let text = "#".repeat(LONGEST_FILE + 1);
    assert_eq!(mistakes(&text).to_string(), "config.toml:1:1: a file of 1048577 bytes; allowed: at most 1048576");
    parse(&"#".repeat(LONGEST_FILE));
}

#[test]
fn very_many_mistakes_are_cut_with_a_word_about_it() {
    let text: String = (0..20_000).map(|n| format!("x{n} = {n}\n")).collect();
    let mistakes = mistakes(&text);
    assert_eq!(mistakes.iter().count(), 501);
    assert!(mistakes.to_string().ends_with("the limit is 500 mistakes at once"));
}
