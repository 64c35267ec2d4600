//! redis.conf: whatever it says, it is read or refused; and what is read is there again after CONFIG REWRITE.
use braid::config::{Config, Sources, load};

/// The bytes are the file.
pub fn run(bytes: &[u8]) {
    // Files that it includes would be the machine's.
    if bytes.to_ascii_lowercase().windows(7).any(|window| window == b"include") {
        return;
    }
    let Ok(config) = read(bytes) else { return };
    let rewritten = config.rewritten(bytes, &[]);
    match read(&rewritten) {
        Ok(again) => {
            let twice = again.rewritten(&rewritten, &[]);
            assert_eq!(text(&twice), text(&rewritten), "it is the same for good");
        }
        Err(error) => panic!("what was rewritten is refused: {error}\n{}", text(&rewritten)),
    }
}

fn read(mut bytes: &[u8]) -> Result<Config, String> {
    load(Sources { file: None, stdin: Some(&mut bytes), options: Vec::new() })
        .map_err(|error| error.to_string())
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string().replace("\\n", "\n")
}

pub fn seeds() -> Vec<Vec<u8>> {
    let whole = Config::default().rewritten(b"", &[]);
    let some: [&[u8]; 7] = [
        b"port 7000\nbind 127.0.0.1 -::1\nprotected-mode no\ndatabases 4\n",
        b"save 900 1 300 10\nsave \"\"\nappendonly yes\nappendfsync always\ndir /tmp\n",
        b"client-output-buffer-limit normal 1mb 2mb 3 pubsub 32mb 8mb 60\nmaxmemory 100mb\nmaxmemory-policy allkeys-lru\n",
        b"# a comment\n\nrequirepass \"a b\\x00\\n\"\nrename-command GET \"\"\nunixsocketperm 700\n",
        b"notify-keyspace-events KEA\nlist-max-listpack-size -2\nhash-max-ziplist-entries 7\nslowlog-log-slower-than -1\n",
        b"user alice on >secret ~* &* +@all\nlatency-tracking-info-percentiles 50 99 99.9\noom-score-adj-values 0 1 2\n",
        b"tcp-keepalive 0x10\nloglevel verbose\nlogfile \"\"\nsyslog-ident 'x'\nproc-title-template \"{title}\"\n",
    ];
    some.into_iter().map(<[u8]>::to_vec).chain([whole]).collect()
}
