//! `check`: what the configuration means, and with `--online` what would not work.

mod certificates;
mod finding;
mod habits;
mod local;
mod online;
mod server;

use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::exchanges::Exchanges;
use super::output::{Say, json as print};
use super::{End, Result, load, progress, runtime, warnings};
use crate::config;

use finding::{Finding, Verdict};

/// Prints what the configuration means, and asks the servers where that is wanted.
pub(super) fn check(file: &Path, online: bool, as_json: bool, exchanges: Option<&Arc<Exchanges>>) -> Result<End> {
    let loaded = load(file)?;
    let errors = Say::new(true);
    for warning in warnings(file, &loaded) {
        errors.line(&format!("warning: {warning}"));
    }
    // Who asks the servers hears of it as a problem.
    for trouble in if online { Vec::new() } else { local::troubles(&loaded.config) } {
        errors.line(&format!("warning: {}", trouble.with_hint()));
    }
    let mut meaning = config::explain_json(&loaded.config);
    let say = Say::new(as_json);
    if !as_json {
        say.line(config::explain(&loaded.config).trim_end());
    }
    let mut end = End::Good;
    if online {
        let words = || format!("asking {} servers", loaded.config.servers.len());
        let findings = runtime()?.block_on(progress::shown(words, online::findings(&loaded.config, exchanges)));
        tell(&say, &findings);
        let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
        meaning["online"] = json!({
            "problems": count(Verdict::Problem),
            "warnings": count(Verdict::Warning),
            "findings": findings.iter().map(Finding::to_json).collect::<Vec<_>>(),
        });
        if count(Verdict::Problem) > 0 {
            end = End::Failed;
            super::output::complain(&format!("{} of what was found would not work", count(Verdict::Problem)), "");
        }
    }
    if as_json {
        print(&meaning);
    }
    Ok(end)
}

fn tell(say: &Say, findings: &[Finding]) {
    let mut about = "";
    for finding in findings {
        if about != finding.about {
            about = &finding.about;
            say.line("");
            say.line(about);
        }
        say.line(&format!("  {:<8} {}", finding.verdict.word(), finding.what));
        if !finding.remedy.is_empty() {
            say.line(&format!("           {}", finding.remedy));
        }
    }
}
