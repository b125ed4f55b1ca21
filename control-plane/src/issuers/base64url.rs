//! base64url without padding (RFC 4648 section 5), as RFC 7515 uses it.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The text of `bytes`.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let word = at(0) << 16 | at(1) << 8 | at(2);
        for index in 0..=chunk.len() {
            let sextet = word >> (18 - 6 * index) & 63;
            text.extend(usize::try_from(sextet).ok().and_then(|sextet| ALPHABET.get(sextet)).map(|byte| char::from(*byte)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn matches_rfc_4648_section_10_without_padding() {
        let vectors = [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE"), ("foobar", "Zm9vYmFy")];
        for (bytes, text) in vectors {
            assert_eq!(super::encode(bytes.as_bytes()), text);
        }
        assert_eq!(super::encode(&[0xFB, 0xFF]), "-_8");
    }
}
