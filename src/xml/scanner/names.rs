//! The names of the open elements, so that end tags can be paired.

/// What they may take together, in bytes: a million levels of `<a>`.
const MAX_NAMES: usize = 4 << 20;
/// The longest name in bytes that is kept.
pub(super) const LONGEST_NAME: usize = 512 << 10;

/// A stack of names, one after the other in one piece of memory. Where they would be too long they are not kept, and
/// it is only counted how many elements are open.
#[derive(Debug, Default)]
pub(super) struct Names {
    text: Vec<u8>,
    starts: Vec<u32>,
    /// How many of the open elements, the innermost ones, have names that were not kept.
    nameless: usize,
}

/// From here on names are not kept.
#[derive(Debug)]
pub(super) struct Full;

impl Names {
    /// How many elements are open.
    pub(super) fn depth(&self) -> usize {
        self.starts.len() + self.nameless
    }

    /// The name of the innermost open element, if it was kept.
    pub(super) fn last(&self) -> Option<&[u8]> {
        self.starts.last().filter(|_| self.nameless == 0).map(|start| &self.text[*start as usize..])
    }

    pub(super) fn push(&mut self, name: &[u8]) -> Result<(), Full> {
        let taken = self.text.len() + name.len() + size_of::<u32>() * (self.starts.len() + 1);
        if self.nameless > 0 || taken > MAX_NAMES || name.len() > LONGEST_NAME {
            self.nameless += 1;
            return if self.nameless == 1 { Err(Full) } else { Ok(()) };
        }
        self.starts.push(self.text.len() as u32);
        self.text.extend_from_slice(name);
        Ok(())
    }

    pub(super) fn pop(&mut self) {
        if self.nameless > 0 {
            self.nameless -= 1;
        } else if let Some(start) = self.starts.pop() {
            self.text.truncate(start as usize);
        }
    }
}
