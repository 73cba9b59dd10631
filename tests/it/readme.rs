//! The front door is true: the configuration it shows is accepted, and what it links to is there.

use std::path::Path;

use taxii_sync::config::Config;

const README: &str = include_str!("../../README.md");

#[test]
fn the_configuration_in_the_readme_is_accepted() {
    let (_, after) = README.split_once("```toml\n").unwrap();
    let (text, _) = after.split_once("```").unwrap();
    let loaded = Config::parse(text, "README.md").unwrap();
    assert_eq!(loaded.warnings.len(), 0);
    let config = loaded.config;
    let shown = [config.servers.len(), config.feeds.len(), config.inboxes.len(), config.drops.len()];
    assert_eq!(shown, [1, 1, 1, 1], "one server, feed, inbox and drop directory");
}

#[test]
fn what_the_readme_links_to_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let links: Vec<_> = README.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.len() > 3, "{links:?}");
    for link in links.iter().filter(|link| !link.contains("://")) {
        assert!(root.join(link).exists(), "README.md links to {link}, which is not there");
    }
}
