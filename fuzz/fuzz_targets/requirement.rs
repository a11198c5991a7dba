#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    pgbundle_fuzz::requirement::holds(bytes);
});
