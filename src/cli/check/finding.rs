//! What was found out about a server, a feed or an inbox.

use serde_json::{Value, json};

use crate::cli::services::shown;
use crate::cli::target::remedy;
use crate::peer::{Peer, PeerError};

/// How good it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As it should be.
    Fine,
    /// It works, but somebody should know.
    Warning,
    /// It would not work.
    Problem,
}

impl Verdict {
    pub(super) fn word(self) -> &'static str {
        match self {
            Verdict::Fine => "ok",
            Verdict::Warning => "warning",
            Verdict::Problem => "problem",
        }
    }
}

/// One thing that was found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// What it is about: `server hub`, `feed indicators`, `inbox partner`.
    pub(super) about: String,
    /// How good it is.
    pub(super) verdict: Verdict,
    /// What was found.
    pub(super) what: String,
    /// What to do about it; empty where there is nothing to do.
    pub(super) remedy: String,
}

impl Finding {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "about": self.about,
            "verdict": self.verdict.word(),
            "what": self.what,
            "remedy": (!self.remedy.is_empty()).then_some(&self.remedy),
        })
    }
}

/// The findings about one thing.
#[derive(Debug)]
pub(super) struct About {
    about: String,
    found: Vec<Finding>,
}

impl About {
    /// Nothing found yet.
    pub(super) fn new(kind: &str, name: &str) -> About {
        About { about: format!("{kind} {name}"), found: Vec::new() }
    }

    pub(super) fn fine(&mut self, what: impl Into<String>) {
        self.push(Verdict::Fine, what.into(), String::new());
    }

    pub(super) fn warning(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.push(Verdict::Warning, what.into(), remedy.into());
    }

    pub(super) fn problem(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.push(Verdict::Problem, what.into(), remedy.into());
    }

    /// A question that was not answered.
    pub(super) fn unanswered(&mut self, error: &PeerError) {
        self.problem(error.to_string(), remedy(error));
    }

    /// What is odd about an advertised address.
    pub(super) fn remarks(&mut self, peer: &Peer, remarks: &[String]) {
        for remark in remarks {
            self.warning(shown(peer, remark), "if that is wrong, pin the address in the configuration");
        }
    }

    fn push(&mut self, verdict: Verdict, what: String, remedy: String) {
        self.found.push(Finding { about: self.about.clone(), verdict, what, remedy });
    }

    /// All that was found.
    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.found
    }
}
