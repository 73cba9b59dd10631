//! `demo`: a story that can be told again, and that destroys nothing.

use super::Bench;

/// The names of the files that were handed over, without their metadata.
fn handed_over(bench: &Bench) -> usize {
    bench.listed("demo/indicators").iter().filter(|name| !name.ends_with(".meta.json")).count()
}

#[test]
fn every_demo_shows_a_push_and_a_poll_also_where_one_was_before() {
    let bench = Bench::new();
    for (time, dir) in ["demo", "./demo/../demo", "linked"].iter().enumerate() {
        let ran = bench.bare(["demo", "--dir", dir]).ended(0);
        ran.said("now holds 2 content blocks").said("2 files pushed, 1 feed up to date");
        assert_eq!(handed_over(&bench), 4 * (time + 1), "of the demo in {dir}");
        assert!(
            bench.listed("demo/outgoing").iter().all(|name| ["failed", "sending", "sent"].contains(&name.as_str()))
        );
        assert_eq!(bench.listed("demo/outgoing/failed"), [""; 0]);
        if time == 0 {
            std::os::unix::fs::symlink(bench.path("demo"), bench.path("linked")).unwrap();
        }
    }
    assert_eq!(bench.listed("demo/outgoing/sent").len(), 3 * 4);
    bench.bare(["--config", "demo/config.toml", "status"]).ended(0);
}

#[test]
fn a_configuration_that_is_not_the_demos_stays_as_it_is() {
    let bench = Bench::new();
    let config = || std::fs::read_to_string(bench.path("config.toml")).unwrap();
    let before = config();
    bench.bare(["demo", "--dir", "."]).ended(1).complained("config.toml is there already").complained("--dir");
    assert_eq!((config(), bench.listed("")), (before, vec!["config.toml".to_owned()]));
}

#[test]
fn a_demos_configuration_that_was_given_a_real_server_is_no_longer_the_demos() {
    let bench = Bench::new();
    bench.bare(["demo", "--dir", "demo"]).ended(0);
    let path = bench.path("demo/config.toml");
    let demos = std::fs::read_to_string(&path).unwrap();
    let discovery = demos.lines().find(|line| line.starts_with("discovery = ")).unwrap();
    for (from, to) in [
        (discovery, "discovery = \"https://taxii.example.org/services/discovery\""),
        ("start = \"1h\"", "start = \"2h\""),
        ("collection = \"indicators\"", "collection = \"indicators\" # mine"),
    ] {
        let changed = demos.replacen(from, to, 1);
        assert_ne!(changed, demos);
        std::fs::write(&path, &changed).unwrap();
        bench.bare(["demo", "--dir", "demo"]).ended(1).complained("nothing was changed");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), changed);
    }
}

#[test]
fn files_that_lie_there_are_not_taken_for_the_demos() {
    let bench = Bench::new();
    for name in ["here/outgoing/mine.xml", "there/indicators/mine.xml", "elsewhere/state/mine"] {
        bench.put(name, "mine");
        let dir = name.split('/').next().unwrap();
        bench.bare(["demo", "--dir", dir]).ended(1).complained("is there already");
        assert!(bench.path(name).exists() && bench.listed(dir).len() == 1, "{name}");
    }
}
