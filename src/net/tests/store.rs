//! Files over the driver.
use super::PATIENCE;
use crate::net::{Completion, Driver, IoKind, Store};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

#[test]
fn files_are_written_where_it_is_said_and_failures_told() {
    let (mut driver, _) = Driver::new(IoKind::Auto).unwrap();
    let path = std::env::temp_dir().join(format!("braid-store-{}", std::process::id()));
    let file =
        std::fs::OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
    let other = std::fs::File::open(&path).unwrap();
    let store = |number, file: &std::fs::File, bytes: &[u8], sync| Store {
        number,
        fd: file.as_raw_fd(),
        bytes: bytes.to_vec(),
        start: 1.min(bytes.len()),
        offset: 3,
        sync,
    };
    let stores = [store(1, &file, b"-abc", true), store(2, &file, b"", true), store(3, &other, b"-x", true)];
    let mut refused = 0;
    for store in stores {
        refused += usize::from(driver.store(store).is_err());
    }
    let mut told = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while told.len() + refused < 3 && Instant::now() < deadline {
        driver.turn(Some(Duration::from_secs(1))).unwrap();
        while let Some(completion) = driver.next() {
            if let Completion::Stored { number, bytes, is_sync, result } = completion {
                told.push((number, bytes, is_sync, result.is_ok()));
            }
        }
    }
    told.sort_unstable();
    std::fs::remove_file(&path).unwrap();
    match driver.name() {
        "epoll" => assert_eq!(refused, 3, "who would have to wait does not"),
        _ => {
            let expected = [
                (1, b"-abc".to_vec(), true, true),
                (2, Vec::new(), true, true),
                (3, b"-x".to_vec(), false, false),
            ];
            assert_eq!(told, expected);
            let mut bytes = Vec::new();
            (&file).read_to_end(&mut bytes).unwrap();
            assert_eq!(bytes, b"\0\0\0abc");
        }
    }
}
