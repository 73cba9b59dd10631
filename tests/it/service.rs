//! The agent as a service sees itself watched: what systemd is told, and what the log says of health.

use std::ffi::OsStr;
use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use rustix::process::Signal;
use taxii_sync::practice::{Act, Quirk, Service};

use crate::common::{Agent, PATIENCE, World, eventually, for_each};

/// How often the watchdog is fed in these tests.
const PACE: Duration = Duration::from_millis(500);

const REPORT: &str = r#"<s:STIX_Package xmlns:s="http://stix.mitre.org/stix-1" version="1.2"/>"#;

/// What systemd is told, as it comes.
struct Told {
    messages: mpsc::Receiver<(Instant, String)>,
    so_far: Vec<(Instant, String)>,
}

impl Told {
    /// An agent under a service manager with a watchdog.
    fn by(world: &World) -> (Agent, Told) {
        let path = world.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        Told::through(world, socket, path.as_os_str())
    }

    fn through(world: &World, socket: UnixDatagram, name: &OsStr) -> (Agent, Told) {
        let (tell, messages) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = socket.recv(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                if tell.send((Instant::now(), text)).is_err() {
                    return;
                }
            }
        });
        let agent = world.start_with(|command| {
            command.env("NOTIFY_SOCKET", name).env("WATCHDOG_USEC", (2 * PACE).as_micros().to_string());
        });
        (agent, Told { messages, so_far: Vec::new() })
    }

    /// Waits until systemd is told something like this.
    #[track_caller]
    fn until(&mut self, words: &str) {
        loop {
            let told =
                self.messages.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no {words} in {:?}", self.so_far));
            let found = told.1.contains(words);
            self.so_far.push(told);
            if found {
                return;
            }
        }
    }

    /// The longest time that the watchdog went hungry.
    fn longest_gap(&self) -> Duration {
        let fed: Vec<_> =
            self.so_far.iter().filter(|(_, text)| text.contains("WATCHDOG=1")).map(|(at, _)| *at).collect();
        fed.windows(2).map(|two| two[1] - two[0]).max().unwrap_or_default()
    }
}

#[test]
fn a_service_manager_is_told_through_a_socket_without_a_place_in_the_file_system_too() {
    let world = World::new();
    let name = format!("taxii-sync-test-{}-{}", std::process::id(), fastrand::u64(..));
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    let (agent, mut told) = Told::through(&world, socket, format!("@{name}").as_ref());
    told.until("READY=1");
    told.until("WATCHDOG=1");
    agent.signal(Signal::TERM);
    told.until("STOPPING=1");
}

#[test]
fn the_watchdog_is_fed_during_a_reload_that_waits_and_the_end_is_heard_in_it() {
    let world = World::new().feed("every = \"30s\"");
    world.script(Service::Poll, vec![Act::silence()]);
    let (mut agent, mut told) = Told::by(&world);
    told.until("READY=1");
    world.until_seen(|seen| !seen.is_empty());
    // What is in flight is waited for, because the feed is another one now.
    let world = world.reconfigured().feed("every = \"31s\"");
    world.write_config();
    agent.signal(Signal::HUP);
    told.until("RELOADING=1\nMONOTONIC_USEC=");
    told.until("WATCHDOG=1");
    let asked = Instant::now();
    agent.signal(Signal::TERM);
    told.until("STOPPING=1");
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", told.so_far);
    assert_eq!(agent.end().0, Some(0), "{}", agent.log());
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
    told.so_far.extend(told.messages.try_iter().collect::<Vec<_>>());
    assert!(told.longest_gap() < 3 * PACE, "{:?}", told.longest_gap());
}

#[test]
fn the_status_that_systemd_shows_says_what_is_going_on() {
    let world = World::new().feed("every = \"30s\"").inbox("").drop_directory("");
    world.script(Service::Poll, vec![Act::silence()]);
    world.script(Service::Inbox, vec![Act::status("UNAUTHORIZED"); 9]);
    world.drop_file("report.xml", REPORT);
    let (mut agent, mut told) = Told::by(&world);
    told.until("STATUS=feeds: 1, drop directory: 1, inboxes: 1");
    told.until("STATUS=trouble with drop directory outgoing; 1 pending; polling indicators");
    agent.signal(Signal::TERM);
    told.until("STOPPING=1");
    agent.end();
}

/// Polls and pushes once more.
fn again(world: &World, agent: &Agent, service: Service) {
    let count = |seen: &[taxii_sync::practice::Seen]| seen.iter().filter(|one| one.service == Some(service)).count();
    let before = count(&world.practice.requests());
    agent.signal(Signal::USR1);
    world.until_seen(|seen| count(seen) > before);
    // The answer is judged after it was seen to be asked for.
    thread::sleep(Duration::from_millis(200));
}

