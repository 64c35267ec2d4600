//! libFuzzer on `bodies::protocol`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::protocol::run(bytes));
