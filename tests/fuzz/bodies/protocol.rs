//! The parser of requests: wherever the bytes are cut, it says the same, and never waits for what it has.
use braid::protocol::inline;
use braid::protocol::parse::{Found, Limits, Parser};

const LIMITS: Limits = Limits { bulk_bytes_max: 1 << 20, args_max: 1 << 20 };

/// The first byte says where the rest is cut.
pub fn run(bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    let whole = commands(bytes, bytes.len().max(1));
    let step = 1 + usize::from(*cut);
    assert_eq!(commands(bytes, step), whole, "in pieces of {step}");
}

/// The commands in bytes that come so many at a time, and whether they broke.
pub fn commands(bytes: &[u8], step: usize) -> (Vec<Vec<Vec<u8>>>, Option<String>) {
    let (mut parser, mut spans) = (Parser::default(), Vec::new());
    let (mut start, mut commands) = (0, Vec::new());
    let mut end = 0;
    while end < bytes.len() {
        end = (end + step).min(bytes.len());
        while start < end {
            spans.clear();
            let window = &bytes[start..end];
            match parser.parse(window, LIMITS, &mut spans) {
                Found::Command { count, consumed } => {
                    assert!(count == spans.len() && consumed > 0 && consumed <= window.len());
                    let is_inline = window[0] != b'*';
                    let arg = |&(at, len): &(u32, u32)| {
                        let arg = &window[at as usize..][..len as usize];
                        if is_inline { inline::unescape(arg) } else { arg.to_vec() }
                    };
                    if count > 0 {
                        commands.push(spans.iter().map(arg).collect());
                    }
                    start += consumed;
                }
                Found::Incomplete { needed } => {
                    assert!(needed > window.len(), "it waits for what it has");
                    break;
                }
                Found::Broken(text) => return (commands, Some(text)),
            }
        }
    }
    (commands, None)
}

pub fn seeds() -> Vec<Vec<u8>> {
    let seeds: [&[u8]; 6] = [
        b"\x00*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n$4\r\nPING\r\n",
        b"\x02*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\na\r\nbc\r\n",
        b"\x01SET k \"a\\x41\\n b\" 'it\\'s'\r\nPING\n",
        b"\x05*0\r\n\r\n*-1\r\n*1\r\n$0\r\n\r\n",
        b"\x03*2\r\n$10\r\n0123456789\r\n$+3\r\nabc\r\n",
        b"\x07*1\r\n$99999999999\r\n",
    ];
    seeds.map(<[u8]>::to_vec).into()
}
