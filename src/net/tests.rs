//! The drivers against real sockets: each test runs over each driver that this machine allows.

mod store;

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a test with a fresh driver of each kind, and with a ring whose queues are always full.
fn with_each(test: impl Fn(Driver)) {
    test(Driver::new(IoKind::Epoll).unwrap().0);
    if let Ok((driver, _)) = Driver::new(IoKind::Uring).inspect_err(skip) {
        test(driver);
        let cramped = ring::Sizes { submissions: 8, completions: 8 };
        test(Driver::Uring(Box::new(Uring::with_queues(cramped).unwrap())));
    }
}

#[expect(clippy::print_stderr, reason = "a skipped half of a test must be seen")]
fn skip(error: &io::Error) {
    eprintln!("SKIPPED over io_uring: {}", uring::explain(error));
}

fn token(index: u32) -> Token {
    Token { index, generation: 7 }
}

/// A connection: the driver's end and the peer's.
fn pair() -> (OwnedFd, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let (ours, _) = listener.accept().unwrap();
    (ours.into(), peer)
}

/// Turns until a completion is there.
fn next(driver: &mut Driver) -> Completion {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(completion) = driver.next() {
            return completion;
        }
        assert!(Instant::now() < deadline, "nothing happens");
        driver.turn(Some(Duration::from_millis(500))).unwrap();
    }
}

/// Turns for a while and returns all that happens.
fn all_within(driver: &mut Driver, time: Duration) -> Vec<Completion> {
    let deadline = Instant::now() + time;
    let mut all = Vec::new();
    while Instant::now() < deadline {
        driver.turn(Some(Duration::from_millis(5))).unwrap();
        while let Some(completion) = driver.next() {
            all.push(completion);
        }
    }
    all
}

fn take(driver: &mut Driver, bytes: Received) -> Vec<u8> {
    let copy = driver.bytes(&bytes).to_vec();
    assert_eq!(copy.len(), bytes.len());
    driver.recycle(bytes);
    copy
}

fn next_bytes(driver: &mut Driver) -> (Token, Vec<u8>) {
    match next(driver) {
        Completion::Received { token, bytes } => (token, take(driver, bytes)),
        other => panic!("expected bytes, came {other:?}"),
    }
}

/// Bytes that tell their place, so that lost or swapped ones are seen.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|place| (place as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()[0]).collect()
}

/// Echoes until all connections have come and gone; what an echo server of the real kind would do.
fn serve_echo(driver: &mut Driver, connections: usize, quietly: bool) {
    let mut pending: HashMap<Token, Vec<u8>> = HashMap::new();
    let mut in_flight: HashMap<Token, bool> = HashMap::new();
    let (mut accepted, mut gone) = (0, 0);
    let deadline = Instant::now() + PATIENCE;
    while gone < connections {
        assert!(Instant::now() < deadline, "{accepted} came, {gone} went");
        driver.turn(Some(Duration::from_secs(1))).unwrap();
        while let Some(completion) = driver.next() {
            match completion {
                Completion::Accepted { result, .. } => {
                    let token = token(accepted as u32);
                    accepted += 1;
                    driver.add(token, result.unwrap());
                    in_flight.insert(token, false);
                }
                Completion::Received { token, bytes } => {
                    pending.entry(token).or_default().extend_from_slice(driver.bytes(&bytes));
                    driver.recycle(bytes);
                }
                Completion::Sent { token, result, .. } => {
                    result.unwrap();
                    in_flight.insert(token, false);
                }
                Completion::Ended { token, error } => {
                    assert!(error.is_none(), "{error:?}");
                    assert!(!pending.contains_key(&token), "the peer left with echoes outstanding");
                    driver.remove(token);
                    in_flight.remove(&token);
                    gone += 1;
                }
                Completion::Woken => panic!("nobody wakes"),
                Completion::Stored { .. } => panic!("nothing is stored"),
            }
        }
        pending.retain(|&token, bytes| {
            if in_flight.insert(token, true) == Some(true) {
                return true;
            }
            let bytes = std::mem::take(bytes);
            if quietly {
                driver.send_quietly(token, bytes)
            } else {
                driver.send(token, bytes)
            }
            false
        });
    }
    assert_eq!(accepted, connections);
}

