//! Where a command goes: its keys, and the shards that own them.
use shards::commands::sort;
use shards::spec::{Begin, Find, Flags, KeySpec, Span, Spec};
use smallvec::SmallVec;

/// A key among the arguments: its index, and which key specification found it.
pub type KeyAt = (usize, usize);

/// The indexes of a command's keys, in the order of its key specifications; nothing where the arguments do not tell
/// (then the command itself will say what is wrong with them).
pub fn keys_of(spec: &Spec, args: &[&[u8]]) -> SmallVec<[KeyAt; 8]> {
    let mut keys = SmallVec::new();
    // The place of STORE's key is none that a key specification could tell.
    let stored = if spec.span == Span::Sort { sort::destination_at(args) } else { None };
    let stored = stored.filter(|_| spec.flags.has(Flags::WRITE)).map(|at| (at, spec.keys.len() - 1));
    for (index, key_spec) in spec.keys.iter().enumerate() {
        if let Some((first, last, step)) = span_of(key_spec, args) {
            keys.extend((first..=last).step_by(step).map(|at| (at, index)));
        }
    }
    keys.extend(stored);
    keys
}

/// First and last index of the keys of one specification, and the step.
fn span_of(key_spec: &KeySpec, args: &[&[u8]]) -> Option<(usize, usize, usize)> {
    let begin = match key_spec.begin {
        Begin::Index(index) => usize::try_from(index).ok()?,
        Begin::Keyword(word, from) => keyword(word, from, args)?,
        Begin::Unknown => return None,
    };
    if begin >= args.len() {
        return None;
    }
    let (first, last, step) = match key_spec.find {
        Find::Range { last, step, limit } => {
            let end = if last >= 0 {
                begin + last as usize
            } else if limit > 1 && last == -1 {
                begin + ((args.len() - begin) / limit as usize).checked_sub(1)?
            } else {
                args.len().checked_sub(last.unsigned_abs() as usize)?
            };
            (begin, end, step)
        }
        Find::Count { count, first, step } => {
            let count = shards::number::parse_i64(args.get(begin + count as usize)?)?;
            let count = usize::try_from(count).ok().filter(|count| *count > 0 && *count <= args.len())?;
            let first = begin + first as usize;
            (first, first + (count - 1) * step as usize, step)
        }
        Find::Unknown => return None,
    };
    (first <= last && last < args.len() && step > 0).then_some((first, last, step as usize))
}

/// The index behind a word, sought from `from`, backwards where that is negative.
fn keyword(word: &str, from: i32, args: &[&[u8]]) -> Option<usize> {
    let is_word = |index: &usize| args[*index].eq_ignore_ascii_case(word.as_bytes());
    let found = if from >= 0 {
        (from as usize..args.len()).find(is_word)
    } else {
        (1..args.len().checked_sub(from.unsigned_abs() as usize)? + 1).rev().find(is_word)
    };
    found.map(|index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shards::spec::KeyFlags;

    fn found(key_spec: KeySpec, line: &str) -> Vec<usize> {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let specs: &'static [KeySpec] = Box::leak(Box::new([key_spec]));
        keys_of(&Spec { keys: specs, ..Spec::DEFAULT }, &args).iter().map(|key| key.0).collect()
    }

    #[test]
    fn keys_are_found() {
        let range = |index, last, step, limit| KeySpec {
            flags: KeyFlags::RO,
            begin: Begin::Index(index),
            find: Find::Range { last, step, limit },
            notes: "",
        };
        assert_eq!(found(range(1, 0, 1, 0), "get k"), [1]);
        assert_eq!(found(range(1, -1, 2, 0), "mset a 1 b 2"), [1, 3]);
        assert_eq!(found(KeySpec::counted(KeyFlags::RO, 1, 1), "zunion 2 a b weights 1 2"), [2, 3]);
        assert_eq!(found(KeySpec::counted(KeyFlags::RO, 1, 1), "zunion x a b"), []);
        assert_eq!(found(KeySpec::counted(KeyFlags::RO, 1, 1), "zunion 9 a b"), []);
        let streams = KeySpec { begin: Begin::Keyword("STREAMS", 1), ..range(1, -1, 1, 2) };
        assert_eq!(found(streams, "xread count 2 streams a b 0 0"), [4, 5]);
    }
}
