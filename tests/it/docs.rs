//! The documentation is true: what it quotes is printed, what it links to is there, its configuration is accepted, and
//! its recipes do what they say.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use taxii_sync::config::Config;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn doc(name: &str) -> String {
    fs::read_to_string(root().join("docs").join(name)).unwrap()
}

/// Every text that the program may print: the source with the seams inside its literals taken out.
fn source() -> String {
    let mut text = String::new();
    let mut directories = vec![root().join("src")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                _ if path.is_dir() => directories.push(path),
                Some(extension) if extension == "rs" => text.push_str(&fs::read_to_string(&path).unwrap()),
                _ => {}
            }
        }
    }
    // A literal that goes on after a backslash at the end of a line has no break there.
    let pieces: Vec<_> = text.split("\\\n").collect();
    pieces.iter().enumerate().map(|(n, piece)| if n == 0 { piece } else { piece.trim_start() }).collect()
}

/// The messages in the first column of the tables.
fn quoted(page: &str) -> Vec<&str> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split_once("` | ")).map(|(message, _)| message).collect()
}

#[test]
fn every_message_in_troubleshooting_is_one_that_the_agent_prints() {
    let (page, source) = (doc("troubleshooting.md"), source());
    let messages = quoted(&page);
    assert!(messages.len() > 70, "{} messages", messages.len());
    for message in messages {
        let parts = message.split('…').map(|part| part.trim_matches(['`', '(', ')']));
        let parts: Vec<_> = parts.filter(|part| part.chars().filter(|c| c.is_alphabetic()).count() > 2).collect();
        assert!(!parts.is_empty(), "`{message}` could be anything");
        for part in parts {
            assert!(source.contains(part), "nothing prints {part:?} (of `{message}`)");
        }
    }
}

#[test]
fn every_warning_and_error_of_the_log_is_in_troubleshooting() {
    let page = doc("troubleshooting.md");
    let lines = fs::read_to_string(root().join("src/observe/lines.rs")).unwrap();
    let calls = lines.split("warn!(").skip(1).chain(lines.split("error!(").skip(1));
    let mut told = 0;
    for call in calls {
        let end = [");", "),\n"].iter().filter_map(|end| call.find(end)).min().unwrap();
        let call = &call[..end];
        let message = call.rsplit('"').nth(1).unwrap();
        assert!(page.contains(message), "docs/troubleshooting.md does not explain {message:?}");
        told += 1;
    }
    assert!(told > 15, "{told}");
}

#[test]
fn no_field_of_a_line_has_a_name_that_the_log_uses_itself() {
    let lines = fs::read_to_string(root().join("src/observe/lines.rs")).unwrap();
    let macros = ["debug!(", "info!(", "warn!(", "error!("];
    let mut fields = 0;
    for call in macros.iter().flat_map(|name| lines.split(name).skip(1)) {
        // The words come last, and fields do not hold any.
        let before = call.split_once('"').unwrap().0;
        for field in before.rsplit_once(',').map_or("", |(fields, _)| fields).split(',') {
            let name = field.split('=').next().unwrap().trim().trim_start_matches(['%', '?']);
            let taken = ["message", "level", "target", "timestamp", "fields", "span", "spans", "priority", "log"];
            assert!(!taken.contains(&name) && !name.starts_with("log."), "a line has a field {name}: {call:.80}");
            fields += 1;
        }
    }
    assert!(fields > 100, "{fields}");
}

#[test]
fn everything_that_a_file_is_refused_for_is_in_troubleshooting() {
    let page = doc("troubleshooting.md");
    let section = page.split("## What a file is refused for").nth(1).unwrap().split("\n## ").next().unwrap();
    let refusals = fs::read_to_string(root().join("src/content/refusal.rs")).unwrap();
    let errors = refusals.split("#[error(\"").skip(1).map(|rest| rest.split("\")]").next().unwrap());
    let mut told = 0;
    for error in errors {
        // What is written into it comes between braces.
        let error = error.split("; a configured content_binding").next().unwrap();
        for part in error.split(['{', '}']).step_by(2) {
            let part = part.trim_matches(|c: char| !c.is_alphanumeric());
            let is_words = part.chars().filter(|c| c.is_alphabetic()).count() > 6;
            assert!(
                !is_words || section.contains(part),
                "docs/troubleshooting.md does not explain {part:?} of {error:?}"
            );
            told += usize::from(is_words);
        }
    }
    assert!(told > 15, "{told}");
}

