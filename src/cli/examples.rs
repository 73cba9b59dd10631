//! The examples below the help of each command. A test tries every line that begins with the program's name.

pub(super) const PROGRAM: &str = "\
Examples:
  taxii-sync demo               # see a push and a poll, with nothing set up
  taxii-sync discover https://taxii.example.org/services/discovery
  taxii-sync check --online     # what it means, and what would not work
  taxii-sync run --once         # everything up to now, then exit
  taxii-sync status

Exit codes: 0 all of it worked, 1 something failed, 2 the command line or the
configuration is wrong.";

pub(super) const RUN: &str = "\
Examples:
  taxii-sync run                            # as a service, until SIGTERM
  taxii-sync run --once --config agent.toml # for cron and batch hosts

SIGHUP reads the configuration again; SIGUSR1 polls and looks at the drop
directories now. There is no --save-exchanges: that is for the commands by hand.
The service writes to its own directories alone.";

pub(super) const CHECK: &str = "\
Examples:
  taxii-sync check
  taxii-sync check --online
  taxii-sync check --online --json
  taxii-sync check --online --save-exchanges exchanges # to show to others

With --online it exits with 1 if something would not work.";

pub(super) const STATUS: &str = "\
Examples:
  taxii-sync status
  taxii-sync status --json";

pub(super) const DEMO: &str = "\
Examples:
  taxii-sync demo
  taxii-sync demo --dir /tmp/demo";

pub(super) const DISCOVER: &str = "\
Examples:
  taxii-sync discover hub
  taxii-sync discover https://taxii.example.org/services/discovery
  taxii-sync discover hub --save-exchanges exchanges # to show them to others
  taxii-sync discover https://taxii.example.org/taxii-data \\
      --username guest --password-file guest.txt
  taxii-sync discover https://taxii.example.org/taxii \\
      --cert client.pem --key client.key --ca ca.pem --json";

pub(super) const COLLECTIONS: &str = "\
Examples:
  taxii-sync collections hub
  taxii-sync collections https://taxii.example.org/services/discovery
  taxii-sync collections https://taxii.example.org/services/collections \\
      --taxii 1.0 --json

The URL may be that of a Collection Management or of a Discovery Service.";

pub(super) const POLL: &str = "\
Examples:
  taxii-sync poll indicators    # from the saved cursor, into this directory
  taxii-sync poll indicators --since 7d --to /tmp/indicators
  taxii-sync poll indicators --to march \\
      --since 2024-03-01T00:00:00Z --until 2024-03-02T00:00:00Z
  taxii-sync poll indicators --since 30d --count
  taxii-sync poll --url https://taxii.example.org/services/poll \\
      --collection default --to default

A poll by hand keeps nothing: it moves no cursor, and content that was handed
over before comes again. It works while the agent runs.";

pub(super) const PUSH: &str = "\
Examples:
  taxii-sync push partner report.xml
  taxii-sync push partner report.xml bundle.json --dry-run
  taxii-sync push --url https://taxii.example.org/services/inbox \\
      --collection default report.xml
  taxii-sync push --url https://taxii.example.org/services/inbox \\
      --binding urn:example:text notes.txt

The files stay where they are. It exits with 1 if one of them did not get there.";

pub(super) const PUSH_USAGE: &str = "\
taxii-sync push [OPTIONS] INBOX FILE...
       taxii-sync push [OPTIONS] --url URL [--collection NAME] FILE...";

pub(super) const SUBSCRIPTION: &str = "\
Examples:
  taxii-sync subscription status indicators
  taxii-sync subscription subscribe indicators
  taxii-sync subscription pause indicators --id 4711
  taxii-sync subscription unsubscribe indicators

The feed polls by subscription once its id stands in the configuration as
`subscription_id`.";

pub(super) const CURSOR: &str = "\
Examples:
  taxii-sync cursor show
  taxii-sync cursor set indicators 2024-03-01T00:00:00Z
  taxii-sync cursor set indicators 7d --again
  taxii-sync cursor clear indicators";

pub(super) const CURSOR_SHOW: &str = "\
Examples:
  taxii-sync cursor show
  taxii-sync cursor show indicators --json";

pub(super) const CURSOR_SET: &str = "\
Examples:
  taxii-sync cursor set indicators 2024-03-01T00:00:00Z
  taxii-sync cursor set indicators 7d --again # and hand all of it over again

What was handed over before is not handed over again, unless --again says so.";

pub(super) const CURSOR_CLEAR: &str = "\
Examples:
  taxii-sync cursor clear indicators
  taxii-sync cursor clear indicators --again

What was handed over before is not handed over again, unless --again says so.";

pub(super) const RETRY: &str = "\
Examples:
  taxii-sync retry report.xml
  taxii-sync retry /var/spool/taxii-sync/outgoing/failed/report.xml
  taxii-sync retry --all

An inbox that has accepted a file already does not get it again. It works while
the agent runs.";

pub(super) const COMPLETIONS: &str = "\
Examples:
  taxii-sync completions bash \\
      > /usr/share/bash-completion/completions/taxii-sync
  taxii-sync completions zsh > /usr/share/zsh/site-functions/_taxii-sync";

pub(super) const MAN: &str = "\
Examples:
  taxii-sync man > taxii-sync.1
  taxii-sync man | man -l -";

pub(super) const CONFIG_SCHEMA: &str = "\
Examples:
  taxii-sync config-schema > taxii-sync.schema.json";
