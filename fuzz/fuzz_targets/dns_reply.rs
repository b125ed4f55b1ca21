//! A name server's packet, whatever it holds.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|packet: &[u8]| {
    for family in [host::dns::Family::V4, host::dns::Family::V6] {
        let id = packet.first_chunk::<2>().map_or(0, |id| u16::from_be_bytes(*id));
        let _ = host::dns::reply(packet, id, "cp.example.org", family);
    }
});
