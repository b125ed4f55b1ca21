//! base64url without padding (RFC 4648 section 5), as RFC 7515 uses it.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The text of `bytes`.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    encode_onto(&mut text, bytes);
    text
}

/// Writes the text of `bytes` at the end of `text`.
pub(crate) fn encode_onto(text: &mut String, bytes: &[u8]) {
    text.reserve(bytes.len().div_ceil(3) * 4);
    let (triples, rest) = bytes.as_chunks::<3>();
    for [first, second, third] in triples {
        push(text, [*first, *second, *third], 4);
    }
    match *rest {
        [first] => push(text, [first, 0, 0], 2),
        [first, second] => push(text, [first, second, 0], 3),
        _ => (),
    }
}

fn push(text: &mut String, [first, second, third]: [u8; 3], digits: usize) {
    let sextets = [first >> 2, first << 4 | second >> 4, second << 2 | third >> 6, third];
    let digit = |sextet: u8| ALPHABET.get(usize::from(sextet & 63)).map_or('A', |byte| char::from(*byte));
    text.extend(sextets.into_iter().take(digits).map(digit));
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
