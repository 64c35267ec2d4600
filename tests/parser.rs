//! The parser of requests against strangers: a simpler parser that agrees, windows cut anywhere, and plain noise.

#[path = "support/pieces.rs"]
mod pieces;

use pieces::parse;
use proptest::collection::vec;
use proptest::prelude::*;

/// The plainest parser of well-formed requests that one could write.
fn parse_plainly(mut bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    fn line<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
        let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
        let text = std::str::from_utf8(&bytes[..end]).ok()?;
        *bytes = &bytes[end + 2..];
        Some(text)
    }
    fn command(bytes: &mut &[u8]) -> Option<Vec<Vec<u8>>> {
        let count: usize = line(bytes)?.strip_prefix('*')?.parse().ok()?;
        let mut args = Vec::new();
        for _ in 0..count {
            let len: usize = line(bytes)?.strip_prefix('$')?.parse().ok()?;
            let arg = bytes.get(..len)?;
            *bytes = bytes.get(len + 2..)?;
            args.push(arg.to_vec());
        }
        Some(args)
    }
    std::iter::from_fn(|| command(&mut bytes)).filter(|args| !args.is_empty()).collect()
}

fn encode(commands: &[Vec<Vec<u8>>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for args in commands {
        bytes.extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
        for arg in args {
            bytes.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            bytes.extend_from_slice(arg);
            bytes.extend_from_slice(b"\r\n");
        }
    }
    bytes
}

fn arg() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 0..12), Just(b"*1\r\n$4\r\nPING\r\n".to_vec()), vec(any::<u8>(), 90..110)]
}

fn commands() -> impl Strategy<Value = Vec<Vec<Vec<u8>>>> {
    vec(vec(arg(), 0..6), 0..5)
}

/// Bytes that look like requests more often than noise does.
fn almost() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        Just("*"),
        Just("$"),
        Just("\r\n"),
        Just("\n"),
        Just("\r"),
        Just("0"),
        Just("1"),
        Just("2"),
        Just("-1"),
        Just("+3"),
        Just("007"),
        Just("*1\r\n$1\r\n"),
        Just("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"),
        Just("\""),
        Just("'"),
        Just("\\x4"),
        Just("GET k"),
        Just(" "),
        Just("9999999999999999999999"),
    ];
    vec(word, 0..20).prop_map(|words| words.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn it_agrees_with_a_plain_parser(commands in commands()) {
        let bytes = encode(&commands);
        let said = parse(&bytes, []);
        prop_assert_eq!(&said.commands, &parse_plainly(&bytes));
        prop_assert_eq!(said.commands.len(), commands.iter().filter(|args| !args.is_empty()).count());
        prop_assert_eq!(said.broken, None);
    }

    #[test]
    fn a_cut_anywhere_changes_nothing(commands in commands()) {
        let bytes = encode(&commands);
        let whole = parse(&bytes, []);
        for cut in 1..bytes.len() {
            prop_assert_eq!(&parse(&bytes, [cut]), &whole, "cut at {}", cut);
        }
        prop_assert_eq!(&parse(&bytes, 1..bytes.len()), &whole);
    }

    #[test]
    fn cuts_change_nothing_in_what_is_almost_a_request(bytes in almost()) {
        let whole = parse(&bytes, []);
        for cut in 1..bytes.len() {
            prop_assert_eq!(&parse(&bytes, [cut]), &whole, "{:?} cut at {}", String::from_utf8_lossy(&bytes), cut);
        }
        prop_assert_eq!(&parse(&bytes, 1..bytes.len()), &whole, "{:?} in bytes", String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn noise_breaks_nothing(bytes in vec(any::<u8>(), 0..300), cut in 0_usize..300) {
        let cut = cut.min(bytes.len());
        let _whatever_it_says = parse(&bytes, [cut]);
    }
}
