//! The inputs that are kept for the fuzzer, once each.

mod entries;

use std::path::Path;

#[test]
fn every_kept_input_is_survived() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for (target, entry) in entries::ALL {
        let files: Vec<_> = std::fs::read_dir(seeds.join(target)).unwrap().map(|file| file.unwrap().path()).collect();
        assert!(files.len() >= 5, "there are {} seeds for {target}", files.len());
        for file in files {
            let bytes = std::fs::read(&file).unwrap();
            let survived = std::panic::catch_unwind(|| {
                entry(&bytes);
                // The beginning of every input is an input too.
                (0..bytes.len()).step_by(1 + bytes.len() / 64).for_each(|end| entry(&bytes[..end]));
            });
            assert!(survived.is_ok(), "{}: see above", file.display());
        }
    }
}
