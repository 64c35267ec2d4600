//! libFuzzer on `bodies::payload`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::payload::run(bytes));
