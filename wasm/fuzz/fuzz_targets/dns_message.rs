//! libFuzzer's entry to [`anypath_fuzz::dns_message`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anypath_fuzz::dns_message(data));
