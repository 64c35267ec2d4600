//! A socket that speaks bytes, and a well-behaved client that goes on beside it.
use crate::braid::Braid;
use crate::client::Client;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The longest that a well-behaved client may wait beside the others: machines of CI are slow, hanging is slower.
const WAIT_MAX: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to do with what one likes.
pub(crate) struct Raw(TcpStream);

impl Raw {
    pub(crate) fn connect(server: &Braid) -> Raw {
        let stream = TcpStream::connect(server.address).expect("the server accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
        Raw(stream)
    }

    /// Sends all of it, however long that takes; a server that has closed is no failure.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let sent = self.0.write_all(bytes);
        let closed = |kind| matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
        assert!(sent.as_ref().err().is_none_or(|error| closed(error.kind())), "{sent:?}");
    }

    /// Sends as much as the server takes within half a second.
    pub(crate) fn send_some(&mut self, bytes: &[u8]) {
        self.0.set_write_timeout(Some(Duration::from_millis(500))).expect("a socket option");
        let _as_far_as_it_went = self.0.write_all(bytes);
    }

    pub(crate) fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).expect("the server answers");
        bytes
    }

    pub(crate) fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _reset_is_an_end_too = self.0.read_to_end(&mut bytes);
        bytes
    }

    /// Says that nothing more will come.
    pub(crate) fn shut(&self) {
        self.0.shutdown(Shutdown::Write).expect("the server is there");
    }

    /// The same connection, to be read elsewhere.
    pub(crate) fn reader(&self) -> Raw {
        Raw(self.0.try_clone().expect("a handle"))
    }

    /// Counts lines until the server closes.
    pub(crate) fn count_lines_to_end(mut self) -> usize {
        let mut lines = 0;
        let mut chunk = vec![0; 1 << 16];
        loop {
            match self.0.read(&mut chunk).expect("the server answers and closes") {
                0 => return lines,
                len => lines += chunk[..len].iter().filter(|byte| **byte == b'\n').count(),
            }
        }
    }

    /// Reads so many lines.
    pub(crate) fn count_lines(mut self, count: usize) {
        let mut lines = 0;
        let mut chunk = vec![0; 1 << 16];
        while lines < count {
            let len = self.0.read(&mut chunk).expect("the server answers");
            assert!(len > 0, "the server closed after {lines} of {count} replies");
            lines += chunk[..len].iter().filter(|byte| **byte == b'\n').count();
        }
        assert_eq!(lines, count);
    }
}

/// A client that uses the server meanwhile, and whom nothing may hold up.
pub(crate) struct Bystander {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<(u64, Duration)>,
}

impl Bystander {
    pub(crate) fn start(server: &Braid) -> Bystander {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, mut client) = (Arc::clone(&stop), Client::connect(server.address));
        let thread = std::thread::spawn(move || {
            let (mut count, mut longest) = (0, Duration::ZERO);
            while count < 3 || !stopped.load(Ordering::SeqCst) {
                let start = Instant::now();
                let (key, text) = (format!("by{}", count % 7), count.to_string());
                let replies =
                    client.pipeline(&[&["SET", &key, &text], &["GET", &key], &["MGET", &key, "by0"]]);
                assert_eq!(replies[1].number(), count as i64);
                longest = longest.max(start.elapsed());
                count += 1;
            }
            (count, longest)
        });
        Bystander { stop, thread }
    }

    /// It has seen enough.
    pub(crate) fn stop(self) {
        self.stop.store(true, Ordering::SeqCst);
        let (count, longest) = self.thread.join().expect("the bystander was served");
        assert!(longest < WAIT_MAX, "the bystander waited {longest:?} (in {count} rounds)");
    }
}
