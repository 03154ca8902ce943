#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| shmlog::fuzz::record_decode(data));
