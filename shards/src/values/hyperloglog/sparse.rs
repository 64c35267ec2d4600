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

/// A run as the loops see it: without a branch, for which kind comes next cannot be guessed.
#[derive(Clone, Copy)]
struct Step {
    value: u8,
    /// Registers.
    span: u16,
    /// Bytes.
    len: u8,
}

/// The step of each first byte; that of two bytes lacks what the second adds.
const STEPS: [Step; 256] = {
    let mut steps = [Step { value: 0, span: 0, len: 1 }; 256];
    let mut byte = 0;
    while byte < 256 {
        steps[byte] = match byte >> 6 {
            0 => Step { value: 0, span: byte as u16 + 1, len: 1 },
            1 => Step { value: 0, span: ((byte as u16 & 0x3f) << 8) + 1, len: 2 },
            _ => Step { value: (byte as u8 >> 2 & 0x1f) + 1, span: (byte as u16 & 3) + 1, len: 1 },
        };
        byte += 1;
    }
    steps
};

/// The run at `at`, which is within `body`. A last byte that lacks its second has zero there, as Redis sees it.
#[inline(always)]
fn step(body: &[u8], at: usize) -> Step {
    let step = STEPS[usize::from(body[at])];
    let second = body.get(at + 1).copied().unwrap_or(0);
    let mask = if step.len == 2 { 0xff } else { 0 };
    Step { span: step.span + u16::from(second & mask), ..step }
}

fn steps(body: &[u8]) -> impl Iterator<Item = Step> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        (at < body.len()).then(|| {
            let step = step(body, at);
            at += usize::from(step.len);
            step
        })
    })
}

/// The runs of a HyperLogLog, valid or not.
pub fn runs(bytes: &[u8]) -> impl Iterator<Item = Run> + '_ {
    steps(super::body(bytes)).map(|step| match step {
        Step { value: 0, span, len: 1 } => Run::Zeros(span.into()),
        Step { value: 0, span, .. } => Run::ManyZeros(span.into()),
        Step { value, span, .. } => Run::Values(value, span.into()),
    })
}

/// How many registers have each value.
pub(super) fn histogram(body: &[u8]) -> Result<Counts, Corrupt> {
    let mut counts = [0u32; 64];
    let mut registers = 0;
    for step in steps(body) {
        registers += u64::from(step.span);
        // Never more than what 512 MB of runs hold; whoever has too many is refused below.
        let count = &mut counts[usize::from(step.value & 63)];
        *count = count.wrapping_add(u32::from(step.span));
    }
    if registers == REGISTERS as u64 { Ok(counts) } else { Err(Corrupt) }
}

/// Raises registers to those of `body`, where these are greater. They are worthless where it is corrupt.
pub(super) fn merge_into(registers: &mut Registers, body: &[u8]) -> Result<(), Corrupt> {
    let mut first = 0;
    for Step { value, span, .. } in steps(body) {
        let end = first + usize::from(span);
        let covered = registers.get_mut(first..end).ok_or(Corrupt)?;
        if value > 0 {
            covered.iter_mut().for_each(|register| *register = (*register).max(value));
        }
        first = end;
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
    step: Step,
    at: usize,
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
        let step = step(body, at);
        let end = first + usize::from(step.span);
        if index < end {
            let before = (at > from.at).then_some(before.at);
            return Ok(Found { step, at, first, before, resume });
        }
        resume = before;
        before = Cursor { at, first };
        first = end;
        at += usize::from(step.len);
    }
    Err(Corrupt)
}

/// Whether raising this register would change anything.
pub(super) fn would_raise(body: &[u8], place: Place) -> Result<bool, Corrupt> {
    Ok(find(body, Cursor::default(), place.index)?.step.value < place.value)
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
    let Step { value, span, len } = found.step;
    *cursor = found.resume;
    if value >= place.value {
        return Ok(Raised::Not);
    }
    let (at, old_len) = (HEADER_BYTES + found.at, usize::from(len));
    if at + old_len > bytes.len() {
        return Err(Corrupt);
    }
    if span == 1 && old_len == 1 {
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
    put(found.step.value, left);
    put(place.value, 1);
    put(found.step.value, usize::from(found.step.span) - left - 1);
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
        let step = STEPS[usize::from(bytes[at])];
        if let (1.., Some(&next)) = (step.value, bytes.get(at + 1)) {
            let next = STEPS[usize::from(next)];
            let span = usize::from(step.span + next.span);
            if next.value == step.value && span <= VALUES_MAX {
                bytes[at] = value_byte(step.value, span);
                bytes.remove(at + 1);
                continue;
            }
        }
        at += usize::from(step.len);
    }
}
