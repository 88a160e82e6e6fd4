//! libFuzzer's entry to [`anypath_fuzz::client_to_relay`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anypath_fuzz::client_to_relay(data));
