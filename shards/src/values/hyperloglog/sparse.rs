//! The sparse encoding: runs of equal registers, from the first register to the last.
//!
//! ```text
//! 00llllll             l + 1 registers of 0, at most 64
//! 01llllll llllllll    l + 1 registers of 0, at most 16,384
//! 1vvvvvll             l + 1 registers of v + 1, at most 4 of at most 32
//! ```
//!
//! Raising a register splits the run that it is in, then joins neighbours that became equal within the next five runs: exactly
//! as far as Redis does, for the string is to be the same.
use super::estimate::Counts;
use super::{Corrupt, HEADER_BYTES, Place, REGISTERS, Registers};

/// The body of one whose registers are all zero.
pub(super) const ALL_ZERO: [u8; 2] = [0x7f, 0xff];
/// The greatest value that a run can have.
const VALUE_MAX: u8 = 32;
/// The longest run with a value.
const VALUES_MAX: usize = 4;
/// The longest run of zeros in one byte.
const ZEROS_MAX: usize = 64;
/// How many runs are looked at for neighbours to join.
const JOINED_RUNS_MAX: usize = 5;

/// What a run is, for PFDEBUG DECODE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Run {
    /// Zeros in one byte.
    Zeros(usize),
    /// Zeros in two bytes.
    ManyZeros(usize),
    /// So many of a value.
    Values(u8, usize),
}

/// The run at `at`, which is within `body`, and where the next one begins. A last byte that lacks its second has zero there,
/// as Redis sees it.
#[inline(always)]
fn run(body: &[u8], at: usize) -> (Run, usize) {
    let first = body[at];
    match first >> 6 {
        0 => (Run::Zeros(usize::from(first) + 1), at + 1),
        1 => {
            let second = body.get(at + 1).copied().unwrap_or(0);
            (Run::ManyZeros(usize::from(u16::from_be_bytes([first & 0x3f, second])) + 1), at + 2)
        }
        _ => (Run::Values((first >> 2 & 0x1f) + 1, usize::from(first & 3) + 1), at + 1),
    }
}

impl Run {
    /// How many registers it covers.
    #[inline(always)]
    fn span(self) -> usize {
        match self {
            Run::Zeros(span) | Run::ManyZeros(span) | Run::Values(_, span) => span,
        }
    }
    /// The value that they have.
    #[inline(always)]
    fn value(self) -> u8 {
        match self {
            Run::Zeros(_) | Run::ManyZeros(_) => 0,
            Run::Values(value, _) => value,
        }
    }
}

/// The runs of a HyperLogLog, valid or not.
pub fn runs(bytes: &[u8]) -> impl Iterator<Item = Run> + '_ {
    runs_of(super::body(bytes))
}

#[inline(always)]
fn runs_of(body: &[u8]) -> impl Iterator<Item = Run> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        (at < body.len()).then(|| {
            let (run, next) = run(body, at);
            at = next;
            run
        })
    })
}

/// How many registers have each value.
pub(super) fn histogram(body: &[u8]) -> Result<Counts, Corrupt> {
    let (mut counts, mut zeros, mut values) = ([0u32; 64], 0, 0);
    for run in runs_of(body) {
        match run {
            Run::Zeros(span) | Run::ManyZeros(span) => zeros += span,
            Run::Values(value, span) => {
                counts[usize::from(value & 63)] += span as u32;
                values += span;
            }
        }
    }
    counts[0] = zeros as u32;
    if zeros + values == REGISTERS { Ok(counts) } else { Err(Corrupt) }
}

/// Raises registers to those of `body`, where these are greater. They are worthless where it is corrupt.
pub(super) fn merge_into(registers: &mut Registers, body: &[u8]) -> Result<(), Corrupt> {
    let mut first = 0;
    for run in runs_of(body) {
        match run {
            Run::Zeros(span) | Run::ManyZeros(span) => first += span,
            Run::Values(value, span) => {
                let covered = registers.get_mut(first..first + span).ok_or(Corrupt)?;
                for register in covered {
                    *register = (*register).max(value);
                }
                first += span;
            }
        }
    }
    if first == REGISTERS { Ok(()) } else { Err(Corrupt) }
}

