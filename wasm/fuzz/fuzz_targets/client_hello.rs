//! libFuzzer's entry to [`anypath_fuzz::client_hello`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anypath_fuzz::client_hello(data));
