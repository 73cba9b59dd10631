//! The names of the open elements, so that end tags can be paired.

/// What they may take together, in bytes: a million levels of `<a>`.
pub(super) const MAX_NAMES: usize = 4 << 20;

/// A stack of names, one after the other in one piece of memory.
#[derive(Debug, Default)]
pub(super) struct Names {
    text: Vec<u8>,
    starts: Vec<u32>,
}

/// The names take more than [`MAX_NAMES`].
#[derive(Debug)]
pub(super) struct Full;

impl Names {
    /// How many elements are open.
    pub(super) fn depth(&self) -> usize {
        self.starts.len()
    }

    /// The name of the innermost open element.
    pub(super) fn last(&self) -> Option<&[u8]> {
        self.starts.last().map(|start| &self.text[*start as usize..])
    }

    pub(super) fn push(&mut self, name: &[u8]) -> Result<(), Full> {
        let start = u32::try_from(self.text.len()).map_err(|_| Full)?;
        if self.text.len() + name.len() + size_of::<u32>() * (self.starts.len() + 1) > MAX_NAMES {
            return Err(Full);
        }
        self.starts.push(start);
        self.text.extend_from_slice(name);
        Ok(())
    }

    pub(super) fn pop(&mut self) {
        if let Some(start) = self.starts.pop() {
            self.text.truncate(start as usize);
        }
    }
}
