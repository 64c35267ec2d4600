//! What a command looks like on the wire, from both sides: written as RESP, and counted by the floor server.

use crate::client::replies::{Malformed, Replies};

/// Appends a command as an array of bulk strings.
pub fn write<W: AsRef<[u8]>>(out: &mut Vec<u8>, words: &[W]) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        let word = word.as_ref();
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// Counts the commands that end in what one connection sends, piece by piece; a started one is carried over.
/// On the wire a command is shaped like a reply, so the reply scanner can count it.
#[derive(Debug, Default)]
pub struct CommandCount {
    carry: Replies,
}

impl CommandCount {
    /// How many commands end in `bytes`.
    ///
    /// # Errors
    /// When the bytes are not RESP.
    pub fn count(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut count = 0;
        self.carry.scan(bytes, &mut |_| count += 1)?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_counted_however_they_are_cut() {
        let mut bytes = Vec::new();
        write(&mut bytes, &["GET", "key:000000000001"]);
        write(&mut bytes, &["SET", "key:000000000001", "*1\r\n$4\r\nPING\r\n"]);
        write(&mut bytes, &["PING"]);
        for cut in 0..=bytes.len() {
            let mut commands = CommandCount::default();
            let first = commands.count(&bytes[..cut]).unwrap();
            assert!(first < 3 || cut == bytes.len());
            assert_eq!(first + commands.count(&bytes[cut..]).unwrap(), 3, "cut at {cut}");
        }
    }

    #[test]
    fn a_command_is_an_array_of_bulks() {
        let mut bytes = Vec::new();
        write(&mut bytes, &["GET", "k"]);
        assert_eq!(bytes, b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
    }
}
