//! What a connection has sent and nobody has looked at yet.

/// Input that is not consumed yet.
#[derive(Debug, Default)]
pub struct Input {
    /// The bytes, with some at the beginning that are done with.
    pub bytes: Vec<u8>,
    /// How many of them are.
    pub start: usize,
}

impl Input {
    /// What is there.
    #[must_use]
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
    /// Whether nothing is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }
    /// So many bytes more are done with.
    pub fn consume(&mut self, count: usize) {
        self.start += count;
        if self.is_empty() {
            self.bytes.clear();
            self.start = 0;
            self.bytes.shrink_to(64 * 1024);
        } else if self.start > 64 * 1024 && self.start * 2 > self.bytes.len() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }
}
