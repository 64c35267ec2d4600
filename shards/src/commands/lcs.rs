//! LCS: the longest common subsequence of two strings.
//!
//! Rows of the usual table differ from cell to cell by 0 or 1, so a row is kept as one bit a cell and worked out 64 cells at
//! a time (Crochemore, Iliopoulos, Pinzon, Reid: *A fast and practical bit-vector algorithm for the longest common
//! subsequence problem*). The way back through the table needs all rows: a bit for each pair of bytes, where Redis takes 32.
use super::options::integer;
use super::string::STRING;
use super::{Args, Command};
use crate::call::Call;
use crate::fault::{Fault, Outcome, SYNTAX};
use crate::reply::Reply;
use crate::spec::{Arg, ArgKind, Begin, Find, Flags, KeyFlags, KeySpec, Spec};

pub(super) const COMMANDS: &[Command] = &[LCS];

const NOT_STRINGS: Fault = Fault::new("ERR The specified keys must contain string values");
const LEN_AND_IDX: Fault = Fault::new("ERR If you want both the length and indexes, please just use IDX.");
const TOO_LONG: Fault = Fault::new("ERR String too long for LCS");
const NO_MEMORY: Fault = Fault::new("ERR Insufficient memory, failed allocating transient memory for LCS");

const LCS: Command = Command {
    spec: Spec {
        name: "lcs",
        arity: -3,
        flags: Flags::READ,
        keys: &[KeySpec {
            flags: KeyFlags::RO.and(KeyFlags::ACCESS),
            begin: Begin::Index(1),
            find: Find::Range { last: 1, step: 1, limit: 0 },
            notes: "",
        }],
        summary: "Finds the longest common subsequence of two strings.",
        since: "7.0.0",
        complexity: "O(N*M), N and M being the lengths of the strings.",
        args: &[
            Arg::key("key1", 0),
            Arg::key("key2", 0),
            Arg::word("len", "LEN").optional(),
            Arg::word("idx", "IDX").optional(),
            Arg::new("min-match-len", ArgKind::Integer).token("MINMATCHLEN").optional(),
            Arg::word("withmatchlen", "WITHMATCHLEN").optional(),
        ],
        ..STRING
    },
    run: lcs,
    subcommands: &[],
};
fn lcs(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let (a, b) = (string_of(cx, args[1])?, string_of(cx, args[2])?);
    let words = Words::read(&args[3..])?;
    if a.len().max(b.len()) >= u32::MAX as usize - 1 {
        return Err(TOO_LONG);
    }
    let table = Table::new(&a, &b, !words.len)?;
    if words.len {
        cx.reply.integer(table.len as i64);
    } else if words.idx {
        words.reply_matches(cx.reply, &table.matches(&a, &b), table.len);
    } else {
        let common: Vec<u8> = table
            .matches(&a, &b)
            .iter()
            .rev()
            .flat_map(|found| &a[found.a..found.a + found.len])
            .copied()
            .collect();
        cx.reply.bulk(&common);
    }
    Ok(())
}

fn string_of(cx: &mut Call<'_>, key: &[u8]) -> Result<Vec<u8>, Fault> {
    let key = cx.key(key);
    let value = cx.read_string(key).map_err(|_| NOT_STRINGS)?;
    Ok(value.map_or_else(Vec::new, |value| value.bytes(&mut [0; 20]).to_vec()))
}

/// The words behind LCS's keys.
#[derive(Default)]
struct Words {
    len: bool,
    idx: bool,
    with_match_len: bool,
    match_len_min: usize,
}

impl Words {
    fn read(mut args: &[&[u8]]) -> Result<Words, Fault> {
        let mut words = Words::default();
        while let [word, rest @ ..] = args {
            args = rest;
            if word.eq_ignore_ascii_case(b"LEN") {
                words.len = true;
            } else if word.eq_ignore_ascii_case(b"IDX") {
                words.idx = true;
            } else if word.eq_ignore_ascii_case(b"WITHMATCHLEN") {
                words.with_match_len = true;
            } else if word.eq_ignore_ascii_case(b"MINMATCHLEN") {
                let (len, rest) = args.split_first().ok_or(SYNTAX)?;
                words.match_len_min = usize::try_from(integer(len)?).unwrap_or(0);
                args = rest;
            } else {
                return Err(SYNTAX);
            }
        }
        if words.len && words.idx { Err(LEN_AND_IDX) } else { Ok(words) }
    }

    fn reply_matches(&self, reply: &mut Reply, matches: &[Match], len: usize) {
        let shown = || matches.iter().filter(|found| found.len >= self.match_len_min);
        reply.map(2);
        reply.bulk(b"matches");
        reply.array(shown().count());
        for found in shown() {
            reply.array(2 + usize::from(self.with_match_len));
            for start in [found.a, found.b] {
                reply.array(2);
                reply.integer(start as i64);
                reply.integer((start + found.len) as i64 - 1);
            }
            if self.with_match_len {
                reply.integer(found.len as i64);
            }
        }
        reply.bulk(b"len");
        reply.integer(len as i64);
    }
}

/// A run of bytes that both strings have: where it begins in each, and how long it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Match {
    a: usize,
    b: usize,
    len: usize,
}

/// The table of the lengths of the common subsequences of prefixes.
struct Table {
    /// A row for each prefix of the first string, if the way back is wanted; else the last one alone. A bit is clear where
    /// the length grows by one from a prefix of the second string to the next.
    rows: Vec<u64>,
    words: usize,
    len: usize,
}

