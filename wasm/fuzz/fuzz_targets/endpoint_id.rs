//! libFuzzer's entry to [`anypath_fuzz::endpoint_id`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anypath_fuzz::endpoint_id(data));
