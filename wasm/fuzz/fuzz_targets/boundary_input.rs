//! libFuzzer's entry to [`anypath_fuzz::boundary_input`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anypath_fuzz::boundary_input(data));