/// Sends a few messages of many sizes and compares the echoes.
fn talk(address: SocketAddr, seed: usize) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    for round in 0..20 {
        let message = pattern(1 + (seed * 7919 + round * 104_729) % 60_000);
        stream.write_all(&message).unwrap();
        let mut echo = vec![0; message.len()];
        stream.read_exact(&mut echo).unwrap();
        assert!(echo == message, "another echo than the message, round {round} of {seed}");
    }
}

#[test]
fn echoes_to_100_connections() {
    for quietly in [false, true] {
        with_each(|mut driver| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            driver.listen(0, listener.into());
            thread::scope(|scope| {
                for seed in 0..100 {
                    scope.spawn(move || talk(address, seed));
                }
                serve_echo(&mut driver, 100, quietly);
            });
        });
    }
}

#[test]
fn a_big_send_reaches_a_slow_reader_whole() {
    for quietly in [false, true] {
        with_each(|mut driver| {
            let (ours, mut peer) = pair();
            driver.add(token(0), ours);
            let reader = thread::spawn(move || {
                let mut all = Vec::new();
                let mut piece = vec![0; 1 << 20];
                loop {
                    match peer.read(&mut piece).unwrap() {
                        0 => return all,
                        len => all.extend_from_slice(&piece[..len]),
                    }
                    thread::sleep(Duration::from_micros(500));
                }
            });
            let big = pattern(64 << 20);
            if quietly {
                driver.send_quietly(token(0), big.clone());
            } else {
                driver.send(token(0), big.clone());
            }
            match next(&mut driver) {
                Completion::Sent { token: to, buffer, result } => {
                    result.unwrap();
                    assert_eq!(to, token(0));
                    assert!(buffer == big, "the buffer came back changed");
                }
                other => panic!("expected the send's end, came {other:?}"),
            }
            driver.remove(token(0));
            driver.turn(Some(Duration::ZERO)).unwrap();
            assert!(reader.join().unwrap() == big, "other bytes arrived");
        });
    }
}

#[test]
fn pause_stops_receiving_and_resume_brings_the_rest_in_order() {
    with_each(|mut driver| {
        let (ours, mut peer) = pair();
        driver.add(token(3), ours);
        peer.write_all(b"first").unwrap();
        assert_eq!(next_bytes(&mut driver), (token(3), b"first".to_vec()));

        driver.pause(token(3));
        driver.turn(Some(Duration::ZERO)).unwrap();
        let sent = pattern(3 << 20);
        let writer = {
            let sent = sent.clone();
            thread::spawn(move || {
                peer.write_all(&sent).unwrap();
                peer
            })
        };
        let mut got = Vec::new();
        for completion in all_within(&mut driver, Duration::from_millis(300)) {
            match completion {
                Completion::Received { bytes, .. } => got.extend(take(&mut driver, bytes)),
                other => panic!("{other:?} while paused"),
            }
        }
        let slipped_through = got.len();
        assert!(slipped_through <= RECEIVE_BYTES_MAX * 4, "{slipped_through} bytes came while paused");

        driver.resume(token(3));
        while got.len() < sent.len() {
            got.extend(next_bytes(&mut driver).1);
        }
        assert!(got == sent, "lost or swapped bytes");
        drop(writer.join().unwrap());
    });
}

