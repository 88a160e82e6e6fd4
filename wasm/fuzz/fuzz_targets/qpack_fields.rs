//! libFuzzer's entry to [`anypath_fuzz::qpack_fields`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anypath_fuzz::qpack_fields(data));
