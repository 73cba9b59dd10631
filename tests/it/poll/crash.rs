//! The process is killed at any moment.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use taxii_sync::practice::{Act, Service};

use crate::common::{World, eventually, for_each, numbered};

const BLOCKS: i64 = 60;

/// A reader that takes every content file as soon as it sees it, and counts what it has seen.
fn read_along(world: &World, taken: &Mutex<BTreeMap<String, u32>>) {
    for name in world.files() {
        let path = world.output("indicators").join(&name);
        let Ok(text) = fs::read_to_string(&path) else { continue };
        assert!(path.with_file_name(format!("{name}.meta.json")).exists(), "the metadata comes first");
        fs::remove_file(&path).unwrap();
        fs::remove_file(path.with_file_name(format!("{name}.meta.json"))).unwrap();
        *taken.lock().unwrap().entry(text).or_default() += 1;
    }
}

#[test]
fn a_reader_that_takes_files_gets_every_block_exactly_once_however_often_the_agent_is_killed() {
    for_each([11, 12, 13], |seed| {
        let mut random = fastrand::Rng::with_seed(seed);
        let world = World::with(|options| options.max_result_size = 3).feed("every = \"30s\"");
        world.add_numbered(BLOCKS);
        let slow = Act::honest().delay(Duration::from_millis(15));
        world.practice.forever(Service::Poll, slow);
        let (taken, done) = (Mutex::new(BTreeMap::new()), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    read_along(&world, &taken);
                }
            });
            for _ in 0..8 {
                let mut agent = world.start();
                std::thread::sleep(Duration::from_millis(random.u64(20..250)));
                agent.kill();
            }
            world.practice.honest(Service::Poll);
            let ran = world.run_once();
            eventually(|| world.files().is_empty());
            done.store(true, Ordering::Relaxed);
            ran.ended(0);
        });
        let expected: BTreeMap<String, u32> = (0..BLOCKS).map(|number| (numbered(number), 1)).collect();
        assert_eq!(*taken.lock().unwrap(), expected, "seed {seed}");
    });
}
