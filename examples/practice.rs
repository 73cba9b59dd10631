//! Runs an honest practice server: prints its URLs as one line of JSON, then serves until standard input ends.
#![allow(clippy::print_stdout, missing_docs)]

use std::io::{self, Read};
use std::sync::Arc;

use taxii_sync::practice::samples::SAMPLES;
use taxii_sync::practice::{BlockSpec, Options, Practice};

#[expect(clippy::disallowed_methods, reason = "an example has no room that tells it the time")]
#[tokio::main]
async fn main() -> io::Result<()> {
    let practice = Practice::start(Options::new(Arc::new(chrono::Utc::now))).await?;
    for sample in SAMPLES {
        practice.add_block("default", BlockSpec::new(sample.binding, sample.markup()));
    }
    let names = ["discovery", "collections", "poll", "inbox", "login", "data"];
    let urls: serde_json::Map<_, _> = names.iter().map(|name| (name.to_string(), practice.url(name).into())).collect();
    println!("{}", serde_json::Value::from(urls));
    tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}
