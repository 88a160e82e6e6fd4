//! libFuzzer's entry to [`anypath_fuzz::signed_packet`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anypath_fuzz::signed_packet(data));
