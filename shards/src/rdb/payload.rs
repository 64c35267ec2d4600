//! What DUMP puts round a value: the type before it, version and checksum behind it.
use super::crc64::crc64;

/// Ends a payload.
pub fn seal(payload: &mut Vec<u8>, version: u16) {
    payload.extend_from_slice(&version.to_le_bytes());
    let checksum = crc64(payload);
    payload.extend_from_slice(&checksum.to_le_bytes());
}

/// What a payload holds, type first, and its version; none where its checksum is wrong or its version unknown.
#[must_use]
pub fn open(payload: &[u8]) -> Option<(&[u8], u16)> {
    let (sealed, checksum) = payload.split_last_chunk()?;
    let (value, version) = sealed.split_last_chunk()?;
    let version = u16::from_le_bytes(*version);
    let is_whole = super::is_known_version(version) && crc64(sealed) == u64::from_le_bytes(*checksum);
    is_whole.then_some((value, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Redis 7.0 gives for DUMP after SET k hello.
    const HELLO: &[u8] = b"\x00\x05hello\n\x00cr\xdfve4 \n";

    #[test]
    fn a_payload_is_that_of_redis() {
        let mut payload = b"\x00\x05hello".to_vec();
        seal(&mut payload, 10);
        assert_eq!(payload, HELLO);
        assert_eq!(open(HELLO), Some((&b"\x00\x05hello"[..], 10)));
    }

    #[test]
    fn what_was_touched_is_not_opened() {
        for at in 0..HELLO.len() {
            let mut touched = HELLO.to_vec();
            touched[at] ^= 1;
            assert_eq!(open(&touched), None);
            assert_eq!(open(&HELLO[..at]), None);
        }
        let mut future = b"\x00\x05hello".to_vec();
        seal(&mut future, 99);
        assert_eq!(open(&future), None);
    }
}
