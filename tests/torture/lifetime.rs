//! Beginning and end of a server: refusals that help, signals that are obeyed.
use crate::braid::{Braid, run_to_end};
use crate::client::{Client, request};
use crate::raw::Raw;

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
