//! libFuzzer on `bodies::requests`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::requests::run(bytes));
