//! Many clients, idle clients, clients from everywhere.
use crate::braid::{Braid, tell};
use crate::client::Client;
use crate::raw::Raw;
use crate::resp::Reply;
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

#[test]
fn too_many_clients_are_told_so() {
    let server = Braid::start(&["--shards", "2", "--maxclients", "20"]);
    // The probe that waited for the server may not be forgotten yet.
    std::thread::sleep(Duration::from_millis(200));
    let mut clients: Vec<Client> = (0..20).map(|_| Client::connect(server.address)).collect();
    let pong = Reply::Simple(b"PONG".to_vec());
    clients.iter_mut().for_each(|client| assert_eq!(client.call(&["PING"]), pong));
    let refused = Raw::connect(&server).read_to_end();
    assert_eq!(refused, b"-ERR max number of clients reached\r\n");
    clients.pop();
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let mut raw = Raw::connect(&server);
        raw.send(b"PING\r\n");
        if raw.read(1) == b"+" {
            return;
        }
        assert!(Instant::now() < deadline, "the place of a client that left is never free");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_thousand_clients_at_once() {
    let server = Braid::start(&["--shards", "3"]);
    let mut clients: Vec<Client> = (0..1000).map(|_| Client::connect(server.address)).collect();
    for round in 0..5 {
        let text = round.to_string();
        for (index, client) in clients.iter_mut().enumerate() {
            client.send(&[&["SET", &format!("c{index}"), &text], &["GET", &format!("c{}", index / 2 * 2)]]);
        }
        for client in &mut clients {
            assert!(client.receive().is_ok());
            assert!(matches!(client.receive(), Reply::Bulk(_) | Reply::NullBulk));
        }
    }
}

#[test]
fn silent_clients_are_let_go_after_their_time() {
    let server = Braid::start(&["--shards", "2", "--timeout", "1"]);
    let start = Instant::now();
    let mut silent = Raw::connect(&server);
    let mut client = Client::connect(server.address);
    let waiting = std::thread::spawn(move || silent.read_to_end());
    while !waiting.is_finished() {
        assert!(start.elapsed() < Duration::from_secs(10), "a silent client is never let go");
        client.call(&["PING"]);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(start.elapsed() >= Duration::from_millis(900), "it was let go after {:?}", start.elapsed());
}

#[test]
fn an_idle_server_does_nothing() {
    for (shards, io) in [("1", "auto"), ("4", "auto"), ("4", "epoll")] {
        let server = Braid::start(&["--shards", shards, "--io", io]);
        let mut clients: Vec<Client> = (0..50).map(|_| Client::connect(server.address)).collect();
        for (index, client) in clients.iter_mut().enumerate() {
            client.pipeline(&[&["SET", &format!("i{index}"), "v"], &["MGET", "i1", "i2", "i3", "i4"]]);
        }
        std::thread::sleep(Duration::from_millis(300));
        let before = server.cpu_ticks();
        std::thread::sleep(Duration::from_secs(1));
        let used = server.cpu_ticks() - before;
        assert!(used <= 5, "{shards} shards, io {io}: idle, it used {used} hundredths of a second");
    }
}

#[test]
fn a_unix_socket_serves_too() {
    let path = std::env::temp_dir().join(format!("braid-test-{}.sock", std::process::id()));
    let server = Braid::start(&["--shards", "2", "--unixsocket", path.to_str().expect("a plain path")]);
    let mut client = Client::connect_unix(&path);
    assert!(client.call(&["SET", "unix", "yes"]).is_ok());
    assert_eq!(Client::connect(server.address).call(&["GET", "unix"]), Reply::Bulk(b"yes".to_vec()));
    drop(server);
    // A server that is killed leaves its socket behind.
    let _swept = std::fs::remove_file(&path);
}

#[test]
fn ipv6_serves_too() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return tell("SKIPPED: this machine has no IPv6");
    }
    let server = Braid::start(&["--shards", "2", "--bind", "127.0.0.1", "::1"]);
    let address = (Ipv6Addr::LOCALHOST, server.address.port());
    assert!(TcpStream::connect(address).is_ok(), "{}", server.log());
    let mut client = Client::connect(address.into());
    assert!(client.call(&["SET", "six", "yes"]).is_ok());
}
