//! Beginning and end of a server: refusals that help, signals that are obeyed.
use crate::braid::{Braid, free_address, run_to_end};
use crate::client::{Client, request};
use crate::raw::Raw;
use crate::resp::Reply;
use std::net::{TcpListener, TcpStream};

#[test]
fn a_bad_configuration_is_refused_with_file_and_line() {
    let path = std::env::temp_dir().join(format!("braid-test-{}.conf", std::process::id()));
    std::fs::write(&path, "port 0\n# a comment\nmaxclients many\n").expect("a file");
    let output = run_to_end(&[path.to_str().expect("a plain path")]);
    std::fs::remove_file(&path).expect("the file");
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("maxclients") && text.contains('3'), "neither directive nor line in: {text}");
    assert!(text.contains(path.to_str().expect("a plain path")), "no file in: {text}");
}

#[test]
fn sigterm_ends_it_after_what_was_asked() {
    for shards in ["1", "3"] {
        let mut server = Braid::start(&["--shards", shards]);
        let mut client = Client::connect(server.address);
        assert!(client.call(&["SET", "k", "v"]).is_ok());
        server.signal("TERM");
        assert_eq!(server.wait().code(), Some(0), "{}", server.log());
        assert!(server.log().contains("bye bye"), "{}", server.log());
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut server = Braid::start(&["--shards", "2"]);
    let mut client = Client::connect(server.address);
    assert!(client.call(&["SET", "heavy", &"x".repeat(1 << 20)]).is_ok());
    // Replies that nobody takes hold up the end for a moment.
    let mut deaf = Raw::connect(&server);
    deaf.send_some(&request(&[&["GET", "heavy"][..]; 100]));
    std::thread::sleep(std::time::Duration::from_millis(200));
    server.signal("TERM");
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert!(server.has_ended().is_none(), "it did not wait for the client: nothing to insist on");
    server.signal("INT");
    let start = std::time::Instant::now();
    assert_eq!(server.wait().code(), Some(1), "{}", server.log());
    assert!(start.elapsed() < std::time::Duration::from_millis(400), "it took {:?}", start.elapsed());
}

#[test]
fn port_and_addresses_change_while_it_runs() {
    for io in ["auto", "epoll"] {
        let server = Braid::start(&["--shards", "2", "--io", io]);
        let mut client = Client::connect(server.address);
        let set = |client: &mut Client, name: &str, value: &str| client.call(&["CONFIG", "SET", name, value]);
        let other = free_address();
        assert!(set(&mut client, "port", &other.port().to_string()).is_ok());
        assert!(Client::connect(other).call(&["SET", "k", "v"]).is_ok());
        assert!(TcpStream::connect(server.address).is_err(), "nobody listens at the old port");
        assert!(client.call(&["SET", "k", "v"]).is_ok(), "who was connected stays so");
        // The same port at fewer addresses, and at none that this machine has: then all is as before.
        assert!(set(&mut client, "bind", "127.0.0.1").is_ok());
        assert!(Client::connect(other).call(&["SET", "k", "v"]).is_ok());
        let refused = error_text(set(&mut client, "bind", "127.0.0.1 192.0.2.7"));
        assert!(refused.contains("Failed to bind to specified addresses."), "{refused}");
        assert!(Client::connect(other).call(&["SET", "k", "v"]).is_ok());
        let bound = [b"bind", &b"127.0.0.1"[..]].map(|text| Reply::Bulk(text.to_vec()));
        assert_eq!(client.call(&["CONFIG", "GET", "bind"]), Reply::Array(bound.to_vec()));
        // A port that another has.
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = taken.local_addr().expect("its address").port().to_string();
        let refused = error_text(set(&mut client, "port", &port));
        assert!(refused.contains("Unable to listen on this port. Check server logs."), "{refused}");
        assert!(Client::connect(other).call(&["SET", "k", "v"]).is_ok());
        // And back.
        assert!(set(&mut client, "port", &server.address.port().to_string()).is_ok());
        assert!(Client::connect(server.address).call(&["SET", "k", "v"]).is_ok());
    }
}

fn error_text(reply: Reply) -> String {
    let Reply::Error(text) = reply else { panic!("{reply:?} is no error") };
    String::from_utf8_lossy(&text).into_owned()
}
