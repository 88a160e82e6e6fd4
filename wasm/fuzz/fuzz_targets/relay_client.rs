//! libFuzzer's entry to [`anypath_fuzz::relay_client`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anypath_fuzz::relay_client(data));
