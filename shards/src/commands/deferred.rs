//! Replies of several elements whose number is known only once they are written.
use crate::reply::Reply;

/// The head of an array or a set that has been begun, with room for the number.
pub(super) struct Deferred {
    start: usize,
    head_end: usize,
    write_head: fn(&mut Reply, usize),
}

impl Deferred {
    /// Begins an array of at most `len_max` elements.
    pub(super) fn array(reply: &mut Reply, len_max: usize) -> Deferred {
        Deferred::begin(reply, len_max, Reply::array)
    }

    /// Begins a set of at most `len_max` elements.
    pub(super) fn set(reply: &mut Reply, len_max: usize) -> Deferred {
        Deferred::begin(reply, len_max, Reply::set)
    }

    fn begin(reply: &mut Reply, len_max: usize, write_head: fn(&mut Reply, usize)) -> Deferred {
        let start = reply.bytes.len();
        write_head(reply, len_max);
        Deferred { start, head_end: reply.bytes.len(), write_head }
    }

    /// Says how many elements were written since.
    pub(super) fn end(self, reply: &mut Reply, len: usize) {
        let mut head = Reply::new(reply.resp);
        (self.write_head)(&mut head, len);
        let head_end = self.start + head.bytes.len();
        assert!(head_end <= self.head_end, "no more elements than were allowed for");
        reply.bytes[self.start..head_end].copy_from_slice(&head.bytes);
        if head_end < self.head_end {
            reply.bytes.copy_within(self.head_end.., head_end);
            reply.bytes.truncate(reply.bytes.len() - (self.head_end - head_end));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::Resp;

    #[test]
    fn the_number_stands_before_what_was_counted() {
        for (len_max, len, expected) in [(0, 0, "*0\r\n"), (5, 2, "*2\r\n"), (1000, 2, "*2\r\n")] {
            let mut reply = Reply::new(Resp::V2);
            reply.ok();
            let deferred = Deferred::array(&mut reply, len_max);
            (0..len).for_each(|_| reply.integer(7));
            deferred.end(&mut reply, len);
            let expected = format!("+OK\r\n{expected}{}", ":7\r\n".repeat(len));
            assert_eq!(String::from_utf8(reply.bytes).unwrap(), expected);
        }
        let mut reply = Reply::new(Resp::V3);
        Deferred::set(&mut reply, 100).end(&mut reply, 0);
        assert_eq!(reply.bytes, b"~0\r\n");
    }
}
