//! Reading a log of commands: its commands, with their databases and whole transactions only; and where it is torn.
use crate::persist::apply::Trouble;
use crate::persist::rdb::read::Sink;
use crate::persist::window::{Source, Window};
use crate::protocol::parse::{Found, Limits, Parser, Span};
use shards::commands::Args;
use shards::number::parse_i64;
use smallvec::SmallVec;

/// Who is told of the commands of a log, besides what stands in the RDB file that it may begin with.
pub(crate) trait LogSink: Sink {
    /// A command.
    fn command(&mut self, db: u16, args: Args<'_>) -> Result<(), Trouble>;
    /// So much of the file has been read.
    fn came_to(&mut self, at: u64);
}

/// How a log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With a whole command.
    Whole,
    /// Within a command or a transaction; up to here it is whole.
    Torn(u64),
}

/// Arguments of any length that offsets of 32 bits reach.
const LIMITS: Limits = Limits { bulk_bytes_max: i32::MAX as usize, args_max: i32::MAX as usize };

/// Reads a log from where the window stands to the end of the file.
///
/// # Errors
/// What is wrong, and where; or what the sink said.
pub(crate) fn read<S: Source>(window: &mut Window<S>, sink: &mut impl LogSink) -> Result<End, Trouble> {
    let mut log = Log { parser: Parser::default(), spans: Vec::new(), db: 0, transaction: None };
    loop {
        let done = log.commands(window, sink)?;
        window.consume(done);
        sink.came_to(window.at());
        let filled = window
            .fill()
            .map_err(|error| Trouble::new(format!("it cannot be read: {error}")).at(window.at()))?;
        if !filled {
            let torn = log.transaction.as_ref().map(|transaction| transaction.at);
            let whole = window.rest().is_empty();
            return Ok(match torn {
                Some(at) => End::Torn(at),
                None if whole => End::Whole,
                None => End::Torn(window.at()),
            });
        }
    }
}

struct Log {
    parser: Parser,
    spans: Vec<Span>,
    db: u16,
    transaction: Option<Transaction>,
}

/// The commands of a transaction that has not come to its end.
struct Transaction {
    /// Where it begins.
    at: u64,
    bytes: Vec<u8>,
    /// Where arguments end in the bytes.
    ends: Vec<usize>,
    /// Where each command stands in the file, its database, and where its arguments end among the ends.
    commands: Vec<(u64, u16, usize)>,
}

impl Log {
    /// Reads as many whole commands as the window holds; how many bytes they are.
    fn commands<S: Source>(&mut self, window: &Window<S>, sink: &mut impl LogSink) -> Result<usize, Trouble> {
        let (base, rest) = (window.at(), window.rest());
        let mut done = 0;
        while let Some(mark) = rest.get(done) {
            let at = base + done as u64;
            let window = &rest[done..];
            match mark {
                b'*' => {
                    self.spans.clear();
                    match self.parser.parse(window, LIMITS, &mut self.spans) {
                        Found::Command { count, consumed } if count > 0 => {
                            sink.mark(at);
                            self.command(at, window, sink).map_err(|trouble| trouble.at(at))?;
                            done += consumed;
                        }
                        Found::Command { .. } => return Err(bad_format("a command of no words", at)),
                        Found::Incomplete { needed } if needed > u32::MAX as usize => {
                            return Err(bad_format("a command of more than 4 GB", at));
                        }
                        Found::Incomplete { .. } => break,
                        Found::Broken(text) => return Err(bad_format(&text, at)),
                    }
                }
                // A note: when what follows was written.
                b'#' => match memchr::memchr(b'\n', window) {
                    Some(end) => done += end + 1,
                    None => break,
                },
                other => {
                    let what = format!("expected '*', got '{}'", other.escape_ascii());
                    return Err(bad_format(&what, at));
                }
            }
        }
        Ok(done)
    }

    /// A command: carried out, or kept until its transaction is whole.
    #[inline]
    fn command(&mut self, at: u64, window: &[u8], sink: &mut impl LogSink) -> Result<(), Trouble> {
        let arg = |&(at, len): &Span| &window[at as usize..][..len as usize];
        let args: SmallVec<[&[u8]; 8]> = self.spans.iter().map(arg).collect();
        // No other command that is in a log has so many letters and begins so.
        match (args[0].len(), args[0].first().map_or(0, |letter| letter | 0x20)) {
            (6, b's') if args[0].eq_ignore_ascii_case(b"select") && args.len() == 2 => {
                let db = parse_i64(args[1]).and_then(|db| u16::try_from(db).ok());
                self.db = db.ok_or_else(|| Trouble::new("SELECT of no database"))?;
                return Ok(());
            }
            (5, b'm') if args[0].eq_ignore_ascii_case(b"multi") => {
                let begin = Transaction { at, bytes: Vec::new(), ends: vec![0], commands: Vec::new() };
                self.transaction.get_or_insert(begin);
                return Ok(());
            }
            (4, b'e') if args[0].eq_ignore_ascii_case(b"exec") => {
                return self.transaction.take().map_or(Ok(()), |transaction| transaction.carry_out(sink));
            }
            _ => {}
        }
        match &mut self.transaction {
            Some(transaction) => {
                transaction.add(at, self.db, &args);
                Ok(())
            }
            None => sink.command(self.db, &args),
        }
    }
}

