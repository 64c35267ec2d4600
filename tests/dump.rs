//! Values pass between Braid and other servers, by DUMP and RESTORE, in every encoding that these have.
//!
//! Where a server is not there its half is skipped, and says so.

#[path = "support/braid.rs"]
#[expect(dead_code, reason = "other tests ask more of a process")]
mod braid;
#[path = "support/client.rs"]
#[expect(dead_code, reason = "other tests send other things")]
mod client;
#[path = "support/resp.rs"]
mod resp;
#[path = "support/server.rs"]
mod server;
#[path = "dump/values.rs"]
mod values;

use braid::{Braid, tell};
use client::Client;
use resp::{Reply, encode};
use server::Server;
use std::path::PathBuf;
use values::Value;

#[test]
fn values_pass_to_and_from_redis() {
    exchange("redis-server", server::find_redis());
}

#[test]
fn values_pass_to_and_from_valkey() {
    exchange("valkey-server", server::find_valkey());
}

#[test]
fn streams_come_back_from_braid_as_redis_sent_them() {
    let Some(binary) = server::find_redis() else { return tell("SKIPPED: no redis-server") };
    let server = Server::start(&binary, "redis-server", server::REFERENCE_FLAGS);
    let braid = Braid::start(&["--shards", "1"]);
    let (mut theirs, mut ours) = (Client::connect(server.address), Client::connect(braid.address));
    for Value { name, commands, .. } in values::streams() {
        theirs.call(&["FLUSHALL"]);
        run(&mut theirs, &commands);
        let sent = dump(&mut theirs, name);
        restore(&mut ours, name, &sent);
        let returned = dump(&mut ours, name);
        restore(&mut theirs, "returned", &returned);
        // Groups, consumers and pending entries are in no digest: all bytes have to be the same.
        assert_eq!(dump(&mut theirs, "returned"), sent, "{name}");
    }
}

/// Every value of either server goes to the other, and is the same there, under the same key.
fn exchange(title: &str, binary: Option<PathBuf>) {
    let Some(binary) = binary else { return tell(&format!("SKIPPED: no {title}")) };
    let server = Server::start(&binary, title, server::REFERENCE_FLAGS);
    let has_timed_fields = title == "valkey-server";
    for shards in ["1", "3"] {
        let braid = Braid::start(&["--shards", shards, "--enable-debug-command", "yes"]);
        let (mut theirs, mut ours) = (Client::connect(server.address), Client::connect(braid.address));
        for value in values::all() {
            if value.has_timed_fields && !has_timed_fields {
                continue;
            }
            pass(&mut theirs, &mut ours, &value, &format!("{title} to Braid of {shards} shards"));
            pass(&mut ours, &mut theirs, &value, &format!("Braid of {shards} shards to {title}"));
        }
    }
}

/// Makes a value on one side and sends it to the other.
fn pass(from: &mut Client, to: &mut Client, value: &Value, title: &str) {
    let Value { name, settings, commands, .. } = value;
    let before: Vec<Reply> = settings.iter().map(|(name, _)| from.call(&["CONFIG", "GET", name])).collect();
    for (name, setting) in *settings {
        assert!(from.call(&["CONFIG", "SET", name, setting]).is_ok(), "{title}: {name}");
    }
    for client in [&mut *from, &mut *to] {
        assert!(client.call(&["FLUSHALL"]).is_ok());
    }
    run(from, commands);
    restore(to, name, &dump(from, name));
    let sent = digest(from, name);
    // Valkey's digest has a score in as few digits as will do, Redis's in seventeen; of fields it does not tell that they expire.
    if value.has_timed_fields {
        let times = ["HPEXPIRETIME", name, "FIELDS", "5", "a", "b", "c", "field:7", "field:1999"];
        assert_eq!(to.call(&times), from.call(&times), "{title}: {name} has other times");
    } else if *name != "zset" || !title.contains("valkey") {
        assert_eq!(digest(to, name), sent, "{title}: {name} is another value");
    }
    restore(from, "returned", &dump(to, name));
    assert_eq!(digest(from, "returned"), sent, "{title}: {name} comes back as another value");
    assert_eq!(to.call(&["TYPE", name]), from.call(&["TYPE", name]), "{title}: {name}");
    if let Some(encoding) = value.encoding {
        let found = to.call(&["OBJECT", "ENCODING", name]);
        assert_eq!(found, Reply::Bulk(encoding.as_bytes().to_vec()), "{title}: {name}");
    }
    for ((name, _), before) in settings.iter().zip(before) {
        let [_, Reply::Bulk(before)] = before.items() else { panic!("{before:?} is no setting") };
        let before = String::from_utf8_lossy(before).into_owned();
        assert!(from.call(&["CONFIG", "SET", name, &before]).is_ok(), "{title}: {name}");
    }
}

fn run(client: &mut Client, commands: &[Vec<String>]) {
    for command in commands {
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let reply = client.call(&command);
        assert!(!matches!(reply, Reply::Error(_)), "{}: {reply:?}", command[..2].join(" "));
    }
}

fn dump(client: &mut Client, key: &str) -> Vec<u8> {
    match client.call(&["DUMP", key]) {
        Reply::Bulk(payload) => payload,
        other => panic!("DUMP {key}: {other:?}"),
    }
}

fn restore(client: &mut Client, key: &str, payload: &[u8]) {
    let args = [&b"RESTORE"[..], key.as_bytes(), b"0", payload, b"REPLACE"];
    client.send_bytes(&encode(&args.map(<[u8]>::to_vec)));
    let reply = client.receive();
    assert!(reply.is_ok(), "RESTORE {key} {}: {reply:?}", payload.escape_ascii());
}

fn digest(client: &mut Client, key: &str) -> Reply {
    client.call(&["DEBUG", "DIGEST-VALUE", key])
}