#[test]
fn an_inbox_in_trouble_is_one_line_and_another_where_somebody_has_to_do_something() {
    let world = World::new().inbox("").drop_directory("");
    world.script(
        Service::Inbox,
        [vec![Act::http(503, "text/plain", ""); 3], vec![Act::status("UNAUTHORIZED"); 3]].concat(),
    );
    world.drop_file("report.xml", REPORT);
    let mut agent = world.start();
    world.until_seen(|seen| !seen.is_empty());
    thread::sleep(Duration::from_millis(200));
    for _ in 0..5 {
        again(&world, &agent, Service::Inbox);
    }
    agent.signal(Signal::USR1);
    agent.until_said("the inbox takes files again");
    let log = agent.log();
    assert_eq!(log.matches("the inbox does not take anything just now").count(), 2, "{log}");
    agent.terminate();
}

#[test]
fn what_goes_on_over_many_polls_is_one_line() {
    let world = World::new().feed("every = \"30s\"");
    world.script(Service::Poll, vec![Act::poll(Quirk::EndText("yesterday".to_owned())); 4]);
    let mut agent = world.start();
    agent.until_said("cannot be read: taken as absent");
    for _ in 0..3 {
        again(&world, &agent, Service::Poll);
    }
    let log = agent.log();
    assert_eq!(log.matches("cannot be read: taken as absent").count(), 1, "{log}");
    agent.terminate();
}

/// Does away with something.
type Lose = fn(&World);

#[test]
fn an_agent_whose_state_is_removed_or_replaced_says_so_and_ends() {
    let remove = |world: &World| fs::remove_dir_all(world.path("state")).unwrap();
    let move_away = |world: &World| fs::rename(world.path("state"), world.path("away")).unwrap();
    let unlock = |world: &World| fs::remove_file(world.path("state/lock")).unwrap();
    let replace = |world: &World| {
        fs::copy(world.path("state/ledger.db"), world.path("backup")).unwrap();
        fs::rename(world.path("backup"), world.path("state/ledger.db")).unwrap();
    };
    let cases: [(&str, Lose); 4] =
        [("state", remove), ("state", move_away), ("state/lock", unlock), ("state/ledger.db", replace)];
    for_each(cases, |(lost, lose)| {
        let world = World::new().feed("").section("[log]\nlevel = \"info\"\n");
        let mut agent = world.start();
        world.until_seen(|seen| !seen.is_empty());
        agent.until_said("started");
        lose(&world);
        assert_eq!(agent.end().0, Some(1), "{}", agent.log());
        let log = agent.log();
        let line = log.lines().find(|line| line.contains("ERROR")).unwrap();
        assert!(line.contains(&format!("path={:?}", world.path(lost).display().to_string())), "{log}");
        assert!(line.contains("removed or replaced while it ran: it ends"), "{log}");
        assert_eq!(log.matches("ERROR").count(), 1, "{log}");
        assert!(lost != "state" || !world.path("state").exists(), "nothing is made anew");
    });
}

/// Another program's connection to the ledger.
fn change_ledger(world: &World, statement: &str) {
    let ledger = rusqlite::Connection::open(world.path("state/ledger.db")).unwrap();
    ledger.busy_timeout(PATIENCE).unwrap();
    ledger.execute_batch(statement).unwrap();
}

#[test]
fn a_feed_that_the_ledger_cannot_note_is_in_trouble_and_the_log_says_when_it_begins_and_ends() {
    let world = World::new().feed("every = \"1h\"");
    let textfile = world.path("metrics.prom");
    let world = world.section(&format!("[metrics]\ntextfile = {textfile:?}\n"));
    let (mut agent, mut told) = Told::by(&world);
    told.until("STATUS=healthy");
    let feed_is = |healthy: bool| {
        let line = format!("taxii_sync_feed_healthy{{feed=\"indicators\"}} {}", u8::from(healthy));
        let all = format!("taxii_sync_healthy {}", u8::from(healthy));
        eventually(|| fs::read_to_string(&textfile).is_ok_and(|text| text.contains(&line) && text.contains(&all)));
    };
    feed_is(true);
    // A disk without any room left refuses the same.
    let refuse = "CREATE TRIGGER full BEFORE UPDATE OF last_error, last_success, next_poll ON feed
                  BEGIN SELECT RAISE(ABORT, 'no space left'); END";
    change_ledger(&world, refuse);
    for _ in 0..3 {
        again(&world, &agent, Service::Poll);
    }
    feed_is(false);
    told.until("STATUS=trouble with feed indicators");
    assert_eq!(agent.log().matches("the ledger cannot be written").count(), 1, "{}", agent.log());
    change_ledger(&world, "DROP TRIGGER full");
    again(&world, &agent, Service::Poll);
    agent.until_said("the ledger can be written again");
    feed_is(true);
    told.until("STATUS=healthy");
    agent.terminate();
}

