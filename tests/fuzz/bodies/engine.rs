//! A shard and its settings, to be sent commands: what tests do with a server, without one.
use braid::table::{Handler, table};
use shards::call::Call;
use shards::commands::{Args, execute, resolve};
use shards::effects::{Class, Effects, Listen};
use shards::reply::{Reply, Resp};
use shards::settings::Settings;
use shards::shard::Shard;
use shards::spec::Flags;

/// Its time, ms since 1970.
const NOW_MS: i64 = 1_800_000_000_000;
/// No string grows beyond this: what a fuzzer asks for it gets.
const STRING_BYTES_MAX: usize = 64 << 10;

/// The engine.
pub struct Engine {
    #[expect(clippy::vec_box, reason = "a call takes boxed shards, for they travel")]
    shards: Vec<Box<Shard>>,
    pub settings: Settings,
}

impl Engine {
    pub fn new(shard_count: usize) -> Engine {
        // Small nodes and thresholds, so that what is small crosses them.
        let settings = Settings {
            databases: 2,
            string_bytes_max: STRING_BYTES_MAX,
            hash_listpack_entries_max: 4,
            list_listpack_size: 4,
            set_intset_entries_max: 4,
            set_listpack_entries_max: 4,
            zset_listpack_entries_max: 4,
            stream_node_entries_max: 3,
            ..Settings::default()
        };
        let fresh = |index| Box::new(Shard::new(index, shard_count, settings.databases, 7));
        Engine { shards: (0..shard_count).map(fresh).collect(), settings }
    }

    /// The reply to a command; none if it is not for the engine, or takes what it is asked to take.
    pub fn ask(&mut self, args: Args<'_>) -> Option<Vec<u8>> {
        let entry = table().find(args.first()?)?;
        let Handler::Engine(command) = entry.handler else { return None };
        if entry.spec.flags.has(Flags::BLOCKING) || is_costly(args) {
            return None;
        }
        let command = resolve(command, args).ok()?;
        let (mut reply, listen) = (Reply::new(Resp::V3), Listen { records: true, events: Class::NONE });
        let mut effects = Effects::new(listen);
        let shards = &mut self.shards[..];
        let mut cx = Call::new(shards, &self.settings, 0, NOW_MS, &mut reply, &mut effects);
        execute(&mut cx, command, args);
        assert!(!reply.bytes.is_empty(), "a command is answered");
        Some(reply.bytes)
    }

    /// The same of words.
    pub fn say(&mut self, line: &str) -> Option<Vec<u8>> {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        self.ask(&args)
    }
}

/// Whether a command is asked for more than a test has time for, and may be: so many random elements, DEBUG's own.
fn is_costly(args: Args<'_>) -> bool {
    let name = args[0].to_ascii_lowercase();
    match &name[..] {
        b"debug" => true,
        b"srandmember" | b"hrandfield" | b"zrandmember" => {
            args.iter().skip(2).any(|arg| arg.starts_with(b"-") && arg.len() > 4)
        }
        _ => false,
    }
}