#[test]
fn a_paused_socket_does_not_spin_the_loop() {
    with_each(|mut driver| {
        let (ours, mut peer) = pair();
        driver.add(token(0), ours);
        driver.pause(token(0));
        peer.write_all(&pattern(100_000)).unwrap();
        all_within(&mut driver, Duration::from_millis(100)).into_iter().for_each(|completion| {
            if let Completion::Received { bytes, .. } = completion {
                driver.recycle(bytes);
            }
        });
        let start = Instant::now();
        driver.turn(Some(Duration::from_millis(200))).unwrap();
        assert!(driver.next().is_none());
        assert!(start.elapsed() >= Duration::from_millis(190), "waited only {:?}", start.elapsed());
    });
}

#[test]
fn pause_and_resume_at_once_lose_nothing() {
    with_each(|mut driver| {
        let (ours, mut peer) = pair();
        driver.add(token(0), ours);
        let sent = pattern(1 << 20);
        let mut got = Vec::new();
        let mut written = 0;
        for (round, piece) in sent.chunks(10_000).enumerate() {
            peer.write_all(piece).unwrap();
            written += piece.len();
            driver.pause(token(0));
            if round % 3 == 0 {
                driver.turn(Some(Duration::ZERO)).unwrap();
            }
            driver.resume(token(0));
            if round % 2 == 0 {
                driver.pause(token(0));
                driver.resume(token(0));
            }
            while got.len() < written {
                got.extend(next_bytes(&mut driver).1);
            }
        }
        assert!(got == sent, "lost or swapped bytes");
    });
}

#[test]
fn remove_in_mid_send_is_silent_and_frees_the_place() {
    with_each(|mut driver| {
        let (ours, mut peer) = pair();
        driver.add(token(0), ours);
        driver.send(token(0), pattern(64 << 20));
        driver.turn(Some(Duration::ZERO)).unwrap();
        driver.turn(Some(Duration::from_millis(20))).unwrap();
        driver.remove(token(0));
        assert!(driver.socket_fd(token(0)).is_none());

        // The next tenant of the place moves in at once.
        let (ours, mut second) = pair();
        let tenant = Token { index: 0, generation: 8 };
        driver.add(tenant, ours);
        second.write_all(b"hello").unwrap();
        assert_eq!(next_bytes(&mut driver), (tenant, b"hello".to_vec()));

        // The old peer sees its end; a server that still held the socket would leave it waiting.
        let mut rest = Vec::new();
        let end = peer.read_to_end(&mut rest);
        assert!(end.is_ok() || end.unwrap_err().kind() == ErrorKind::ConnectionReset);
        assert!(rest.len() < 64 << 20);
        let more = all_within(&mut driver, Duration::from_millis(50));
        assert!(more.is_empty(), "{more:?}");
    });
}

#[test]
fn remove_drops_what_was_received_but_not_taken() {
    with_each(|mut driver| {
        let (ours, mut peer) = pair();
        driver.add(token(0), ours);
        peer.write_all(b"hello").unwrap();
        thread::sleep(Duration::from_millis(20));
        driver.turn(Some(PATIENCE)).unwrap();
        driver.remove(token(0));
        assert!(driver.next().is_none());
        let more = all_within(&mut driver, Duration::from_millis(50));
        assert!(more.is_empty(), "{more:?}");
    });
}

#[test]
fn after_a_half_close_the_rest_can_be_sent() {
    with_each(|mut driver| {
        let (ours, mut peer) = pair();
        driver.add(token(0), ours);
        peer.write_all(b"last words").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(next_bytes(&mut driver).1, b"last words");
        assert!(matches!(next(&mut driver), Completion::Ended { error: None, .. }));
        driver.send(token(0), b"answer".to_vec());
        assert!(matches!(next(&mut driver), Completion::Sent { result: Ok(()), .. }));
        driver.remove(token(0));
        driver.turn(Some(Duration::ZERO)).unwrap();
        let mut answer = Vec::new();
        peer.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, b"answer");
    });
}

