//! libFuzzer's entry to [`anypath_fuzz::http3_frame`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anypath_fuzz::http3_frame(data));