impl Transaction {
    fn add(&mut self, at: u64, db: u16, args: Args<'_>) {
        for arg in args {
            self.bytes.extend_from_slice(arg);
            self.ends.push(self.bytes.len());
        }
        self.commands.push((at, db, self.ends.len()));
    }

    fn carry_out(self, sink: &mut impl LogSink) -> Result<(), Trouble> {
        let mut first = 0;
        for (at, db, last) in self.commands {
            let ends = self.ends[first..last].windows(2);
            let args: SmallVec<[&[u8]; 8]> = ends.map(|pair| &self.bytes[pair[0]..pair[1]]).collect();
            sink.mark(at);
            sink.command(db, &args).map_err(|trouble| trouble.at(at))?;
            first = last - 1;
        }
        Ok(())
    }
}

fn bad_format(what: &str, at: u64) -> Trouble {
    Trouble::new(format!("Bad file format: {what}")).at(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persist::apply::{Head, Piece};

    /// What was told.
    #[derive(Default)]
    struct Told(Vec<String>);

    impl Sink for Told {
        fn mark(&mut self, _: u64) {}
        fn aux(&mut self, _: &[u8], _: &[u8]) -> Result<(), Trouble> {
            Ok(())
        }
        fn function(&mut self, _: &[u8]) -> Result<(), Trouble> {
            Ok(())
        }
        fn value(&mut self, _: &Head<'_>, _: &[u8], _: Piece) -> Result<(), Trouble> {
            Ok(())
        }
    }
    impl LogSink for Told {
        fn command(&mut self, db: u16, args: Args<'_>) -> Result<(), Trouble> {
            let words: Vec<_> = args.iter().map(|arg| String::from_utf8_lossy(arg)).collect();
            self.0.push(format!("{db}: {}", words.join(" ")));
            Ok(())
        }
        fn came_to(&mut self, _: u64) {}
    }

    fn resp(line: &str) -> String {
        let words: Vec<_> = line.split(' ').collect();
        let bulks = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
        format!("*{}\r\n{}", words.len(), bulks.collect::<String>())
    }

    fn read_all(file: &[u8]) -> (Vec<String>, Result<End, Trouble>) {
        let mut told = Told::default();
        let end = read(&mut Window::new(file), &mut told);
        (told.0, end)
    }

    #[test]
    fn commands_have_databases_and_transactions_are_whole() {
        let lines = ["SELECT 2", "SET a 1", "MULTI", "SELECT 3", "SET b 2", "set c 3", "EXEC", "DEL a"];
        let log = lines.map(resp).concat().replace("*3\r\n$3\r\nset", "#TS:1700000000\r\n*3\r\n$3\r\nset");
        let (told, end) = read_all(log.as_bytes());
        assert_eq!(told, ["2: SET a 1", "3: SET b 2", "3: set c 3", "3: DEL a"]);
        assert_eq!(end, Ok(End::Whole));
    }

    #[test]
    fn a_torn_tail_is_told() {
        let lines = ["SET a 1", "SET b 2", "MULTI", "SET c 3", "SET d 4", "EXEC"].map(resp);
        let log = lines.concat();
        let ends: Vec<usize> = (0..=lines.len()).map(|count| lines[..count].concat().len()).collect();
        for len in 0..log.len() {
            let (told, end) = read_all(&log.as_bytes()[..len]);
            let whole = ends[..3].iter().filter(|end| **end > 0 && **end <= len).count();
            assert_eq!(told.len(), whole, "{len} bytes");
            let torn = ends[..3].iter().rfind(|end| **end <= len).copied().unwrap_or(0);
            let expected = if torn == len { End::Whole } else { End::Torn(torn as u64) };
            assert_eq!(end, Ok(expected), "{len} bytes");
        }
        assert_eq!(read_all(log.as_bytes()).0.len(), 4);
    }

    #[test]
    fn what_is_no_log_is_refused() {
        let good = resp("SET a 1");
        for (bad, what) in [
            ("hello", "expected '*', got 'h'"),
            ("*0\r\n", "a command of no words"),
            ("*x\r\n", "invalid multibulk length"),
            ("*1\r\n:3\r\nfoo\r\n", "expected '$', got ':'"),
            ("*1\r\n$-3\r\nfoo\r\n", "invalid bulk length"),
            ("*2\r\n$6\r\nSELECT\r\n$1\r\nx\r\n", "SELECT of no database"),
        ] {
            let (told, end) = read_all(format!("{good}{bad}").as_bytes());
            let trouble = end.unwrap_err();
            assert_eq!((told.len(), trouble.at), (1, Some(good.len() as u64)), "{bad}");
            assert!(trouble.what.contains(what), "{trouble:?}");
        }
    }
}