impl Table {
    fn new(a: &[u8], b: &[u8], whole: bool) -> Result<Table, Fault> {
        let words = b.len().div_ceil(64);
        let places = places_of(b, words)?;
        let mut rows = ones(if whole { (a.len() + 1).checked_mul(words).ok_or(NO_MEMORY)? } else { words })?;
        for (index, &byte) in a.iter().enumerate() {
            if whole {
                rows.copy_within(index * words..(index + 1) * words, (index + 1) * words);
            }
            let at = if whole { (index + 1) * words } else { 0 };
            step(&mut rows[at..at + words], &places[usize::from(byte) * words..][..words]);
        }
        let mut table = Table { rows, words, len: 0 };
        table.len = table.at(if whole { a.len() } else { 0 }, b.len());
        Ok(table)
    }

    /// The length for a prefix of each string.
    fn at(&self, row: usize, column: usize) -> usize {
        let row = &self.rows[row * self.words..][..self.words];
        let (full, rest) = (column / 64, column % 64);
        let whole: u32 = row[..full].iter().map(|word| word.count_zeros()).sum();
        let part = if rest == 0 { 0 } else { (!row[full] & ((1 << rest) - 1)).count_ones() };
        (whole + part) as usize
    }

    /// Whether the length for this row grows at this column (from 0).
    fn grows(&self, row: usize, column: usize) -> bool {
        self.rows[row * self.words + column / 64] >> (column % 64) & 1 == 0
    }

    /// The runs of one longest common subsequence, the last first: of several the one that Redis finds.
    fn matches(&self, a: &[u8], b: &[u8]) -> Vec<Match> {
        let mut matches: Vec<Match> = Vec::new();
        let mut open = false;
        let (mut i, mut j) = (a.len(), b.len());
        // The lengths at (i, j) and (i - 1, j) follow from step to step by single bits.
        let mut here = self.len;
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                (i, j, here) = (i - 1, j - 1, here - 1);
                match matches.last_mut() {
                    Some(run) if open => *run = Match { a: i, b: j, len: run.len + 1 },
                    _ => matches.push(Match { a: i, b: j, len: 1 }),
                }
                open = true;
                continue;
            }
            open = false;
            let left = here - usize::from(self.grows(i, j - 1));
            // Where the bytes differ, one of both neighbours has the same length: up it is only if left is shorter.
            if left < here { i -= 1 } else { j -= 1 }
        }
        matches
    }
}

/// For each byte the places in `text` where it stands, as bits.
fn places_of(text: &[u8], words: usize) -> Result<Vec<u64>, Fault> {
    let mut places = reserved(words.checked_mul(256).ok_or(NO_MEMORY)?)?;
    places.resize(words * 256, 0);
    for (at, &byte) in text.iter().enumerate() {
        places[usize::from(byte) * words + at / 64] |= 1 << (at % 64);
    }
    Ok(places)
}

/// Turns a row into the next one: `row + (row & places) | (row & !places)`, the carry going from word to word.
fn step(row: &mut [u64], places: &[u64]) {
    let mut carry = false;
    for (word, place) in row.iter_mut().zip(places) {
        let (sum, first) = word.overflowing_add(*word & place);
        let (sum, second) = sum.overflowing_add(u64::from(carry));
        *word = sum | (*word & !place);
        carry = first || second;
    }
}

fn ones(words: usize) -> Result<Vec<u64>, Fault> {
    let mut row = reserved(words)?;
    row.resize(words, u64::MAX);
    Ok(row)
}

fn reserved(words: usize) -> Result<Vec<u64>, Fault> {
    let mut row = Vec::new();
    row.try_reserve_exact(words).map_err(|_| NO_MEMORY)?;
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The lengths for all prefixes, as the textbook has them.
    fn lengths(a: &[u8], b: &[u8]) -> Vec<Vec<usize>> {
        let mut lengths = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 1..=a.len() {
            for j in 1..=b.len() {
                lengths[i][j] = if a[i - 1] == b[j - 1] {
                    lengths[i - 1][j - 1] + 1
                } else {
                    lengths[i - 1][j].max(lengths[i][j - 1])
                };
            }
        }
        lengths
    }

    /// The places of the bytes on Redis's way back.
    fn way_back(a: &[u8], b: &[u8]) -> Vec<(usize, usize)> {
        let lengths = lengths(a, b);
        let (mut i, mut j) = (a.len(), b.len());
        let mut places = Vec::new();
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                (i, j) = (i - 1, j - 1);
                places.push((i, j));
            } else if lengths[i - 1][j] > lengths[i][j - 1] {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        places
    }

    proptest! {
        #[test]
        fn agrees_with_the_textbook(
            a in proptest::collection::vec(0u8..4, 0..200),
            b in proptest::collection::vec(0u8..4, 0..200),
        ) {
            let table = Table::new(&a, &b, true).unwrap();
            prop_assert_eq!(table.len, lengths(&a, &b)[a.len()][b.len()]);
            prop_assert_eq!(Table::new(&a, &b, false).unwrap().len, table.len);
            let matches = table.matches(&a, &b);
            let places: Vec<_> =
                matches.iter().flat_map(|run| (0..run.len).rev().map(|at| (run.a + at, run.b + at))).collect();
            prop_assert_eq!(places, way_back(&a, &b));
        }
    }
}