#[test]
fn a_reset_ends_the_connection_with_an_error() {
    with_each(|mut driver| {
        let (ours, peer) = pair();
        driver.add(token(0), ours);
        driver.turn(Some(Duration::ZERO)).unwrap();
        SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
        drop(peer);
        match next(&mut driver) {
            Completion::Ended { token: whose, error: Some(error) } => {
                assert_eq!(whose, token(0));
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            }
            other => panic!("expected a reset, came {other:?}"),
        }
        driver.send(token(0), b"too late".to_vec());
        match next(&mut driver) {
            Completion::Sent { result: Err(_), buffer, .. } => assert_eq!(buffer, b"too late"),
            other => panic!("expected a failed send, came {other:?}"),
        }
        driver.send_quietly(token(0), b"much too late".to_vec());
        assert!(matches!(next(&mut driver), Completion::Sent { result: Err(_), .. }));
        driver.remove(token(0));
    });
}

#[test]
fn another_thread_wakes_an_idle_turn() {
    with_each(|mut driver| {
        let waker = driver.waker();
        // A wake before the turn counts too.
        waker.wake();
        assert!(matches!(next(&mut driver), Completion::Woken));
        for round in 0..20 {
            let waker = waker.clone();
            let other = thread::spawn(move || {
                thread::sleep(Duration::from_millis(5));
                waker.wake();
            });
            driver.turn(if round % 2 == 0 { None } else { Some(Duration::MAX) }).unwrap();
            assert!(matches!(driver.next(), Some(Completion::Woken)));
            assert!(driver.next().is_none());
            other.join().unwrap();
        }
    });
}

#[test]
fn one_driver_wakes_another() {
    for kinds in
        [IoKind::Epoll, IoKind::Auto].map(|one| [IoKind::Epoll, IoKind::Auto].map(|other| (one, other)))
    {
        for (from, to) in kinds {
            let mut woken = Driver::new(to).unwrap().0;
            let waker = woken.waker();
            let thread = thread::spawn(move || {
                for _ in 0..10 {
                    woken.turn(None).unwrap();
                    assert!(matches!(woken.next(), Some(Completion::Woken)));
                }
            });
            let mut driver = Driver::new(from).unwrap().0;
            while !thread.is_finished() {
                driver.wake(&waker);
                driver.turn(Some(Duration::from_millis(2))).unwrap();
                assert!(driver.next().is_none());
            }
            thread.join().unwrap();
            // The other is gone; waking it does no harm.
            driver.wake(&waker);
            driver.turn(Some(Duration::ZERO)).unwrap();
            waker.wake();
        }
    }
}

#[test]
fn a_zero_timeout_only_looks_and_a_short_one_waits_about_that_long() {
    with_each(|mut driver| {
        let (ours, mut peer) = pair();
        driver.add(token(0), ours);
        let start = Instant::now();
        for _ in 0..100 {
            driver.turn(Some(Duration::ZERO)).unwrap();
            assert!(driver.next().is_none());
        }
        assert!(start.elapsed() < Duration::from_millis(100), "{:?}", start.elapsed());

        let start = Instant::now();
        driver.turn(Some(Duration::from_millis(30))).unwrap();
        assert!(start.elapsed() >= Duration::from_millis(30), "{:?}", start.elapsed());
        assert!(start.elapsed() < Duration::from_millis(300), "{:?}", start.elapsed());

        // Looking is enough to be told.
        peer.write_all(b"x").unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            driver.turn(Some(Duration::ZERO)).unwrap();
            match driver.next() {
                Some(Completion::Received { bytes, .. }) => break driver.recycle(bytes),
                Some(other) => panic!("{other:?}"),
                None => assert!(Instant::now() < deadline),
            }
        }
    });
}

