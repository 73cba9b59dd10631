//! One line when something begins, not one each time it is met.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Trouble that goes on: it is told when it begins, and again when it turns out to be worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// It may pass by itself.
    Passing,
    /// Somebody has to do something.
    Admin,
}

/// How something stands, as it was told.
#[derive(Debug, Default)]
pub struct Standing(Option<Trouble>);

impl Standing {
    /// Notes trouble; gives whether that is news.
    pub fn begins(&mut self, trouble: Trouble) -> bool {
        let known = self.0.replace(trouble);
        known.is_none_or(|known| known < trouble)
    }

    /// Notes that all is well; gives whether that is news.
    pub fn ends(&mut self) -> bool {
        self.0.take().is_some()
    }
}

/// What of a feed or a drop directory was told in the last round (a poll, a look), and in the one that goes on.
#[derive(Debug, Default)]
pub struct Told(Mutex<Rounds>);

#[derive(Debug, Default)]
struct Rounds {
    before: BTreeSet<String>,
    now: BTreeSet<String>,
}

impl Told {
    /// Whether this is met for the first time: neither in this round nor in the one before.
    pub fn first(&self, what: impl Into<String>) -> bool {
        let mut rounds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let what = what.into();
        let known = rounds.before.contains(&what);
        rounds.now.insert(what) && !known
    }

    /// What was met in the round before and cannot be looked at in this one stands.
    pub fn stands(&self, what: &str) {
        let mut rounds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if rounds.before.contains(what) {
            rounds.now.insert(what.to_owned());
        }
    }

    /// A round has ended: gives what was not met in it any more, and is over.
    pub fn turn(&self) -> BTreeSet<String> {
        let mut rounds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = std::mem::take(&mut rounds.now);
        let mut over = std::mem::replace(&mut rounds.before, now);
        over.retain(|what| !rounds.before.contains(what));
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_news_when_it_begins_and_when_it_becomes_worse() {
        let mut standing = Standing::default();
        assert!(!standing.ends());
        let told = [Trouble::Passing, Trouble::Passing, Trouble::Admin, Trouble::Admin, Trouble::Passing];
        assert_eq!(told.map(|trouble| standing.begins(trouble)), [true, false, true, false, false]);
        assert!(standing.ends());
        assert!(standing.begins(Trouble::Passing));
    }

    #[test]
    fn what_goes_on_is_told_once_and_again_after_it_was_over() {
        let told = Told::default();
        assert!(told.first("this"));
        assert!(!told.first("this"));
        assert!(told.turn().is_empty());
        assert!(!told.first("this"), "it goes on");
        assert!(told.first("that"));
        told.turn();
        assert_eq!(told.turn().into_iter().collect::<Vec<_>>(), ["that", "this"]);
        assert!(told.first("this"), "it was over");
    }

    #[test]
    fn what_cannot_be_looked_at_stands() {
        let told = Told::default();
        assert!(told.first("a"));
        told.turn();
        told.stands("a");
        told.stands("b");
        told.turn();
        assert!(!told.first("a") && told.first("b"));
    }
}
