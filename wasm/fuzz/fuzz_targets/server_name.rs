//! libFuzzer's entry to [`anypath_fuzz::server_name`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anypath_fuzz::server_name(data));
