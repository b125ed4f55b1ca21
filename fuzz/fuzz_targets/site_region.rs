//! A stamped region, its checksum made right so that the site is reached.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let _ = protocol::site::decode_region(body);
    let mut region = protocol::site::MAGIC.to_vec();
    region.extend(u32::try_from(body.len()).unwrap_or(0).to_le_bytes());
    region.extend(protocol::crc32(body).to_le_bytes());
    region.extend(body);
    if let Ok(site) = protocol::site::decode_region(&region) {
        assert_eq!(protocol::site::Site::from_json(&site.to_json()), Ok(site));
    }
});
