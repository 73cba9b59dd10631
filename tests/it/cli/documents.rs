//! `completions`, `man` and `config-schema`.

use super::Bench;

#[test]
fn every_shell_gets_completions_that_know_the_commands() {
    let bench = Bench::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        bench.bare(["completions", shell]).ended(0).said("config-schema").said("password-file");
    }
    bench.bare(["completions", "csh"]).ended(2).complained("bash");
}

#[test]
fn the_manual_has_a_page_for_the_program_and_for_each_command() {
    let manual = Bench::new().bare(["man"]).ended(0).out;
    let titles: Vec<&str> = manual.lines().filter(|line| line.starts_with(".TH ")).collect();
    for command in ["", "-run", "-check", "-poll", "-push", "-cursor", "-cursor-set", "-retry", "-config-schema"] {
        let title = format!(".TH taxii-sync{command} 1");
        assert!(titles.iter().any(|line| line.starts_with(&title)), "{title} in {titles:#?}");
    }
    assert!(manual.contains("Examples:") && manual.contains("exits with 1 if one of them did not get there"));
    assert!(manual.contains("\\fBTAXII_SYNC_CONFIG\\fR environment variable"), "where the configuration is");
}

#[test]
fn the_schema_is_that_of_the_configuration() {
    let schema = Bench::new().bare(["config-schema"]).ended(0).json();
    assert_eq!(schema, taxii_sync::config::schema());
    assert!(schema["properties"]["feeds"].is_object());
}

#[test]
fn what_cannot_be_printed_is_a_failure() {
    for command in
        [&["config-schema"][..], &["man"], &["completions", "bash"], &["--config", "config.toml", "status", "--json"]]
    {
        let bench = Bench::new();
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut run = bench.command(command);
        let ended = run.stdout(full).stderr(std::process::Stdio::piped()).output().unwrap();
        let words = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{command:?}: {words}");
        assert!(words.contains("cannot write to standard output: No space left"), "{command:?}: {words}");
    }
}
