//! libFuzzer on `bodies::config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::config::run(bytes));
