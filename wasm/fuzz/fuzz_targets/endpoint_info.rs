//! libFuzzer's entry to [`anypath_fuzz::endpoint_info`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anypath_fuzz::endpoint_info(data));
