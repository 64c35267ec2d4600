//! libFuzzer on `bodies::files`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::files::run(bytes));