#[test]
fn an_idle_turn_ends_only_with_an_event() {
    with_each(|mut driver| {
        let (ours, mut peer) = pair();
        driver.add(token(0), ours);
        driver.send_quietly(token(0), b"nothing to report".to_vec());
        let other = thread::spawn(move || {
            thread::sleep(Duration::from_millis(100));
            peer.write_all(b"x").unwrap();
            peer
        });
        let start = Instant::now();
        driver.turn(None).unwrap();
        assert!(start.elapsed() >= Duration::from_millis(90), "{:?}", start.elapsed());
        assert!(matches!(driver.next(), Some(Completion::Sent { result: Ok(()), .. })));
        match driver.next() {
            Some(Completion::Received { bytes, .. }) => driver.recycle(bytes),
            other => panic!("{other:?}"),
        }
        drop(other.join().unwrap());
    });
}

#[test]
fn receiving_goes_on_after_all_buffers_were_held_back() {
    with_each(|mut driver| {
        let peers: Vec<TcpStream> = (0..8)
            .map(|index| {
                let (ours, peer) = pair();
                driver.add(token(index), ours);
                peer
            })
            .collect();
        let sent = Arc::new(pattern(6 << 20));
        let writers: Vec<_> = peers
            .into_iter()
            .map(|mut peer| {
                let sent = Arc::clone(&sent);
                thread::spawn(move || {
                    peer.write_all(&sent).unwrap();
                    peer
                })
            })
            .collect();

        let mut got = vec![Vec::new(); 8];
        let mut held = Vec::new();
        let mut quiet_turns = 0;
        while quiet_turns < 10 {
            driver.turn(Some(Duration::from_millis(20))).unwrap();
            quiet_turns += 1;
            while let Some(completion) = driver.next() {
                quiet_turns = 0;
                match completion {
                    Completion::Received { token, bytes } => held.push((token, bytes)),
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!(held.len(), usize::from(buffers::BUFFER_COUNT), "all buffers are out");
        for (token, bytes) in held {
            got[token.index as usize].extend(take(&mut driver, bytes));
        }
        while got.iter().any(|bytes| bytes.len() < sent.len()) {
            let (token, bytes) = next_bytes(&mut driver);
            got[token.index as usize].extend(bytes);
        }
        assert!(got.iter().all(|bytes| *bytes == *sent), "lost or swapped bytes");
        for writer in writers {
            drop(writer.join().unwrap());
        }
    });
}

#[test]
fn a_fast_sender_does_not_starve_the_others() {
    with_each(|mut driver| {
        let (ours, mut loud) = pair();
        driver.add(token(0), ours);
        let (ours, mut quiet) = pair();
        driver.add(token(1), ours);
        let shouting = thread::spawn(move || {
            let noise = pattern(1 << 20);
            while loud.write_all(&noise).is_ok() {}
        });
        let heard = Arc::new(AtomicUsize::new(0));
        for _ in 0..20 {
            quiet.write_all(b"psst").unwrap();
            let start = Instant::now();
            loop {
                let (from, bytes) = next_bytes(&mut driver);
                if from == token(1) {
                    assert_eq!(bytes, b"psst");
                    break;
                }
                heard.fetch_add(bytes.len(), Ordering::Relaxed);
                assert!(start.elapsed() < Duration::from_secs(2), "not heard in two seconds");
            }
        }
        driver.remove(token(0));
        driver.turn(Some(Duration::ZERO)).unwrap();
        shouting.join().unwrap();
    });
}

#[test]
fn many_operations_in_one_turn_all_happen() {
    // More than the submission queue holds, and more completions than a turn's worth.
    with_each(|mut driver| {
        let mut peers = Vec::new();
        for index in 0..1500 {
            let (ours, peer) = UnixStream::pair().unwrap();
            peer.set_read_timeout(Some(PATIENCE)).unwrap();
            driver.add(token(index), ours.into());
            peers.push(peer);
        }
        for round in 0..3u8 {
            for index in 0..1500 {
                driver.send(token(index), vec![round, index as u8]);
            }
            let mut sent = 0;
            while sent < 1500 {
                match next(&mut driver) {
                    Completion::Sent { result, .. } => result.unwrap(),
                    other => panic!("{other:?}"),
                }
                sent += 1;
            }
        }
        for (index, peer) in peers.iter_mut().enumerate() {
            let mut all = [0; 6];
            peer.read_exact(&mut all).unwrap();
            let index = index as u8;
            assert_eq!(all, [0, index, 1, index, 2, index]);
            peer.write_all(&all).unwrap();
        }
        let mut heard = 0;
        while heard < 1500 {
            let (from, bytes) = next_bytes(&mut driver);
            assert_eq!(bytes[5], from.index as u8);
            heard += 1;
        }
        drop(peers);
        let mut ended = 0;
        while ended < 1500 {
            match next(&mut driver) {
                Completion::Ended { token, .. } => driver.remove(token),
                other => panic!("{other:?}"),
            }
            ended += 1;
        }
    });
}

#[test]
fn accepting_pauses_resumes_and_stops() {
    with_each(|mut driver| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        driver.listen(2, listener.into());
        let _first = TcpStream::connect(address).unwrap();
        assert!(matches!(next(&mut driver), Completion::Accepted { listener: 2, result: Ok(_) }));

        driver.pause_accepting(2);
        driver.turn(Some(Duration::ZERO)).unwrap();
        driver.turn(Some(Duration::ZERO)).unwrap();
        let _second = TcpStream::connect(address).unwrap();
        let meanwhile = all_within(&mut driver, Duration::from_millis(50));
        assert!(meanwhile.is_empty(), "{meanwhile:?}");
        driver.resume_accepting(2);
        assert!(matches!(next(&mut driver), Completion::Accepted { listener: 2, result: Ok(_) }));

        driver.stop_listening(2);
        driver.turn(Some(Duration::from_millis(20))).unwrap();
        assert!(TcpStream::connect(address).is_err(), "the socket is still open");
        // The number is free again.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        driver.listen(2, listener.into());
        let _third = TcpStream::connect(address).unwrap();
        assert!(matches!(next(&mut driver), Completion::Accepted { listener: 2, result: Ok(_) }));
    });
}

#[test]
fn a_listener_that_cannot_accept_says_so_and_rests() {
    // A socket that does not listen fails as persistently as one without descriptors left, and disturbs no
    // other test.
    with_each(|mut driver| {
        let (ours, mut peer) = pair();
        peer.write_all(b"to be readable").unwrap();
        driver.listen(0, ours);
        let mut failures = 0;
        for completion in all_within(&mut driver, Duration::from_millis(350)) {
            match completion {
                Completion::Accepted { listener: 0, result: Err(_) } => failures += 1,
                other => panic!("{other:?}"),
            }
        }
        assert!((2..=6).contains(&failures), "{failures} failures in 350 ms");
    });
}

#[test]
fn dropping_a_driver_closes_its_connections() {
    with_each(|mut driver| {
        let (ours, mut peer) = pair();
        driver.add(token(0), ours);
        driver.send(token(0), pattern(32 << 20));
        driver.turn(Some(Duration::ZERO)).unwrap();
        drop(driver);
        // Were the socket still open, this would run into the read timeout.
        match io::copy(&mut peer, &mut io::sink()) {
            Ok(len) => assert!(len < 32 << 20, "a dropped driver went on sending"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    });
}

#[test]
fn tags_survive_packing() {
    for token in [
        Token { index: 0, generation: 0 },
        Token { index: u32::MAX, generation: GENERATION_MASK },
        Token { index: 123_456, generation: 654_321 },
    ] {
        let tag = Tag::new(200, token);
        assert_eq!(Tag::unpack(tag.pack()), tag);
        assert_eq!((tag.index, tag.generation), (token.index, token.generation));
    }
    let wrapped = Tag::new(1, Token { index: 5, generation: GENERATION_MASK + 3 });
    assert_eq!(wrapped.generation, 2);
}
