//! The process is killed at any moment.

use std::collections::BTreeMap;
use std::time::Duration;

use taxii_sync::practice::{Act, Service};

use super::document;
use crate::common::{World, for_each, names};

const FILES: usize = 60;

#[test]
fn no_dropped_file_is_lost_however_often_the_agent_is_killed() {
    for_each([21, 22], |seed| {
        let mut random = fastrand::Rng::with_seed(seed);
        let world = World::new().inbox("").drop_directory("");
        for number in 0..FILES {
            world.drop_file(format!("{number:02}.xml"), document(number));
        }
        world.practice.forever(Service::Inbox, Act::honest().delay(Duration::from_millis(8)));
        let mut kills = 0;
        for _ in 0..8 {
            let mut agent = world.start();
            std::thread::sleep(Duration::from_millis(random.u64(20..200)));
            agent.kill();
            kills += 1;
        }
        world.practice.honest(Service::Inbox);
        world.run_once().ended(0);
        let expected: Vec<String> = (0..FILES).map(|number| format!("{number:02}.xml")).collect();
        assert_eq!(world.sent(), expected, "seed {seed}");
        assert_eq!((world.left_over().len(), world.failed().len()), (0, 0));
        assert_eq!(names(&world.outgoing().join("sending")), Vec::<String>::new());
        assert_eq!(names(&world.outgoing().join("sent")).len(), 2 * FILES, "each with its receipt");
        let mut got: BTreeMap<String, usize> = BTreeMap::new();
        for block in world.practice.stored("default") {
            *got.entry(String::from_utf8_lossy(&block.content).into_owned()).or_default() += 1;
        }
        assert_eq!(got.len(), FILES, "every file arrived");
        let repeated: usize = got.values().map(|count| count - 1).sum();
        assert!(repeated <= kills, "{repeated} were sent again: at most what was under way at each kill");
        let unknown = world.inbox_status()["unknown_total"].as_u64().unwrap();
        assert!(unknown as usize >= repeated, "{unknown} of unknown outcome, {repeated} sent again");
    });
}
