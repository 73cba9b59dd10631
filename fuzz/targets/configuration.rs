#![no_main]

#[path = "../../tests/it/fuzz_corpus/entries.rs"]
#[allow(dead_code)]
mod entries;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entries::configuration(bytes));
