//! Each deviation that the protocol reference lists (its sections 2 to 17, and 20) has a test named for it: `rows.tsv`
//! says which, and here is checked that it is there.

use std::fs;
use std::path::Path;

fn sources(directory: &Path, text: &mut String) {
    for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn each_deviation_of_the_protocol_reference_has_a_test_that_is_there() {
    let mut text = String::new();
    for directory in ["src", "tests/it"] {
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(directory), &mut text);
    }
    let mut sections = Vec::new();
    for row in include_str!("rows.tsv").lines() {
        let [section, deviation, test] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("not a section, a deviation and a test: {row}");
        };
        assert!(text.contains(&format!("fn {test}()")), "{section}, {deviation}: there is no test {test}");
        sections.push(section);
    }
    for wanted in
        ["2.2", "2.3", "3", "6.1", "6.4", "7.3", "8", "9.4", "10", "12.4", "13.1", "13.2", "13.3", "13.4", "16"]
    {
        assert!(sections.contains(&wanted), "nothing about section {wanted}");
    }
}