#[test]
fn what_the_documentation_links_to_is_there() {
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(target.exists(), "{} links to {link}", path.display());
            let heads =
                anchor.is_empty() || headings(&fs::read_to_string(&target).unwrap()).iter().any(|h| h == anchor);
            assert!(heads, "{} links to {link}, and there is no such heading", path.display());
        }
    }
}

/// The anchors of a page.
fn headings(page: &str) -> Vec<String> {
    let titles = page.lines().filter_map(|line| line.strip_prefix('#')).map(|rest| rest.trim_start_matches('#').trim());
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-');
    titles.map(|title| title.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
}

/// The fenced pieces of a page in one language.
fn fenced(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).filter_map(|rest| rest.split("\n```").next()).map(|text| format!("{text}\n")).collect()
}

#[test]
fn the_configuration_in_the_manual_is_accepted() {
    let pieces = fenced(&doc("manual.md"), "toml");
    assert_eq!(pieces.len(), 2);
    let config = Config::parse(&pieces.concat(), "manual.md").unwrap().config;
    assert_eq!([config.servers.len(), config.feeds.len(), config.inboxes.len(), config.drops.len()], [1; 4]);
}

#[test]
fn every_command_in_the_documentation_exists() {
    let help = Command::new(env!("CARGO_BIN_EXE_taxii-sync")).arg("help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let commands: Vec<_> = help.lines().filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next()).collect();
    let mut shown = 0;
    for page in ["manual.md", "troubleshooting.md", "comparison.md", "../README.md"] {
        let text = doc(page);
        // Between backquotes or at the beginning of a line of a fenced piece; elsewhere it is the name of something.
        let inline = text.split('`').skip(1).step_by(2).map(str::to_owned);
        let fenced = fenced(&text, "sh").concat();
        let lines = fenced.lines().map(|line| line.trim_start_matches("runuser -u taxii-sync -- ").to_owned());
        for line in inline.chain(lines) {
            let Some(rest) = line.strip_prefix("taxii-sync ") else { continue };
            let command = rest.split_whitespace().find(|word| !word.starts_with("--") && !word.ends_with(".toml"));
            let command = command.unwrap_or_default();
            assert!(commands.contains(&command), "{page} shows a command that is not there: {line}");
            shown += 1;
        }
    }
    assert!(shown > 40, "{shown}");
}

/// The script of the manual that begins with this comment, with its directories below `site`.
fn script(says: &str, site: &Path) -> PathBuf {
    let manual = doc("manual.md");
    let found = fenced(&manual, "sh").into_iter().find(|text| text.contains(says));
    let text = found.unwrap_or_else(|| panic!("no script in the manual says {says:?}"));
    let below = format!("{}/", site.display());
    let path = site.join("script.sh");
    fs::write(&path, text.replace("=/var/", &format!("={below}var/"))).unwrap();
    path
}

fn sh(script: &Path, arguments: &[&Path]) -> Output {
    let output = Command::new("sh").arg(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_air_gap_recipe_brings_every_file_across_and_leaves_none_behind() {
    let site = tempfile::tempdir().unwrap();
    let at = |path: &str| site.path().join(path);
    let (output, diode) = (at("var/spool/taxii-sync/indicators"), at("var/spool/diode/out"));
    let drop = at("var/spool/taxii-sync/outgoing");
    for directory in [&output, &diode, &drop] {
        fs::create_dir_all(directory).unwrap();
    }
    fs::create_dir(output.join(".staging")).unwrap();
    let pack = |files: &[&str]| {
        for name in files {
            fs::write(output.join(format!("{name}.meta.json")), "{}").unwrap();
            fs::write(output.join(name), format!("<{name}/>")).unwrap();
        }
        sh(&script("Packs what was handed over", site.path()), &[]);
    };
    pack(&["20260101T000000.000000Z-a.xml", "20260101T000000.000000Z-b.xml"]);
    pack(&[]);
    pack(&["20260102T000000.000000Z-c.xml"]);
    assert_eq!(names(&output), [".staging"], "what was packed is gone, what is the agent's is not");
    assert_eq!(names(&diode), ["00000001", "00000002"], "nothing to pack makes no bundle");
    assert_eq!(fs::read_to_string(diode.join("00000002/bundle.txt")).unwrap(), "number 2\nprevious 1\n");
    for bundle in ["00000001", "00000002"] {
        sh(&script("Checks a bundle", site.path()), &[&diode.join(bundle)]);
    }
    let there: Vec<_> = ["a", "b"].iter().map(|n| format!("20260101T000000.000000Z-{n}.xml")).collect();
    assert_eq!(names(&drop), [there, vec!["20260102T000000.000000Z-c.xml".to_owned()]].concat());
    fs::write(diode.join("00000001/data/20260101T000000.000000Z-a.xml"), "changed on the way").unwrap();
    let refused = Command::new("sh").arg(site.path().join("script.sh")).arg(diode.join("00000001")).output().unwrap();
    assert!(!refused.status.success(), "a changed bundle is refused");
}

#[test]
fn the_line_recipe_writes_one_line_for_each_file() {
    if Command::new("jq").arg("--version").output().is_err() {
        println!("skipped: jq is not installed");
        return;
    }
    let site = tempfile::tempdir().unwrap();
    let (output, log) = (site.path().join("var/spool/taxii-sync/indicators"), site.path().join("var/log/taxii"));
    fs::create_dir_all(&output).unwrap();
    fs::create_dir_all(&log).unwrap();
    for hash in ["aa", "bb"] {
        let meta = format!(r#"{{"server":"hub","sha256":"{hash}"}}"#);
        fs::write(output.join(format!("{hash}.xml.meta.json")), meta).unwrap();
        fs::write(output.join(format!("{hash}.xml")), "<r a=\"1\">\n</r>").unwrap();
    }
    sh(&script("One line of JSON", site.path()), &[]);
    assert_eq!(names(&output), [""; 0]);
    let lines = fs::read_to_string(log.join("indicators.ndjson")).unwrap();
    assert!(lines.ends_with('\n'));
    for (line, hash) in lines.lines().zip(["aa", "bb"]) {
        assert!(
            line.starts_with(&format!(r#"{{"taxii":{{"sha256":"{hash}""#)),
            "lines differ from their beginning: {line}"
        );
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["event"]["original"], "<r a=\"1\">\n</r>");
    }
    assert_eq!(lines.lines().count(), 2);
}

#[test]
fn a_ledger_put_back_from_a_backup_loses_no_file_that_was_under_way() {
    let site = tempfile::tempdir().unwrap();
    let root = site.path().display();
    let config = format!(
        r#"
        state_dir = "{root}/state"
        [servers.hub]
        inbox = "http://127.0.0.1:1/inbox"
        [inboxes.partner]
        server = "hub"
        [drops.outgoing]
        path = "{root}/outgoing"
        inboxes = ["partner"]
        settle = "1ms"
        "#
    );
    fs::write(site.path().join("config.toml"), config).unwrap();
    let agent = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taxii-sync"));
        command.arg("--config").arg(site.path().join("config.toml")).args(arguments).output().unwrap()
    };
    let pending = || {
        let status: serde_json::Value = serde_json::from_slice(&agent(&["status", "--json"]).stdout).unwrap();
        status["drops"]["outgoing"]["inboxes"]["partner"]["pending"].as_u64().unwrap()
    };
    let (ledger, backup) = (site.path().join("state/ledger.db"), site.path().join("backup.db"));
    agent(&["run", "--once"]);
    // Nobody has it open, so it is whole without its log.
    fs::copy(&ledger, &backup).unwrap();
    let report = r#"<s:STIX_Package xmlns:s="http://stix.mitre.org/stix-1" version="1.2"/>"#;
    fs::write(site.path().join("outgoing/report.xml"), report).unwrap();
    agent(&["run", "--once"]);
    assert_eq!(pending(), 1);
    // As the manual says.
    for log in ["ledger.db-wal", "ledger.db-shm"] {
        let _ = fs::remove_file(site.path().join("state").join(log));
    }
    fs::copy(&backup, &ledger).unwrap();
    assert_eq!(pending(), 0, "the ledger of the backup knows nothing of the file");
    agent(&["run", "--once"]);
    assert_eq!(pending(), 1, "the file is under way again");
}