#[test]
fn a_drop_directory_in_trouble_is_one_line_when_it_begins_and_one_when_it_ends() {
    let world = World::new().inbox("").drop_directory("rescan = \"1s\"\nsettle = \"300ms\"");
    let mut agent = world.start();
    eventually(|| world.outgoing().join("sending").exists());
    let refuse = "CREATE TRIGGER full BEFORE INSERT ON file BEGIN SELECT RAISE(ABORT, 'no space left'); END";
    change_ledger(&world, refuse);
    fs::write(world.outgoing().join("report.xml"), REPORT).unwrap();
    agent.until_said("the drop directory cannot be worked with just now");
    thread::sleep(Duration::from_secs(4));
    let log = agent.log();
    assert_eq!((log.matches("no space left").count(), log.matches("worked with again").count()), (1, 0), "{log}");
    assert!(world.status()["drops"]["outgoing"]["last_error"].as_str().unwrap().contains("no space left"));
    change_ledger(&world, "DROP TRIGGER full");
    agent.until_said("the drop directory can be worked with again");
    eventually(|| world.sent() == ["report.xml"]);
    agent.terminate();
}

#[test]
fn polling_that_works_again_after_a_reload_is_told() {
    let world = World::new().feed("every = \"1h\"").server("headers = { X-One = \"1\" }");
    world.script(Service::Poll, vec![Act::status("UNAUTHORIZED")]);
    let mut agent = world.start();
    agent.until_said("the poll failed");
    eventually(|| world.feed_status()["next_poll"].is_string());
    let world = world.server("headers = { X-One = \"2\" }");
    world.write_config();
    agent.signal(Signal::HUP);
    agent.until_said("polling works again");
    agent.terminate();
}

#[test]
fn a_feed_that_is_another_one_after_a_restart_is_polled_at_once() {
    let world = World::new().feed("every = \"1d\"");
    let mut agent = world.start();
    eventually(|| world.feed_status()["next_poll"].is_string());
    agent.terminate();
    drop(agent);
    let mut agent = world.start();
    agent.until_said("started");
    thread::sleep(Duration::from_millis(300));
    assert_eq!(world.polls().len(), 1, "it is not due yet");
    let world = world.reconfigured().feed("every = \"1d\"\ncontent_bindings = [\"urn:x\"]");
    world.write_config();
    agent.signal(Signal::HUP);
    eventually(|| world.polls().len() == 2);
    agent.terminate();
}

#[test]
fn an_inbox_that_works_again_after_a_reload_is_told() {
    let world = World::new().inbox("").drop_directory("").server("headers = { X-One = \"1\" }");
    world.script(Service::Inbox, vec![Act::status("UNAUTHORIZED")]);
    world.drop_file("report.xml", REPORT);
    let mut agent = world.start();
    agent.until_said("the inbox does not take anything just now");
    let world = world.server("headers = { X-One = \"2\" }");
    world.write_config();
    agent.signal(Signal::HUP);
    agent.until_said("the inbox takes files again");
    eventually(|| world.sent() == ["report.xml"]);
    agent.terminate();
}

#[test]
fn a_clock_that_disagrees_is_in_the_status_the_log_and_the_metrics() {
    let world =
        World::off_by(TimeDelta::hours(-2)).feed("start = \"3h\"").section("[metrics]\ntextfile = \"metrics.prom\"\n");
    let mut command = world.command(&["run", "--once"]);
    let ran = command.current_dir(world.path("")).output().unwrap();
    let (status, log) = (world.feed_status(), String::from_utf8(ran.stderr).unwrap());
    assert_eq!(ran.status.code(), Some(0), "{log}");
    assert!(log.contains("concern=\"clock\"") && log.contains("the server's clock is 2 h 0 min behind ours"), "{log}");
    assert_eq!(status["concerns"].as_array().unwrap().len(), 1, "{status}");
    assert!((status["clock_skew_seconds"].as_f64().unwrap() + 7200.0).abs() < 5.0, "{status}");
    assert!(world.run(&["status"]).stdout.contains("note: the server's clock is 2 h 0 min behind ours"));
    let metrics = fs::read_to_string(world.path("metrics.prom")).unwrap();
    assert!(metrics.contains("taxii_sync_feed_clock_skew_seconds{feed=\"indicators\"} -72"), "{metrics}");
}

