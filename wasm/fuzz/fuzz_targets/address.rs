//! libFuzzer's entry to [`anypath_fuzz::address`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anypath_fuzz::address(data));
