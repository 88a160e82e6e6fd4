//! libFuzzer's entry to [`anypath_fuzz::probe`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anypath_fuzz::probe(data));
