//! The parser of requests: wherever the bytes are cut, it says the same, and never waits for what it has.
#[path = "../../support/pieces.rs"]
mod pieces;

/// The first byte says where the rest is cut.
pub fn run(bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    let whole = pieces::parse(bytes, []);
    let step = 1 + usize::from(*cut);
    assert_eq!(pieces::parse(bytes, (step..bytes.len()).step_by(step)), whole, "in pieces of {step}");
}

/// The commands in bytes that come all at once, up to where they break.
pub fn commands(bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    pieces::parse(bytes, []).commands
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