#[test]
fn polls_without_anything_new_are_counted_until_something_comes() {
    let world = World::new().feed("lag = \"0s\"");
    for polls in 1..=3 {
        world.run_once().ended(0);
        assert_eq!(world.feed_status()["quiet_polls"], polls);
    }
    world.add(chrono::Utc::now(), "<n>1</n>");
    world.run_once().ended(0);
    assert_eq!(world.files().len(), 1);
    assert_eq!(world.feed_status()["quiet_polls"], 0);
    world.run_once().ended(0);
    assert_eq!(world.feed_status()["quiet_polls"], 1);
}

#[test]
fn a_log_that_nobody_reads_does_not_keep_the_agent_from_anything() {
    let world = World::new().feed("every = \"30s\"").section("[log]\nlevel = \"trace\"\n");
    let (nobody, pipe) = std::io::pipe().unwrap();
    let mut agent = world.start_with(|command| {
        command.stderr(pipe);
    });
    world.until_seen(|seen| !seen.is_empty());
    // A pipe takes 64 KiB.
    for _ in 0..100 {
        agent.signal(Signal::USR1);
        thread::sleep(Duration::from_millis(30));
    }
    let polls = world.polls().len();
    agent.signal(Signal::USR1);
    eventually(|| world.polls().len() > polls);
    agent.signal(Signal::TERM);
    let (code, took) = agent.end();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(20), "{took:?}");
    drop(nobody);
}

#[test]
fn a_service_manager_that_does_not_listen_is_no_reason_to_stay() {
    let world = World::new().feed("every = \"30s\"");
    let path = world.path("notify");
    let _deaf = UnixDatagram::bind(&path).unwrap();
    let mut agent = world.start_with(|command| {
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "20000");
    });
    world.until_seen(|seen| !seen.is_empty());
    // Some hundred messages find room at most.
    thread::sleep(Duration::from_secs(5));
    agent.terminate();
}

#[test]
fn every_exchange_is_a_line_and_the_words_of_a_server_take_nobody_elses_place() {
    let world = World::new().discovered().feed("").section("[log]\nlevel = \"debug\"\nformat = \"json\"\n");
    let words = "forged\nWARN words=\"x";
    let says = Act::change(move |reply| reply.message = Some(words.to_owned()));
    world.script(Service::Poll, vec![says]);
    let ran = world.run_once();
    ran.ended(0);
    let lines: Vec<serde_json::Value> = ran.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in ran.stderr.lines() {
        for key in ["message", "level", "timestamp"] {
            assert_eq!(line.matches(&format!("\"{key}\":")).count(), 1, "{line}");
        }
    }
    let said = lines.iter().find(|line| line["message"] == "the server says").unwrap();
    assert_eq!(said["words"], "forged WARN words=\"x");
    for service in ["discovery", "collections", "poll"] {
        let address = world.practice.url(service);
        let line = lines.iter().find(|line| line["address"] == address.as_str());
        let line = line.unwrap_or_else(|| panic!("no line about {address} in {}", ran.stderr));
        assert_eq!(line["message"], "the server was asked");
        assert_eq!((&line["http"], &line["server"]), (&200.into(), &"hub".into()), "{line}");
        assert!(line["bytes"].as_u64().unwrap() > 100 && line["took"].is_string(), "{line}");
    }
}

#[test]
fn the_journal_gets_the_level_of_each_line_and_no_second_clock() {
    let world = World::new().feed("every = \"30s\"");
    world.script(Service::Poll, vec![Act::poll(Quirk::EndText("yesterday".to_owned()))]);
    let mut agent = world.start_with(|command| {
        let log = fs::metadata(world.path("log")).unwrap();
        command.env("JOURNAL_STREAM", format!("{}:{}", log.dev(), log.ino()));
    });
    agent.until_said("cannot be read: taken as absent");
    let log = agent.log();
    assert!(log.starts_with("<6> INFO started"), "{log}");
    assert!(log.lines().any(|line| line.starts_with("<4> WARN poll{id=")), "{log}");
    agent.terminate();
}

#[test]
fn all_lines_about_one_file_and_about_one_poll_bear_one_id() {
    let world =
        World::new().feed("").inbox("").drop_directory("").section("[log]\nlevel = \"debug\"\nformat = \"json\"\n");
    world.add_numbered(1);
    world.drop_file("report.xml", REPORT);
    let ran = world.run_once();
    let lines: Vec<serde_json::Value> =
        ran.ended(0).stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |words: &str| lines.iter().find(|line| line["message"] == words).unwrap_or_else(|| panic!("no {words}"));
    let file = &of("taken in")["id"];
    assert!(file.as_str().is_some_and(|id| id.len() > 8), "{file}");
    for words in ["sending", "delivered", "sent: every inbox has it"] {
        assert_eq!(of(words)["id"], *file, "{words}");
    }
    let poll = &of("polled")["span"]["id"];
    assert!(poll.is_string());
    assert_eq!(of("part in place")["span"]["id"], *poll);
}
