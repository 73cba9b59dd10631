//! Walk 2: a dropped file, from the directory to an acknowledged push.
//!
//! [`DropWalk`] looks at one drop directory whenever the bell rings, and takes settled files in: copied to `sending/`,
//! hashed, checked while they stream past, made durable and admitted a batch at a time, with one delivery for each
//! inbox. [`InboxWalk`] sends what one inbox is owed: the message is assembled around the file's own bytes, the answer
//! becomes a verdict, the verdict a transaction. A file that is owed to nobody any more leaves for `sent/` or
//! `failed/` with its receipt ([`Drops`]).

mod by_hand;
mod drop;
mod inbox;
mod leave;
mod look;
mod looked;
mod message;
mod receipt;
mod settle;
mod transform;
mod trouble;
mod wanted;
mod watch;

pub use by_hand::{Prepared, Unsendable, prepare};
pub use drop::{DropWalk, Parts as DropParts};
pub use inbox::{Delivered, InboxWalk};
pub use leave::Drops;
pub use looked::Looked;
pub use message::{Block, MessageError, assemble};
pub use watch::Bell;

use std::panic::{self, AssertUnwindSafe};
use std::thread::Builder;

use tokio::sync::oneshot;

use crate::store::{Result, StoreError};

/// Runs blocking work of the store that may take long, or for ever where a file system hangs, on a thread of its own: the
/// others are few, and everybody needs them.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let (sender, receiver) = oneshot::channel();
    let run = move || {
        let result = panic::catch_unwind(AssertUnwindSafe(work));
        // Nobody may be waiting any more.
        let _ = sender.send(result);
    };
    Builder::new().name("look".to_owned()).spawn(run).map_err(StoreError::NoThread)?;
    match receiver.await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => panic::resume_unwind(panic),
        Err(_) => std::future::pending().await,
    }
}

/// Runs blocking work of the store.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(stopped) => match stopped.try_into_panic() {
            Ok(panic) => panic::resume_unwind(panic),
            // The runtime ends, and we with it.
            Err(_) => std::future::pending().await,
        },
    }
}
