//! libFuzzer's entry to [`anypath_fuzz::transfer_ticket`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anypath_fuzz::transfer_ticket(data));
