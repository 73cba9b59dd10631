//! What of this machine a configuration needs and cannot have: the files of a server, the query and the group of a feed.

use crate::agent::{self, AgentError};
use crate::cli::target;
use crate::config::{Config, Feed};

/// All of it.
pub(super) fn troubles(config: &Config) -> Vec<AgentError> {
    let servers = config.servers.iter();
    let servers = servers.filter_map(|(name, server)| target::connect(name, server, None).err().map(AgentError::from));
    servers.chain(config.feeds.iter().flat_map(|(name, feed)| of_feed(name, feed))).collect()
}

/// That of one feed.
pub(super) fn of_feed(name: &str, feed: &Feed) -> Vec<AgentError> {
    let query = agent::query(name, feed).err();
    let group = feed.group.as_ref().and_then(|group| agent::group_number(name, group).err());
    query.into_iter().chain(group).collect()
}
