//! The parser of requests, given bytes in pieces.
use braid::protocol::inline;
use braid::protocol::parse::{Found, Limits, Parser};

const LIMITS: Limits = Limits { bulk_bytes_max: 1 << 20, args_max: 1 << 20 };

/// What a stream of bytes says: its commands, and whether it broke.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Said {
    pub(crate) commands: Vec<Vec<Vec<u8>>>,
    pub(crate) broken: Option<String>,
}

/// The parser, given the bytes in pieces that end at `cuts`, as a connection does it: what is not consumed comes again.
pub(crate) fn parse(bytes: &[u8], cuts: impl IntoIterator<Item = usize>) -> Said {
    let mut said = Said::default();
    let mut parser = Parser::default();
    let mut spans = Vec::new();
    let mut start = 0;
    for end in cuts.into_iter().chain([bytes.len()]) {
        while said.broken.is_none() && start < end {
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
                        said.commands.push(spans.iter().map(arg).collect());
                    }
                    start += consumed;
                }
                Found::Incomplete { needed } => {
                    assert!(needed > window.len(), "it waits for what it has");
                    break;
                }
                Found::Broken(text) => said.broken = Some(text),
            }
        }
    }
    said
}