/// A place in a body from which a search may begin: a run, and the first register in it. Only for registers further on.
#[derive(Clone, Copy, Default, Debug)]
pub struct Cursor {
    at: usize,
    first: usize,
}

/// The run that a register is in.
struct Found {
    run: Run,
    at: usize,
    /// Where the next run begins, which is beyond the end where this one is cut.
    next: usize,
    /// The first register of the run.
    first: usize,
    /// Where the run before begins.
    before: Option<usize>,
    /// The run before that one.
    resume: Cursor,
}

#[inline]
fn find(body: &[u8], from: Cursor, index: usize) -> Result<Found, Corrupt> {
    let (mut at, mut first) = (from.at, from.first);
    let (mut before, mut resume) = (from, from);
    while at < body.len() {
        let (run, next) = run(body, at);
        let end = first + run.span();
        if index < end {
            let before = (at > from.at).then_some(before.at);
            return Ok(Found { run, at, next, first, before, resume });
        }
        resume = before;
        before = Cursor { at, first };
        (at, first) = (next, end);
    }
    Err(Corrupt)
}

/// Whether raising this register would change anything.
pub(super) fn would_raise(body: &[u8], place: Place) -> Result<bool, Corrupt> {
    Ok(find(body, Cursor::default(), place.index)?.run.value() < place.value)
}

/// What came of raising a register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Raised {
    /// It was not lower.
    Not,
    /// It has the value now.
    InPlace,
    /// Nothing: that takes the dense encoding.
    TooLarge,
}

/// Raises one register of a HyperLogLog, header included. The search begins at `cursor`, which is left where the next one,
/// for a later register, may begin.
pub(super) fn raise(
    bytes: &mut Vec<u8>,
    cursor: &mut Cursor,
    place: Place,
    bytes_max: usize,
) -> Result<Raised, Corrupt> {
    if place.value > VALUE_MAX {
        return Ok(Raised::TooLarge);
    }
    let found = find(super::body(bytes), *cursor, place.index)?;
    *cursor = found.resume;
    if found.run.value() >= place.value {
        return Ok(Raised::Not);
    }
    let (at, old_len) = (HEADER_BYTES + found.at, found.next - found.at);
    if at + old_len > bytes.len() {
        return Err(Corrupt);
    }
    if found.run.span() == 1 && old_len == 1 {
        bytes[at] = value_byte(place.value, 1);
    } else {
        let (room, new_len) = split(&found, place);
        if new_len > old_len && bytes.len() + new_len - old_len > bytes_max {
            return Ok(Raised::TooLarge);
        }
        bytes.splice(at..at + old_len, room[..new_len].iter().copied());
    }
    join(bytes, HEADER_BYTES + found.before.unwrap_or(0));
    Ok(Raised::InPlace)
}

/// The runs that take the place of one in which a register gets a value of its own, and how many bytes they are.
fn split(found: &Found, place: Place) -> ([u8; 5], usize) {
    let (mut room, mut len) = ([0; 5], 0);
    let mut put = |value: u8, span: usize| {
        if span == 0 {
            return;
        }
        if value > 0 {
            room[len] = value_byte(value, span);
        } else if span <= ZEROS_MAX {
            room[len] = (span - 1) as u8;
        } else {
            room[len] = ((span - 1) >> 8) as u8 | 0x40;
            len += 1;
            room[len] = (span - 1) as u8;
        }
        len += 1;
    };
    let left = place.index - found.first;
    put(found.run.value(), left);
    put(place.value, 1);
    put(found.run.value(), found.run.span() - left - 1);
    (room, len)
}

fn value_byte(value: u8, span: usize) -> u8 {
    (value - 1) << 2 | (span - 1) as u8 | 0x80
}

/// Joins neighbours of the same value, from the run at `at` on.
fn join(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOINED_RUNS_MAX {
        if at >= bytes.len() {
            return;
        }
        let (here, next) = run(bytes, at);
        if let Run::Values(value, span) = here
            && next < bytes.len()
            && let (Run::Values(other, more), _) = run(bytes, next)
            && other == value
            && span + more <= VALUES_MAX
        {
            bytes[at] = value_byte(value, span + more);
            bytes.remove(next);
        } else {
            at = next;
        }
    }
}
