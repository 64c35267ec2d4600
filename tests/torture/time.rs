//! What was put off goes on when its time has come, and not at some later tick.
use crate::client::Client;
use crate::servers;
use std::time::{Duration, Instant};

#[test]
fn a_pause_ends_on_time() {
    const PAUSE: Duration = Duration::from_millis(10);
    for server in servers() {
        let mut client = Client::connect(server.address);
        let lateness = (0..5).map(|_| {
            // An idle server has no ticks that could end it by chance.
            std::thread::sleep(Duration::from_millis(150));
            let start = Instant::now();
            let replies = client.pipeline(&[&["CLIENT", "PAUSE", "10"], &["PING"]]);
            assert!(replies[0].is_ok());
            // The server counts whole milliseconds.
            (start.elapsed() + Duration::from_millis(1)).checked_sub(PAUSE).expect("not before its time")
        });
        let least = lateness.min().expect("five times");
        assert!(least < Duration::from_millis(40), "a pause ended {least:?} late, at best");
    }
}
