//! libFuzzer on `bodies::journal`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::journal::run(bytes));
