//! The little DER (X.690) that keys and signatures need where a token hands out bare numbers.

/// A P-256 `SubjectPublicKeyInfo` (RFC 5480) up to its point.
const P256_SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03,
    0x42, 0x00,
];

/// The P-256 curve's name, as PKCS #11 wants it in `CKA_EC_PARAMS`.
pub(crate) const P256_PARAMETERS: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// The `SubjectPublicKeyInfo` of an uncompressed P-256 point of 65 bytes.
pub(crate) fn p256_spki(point: &[u8]) -> Vec<u8> {
    [&P256_SPKI, point].concat()
}

/// An ECDSA signature of two numbers of 32 bytes as a SEQUENCE of INTEGERs (RFC 3279 section 2.2.3); `None` for another length.
#[must_use]
pub fn ecdsa_signature(numbers: &[u8]) -> Option<Vec<u8>> {
    let (r, s) = numbers.split_at_checked(32).filter(|(_, s)| s.len() == 32)?;
    Some(sequence(&[integer(r), integer(s)].concat()))
}

/// A SEQUENCE of what is encoded already.
pub(crate) fn sequence(body: &[u8]) -> Vec<u8> {
    [&[0x30], length(body.len()).as_slice(), body].concat()
}

/// An INTEGER: no zeros before it but the one that makes it positive.
pub(crate) fn integer(number: &[u8]) -> Vec<u8> {
    let digits = number.iter().position(|byte| *byte != 0).and_then(|first| number.get(first..)).unwrap_or(&[0]);
    let sign: &[u8] = if digits.first().is_some_and(|first| first & 0x80 != 0) { &[0] } else { &[] };
    let content = [sign, digits].concat();
    [&[0x02], length(content.len()).as_slice(), &content].concat()
}

fn length(length: usize) -> Vec<u8> {
    let bytes = length.to_be_bytes();
    let digits = bytes.iter().position(|byte| *byte != 0).and_then(|first| bytes.get(first..)).unwrap_or(&[0]);
    match digits {
        [short] if *short < 0x80 => vec![*short],
        long => [&[0x80 | u8::try_from(long.len()).unwrap_or(8)], long].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn der_numbers_are_as_short_as_they_can_be() {
        assert_eq!(integer(&[0, 0, 1]), [2, 1, 1]);
        assert_eq!(integer(&[0, 0x80]), [2, 2, 0, 0x80]);
        assert_eq!(integer(&[0, 0]), [2, 1, 0]);
        assert_eq!(length(127), [127]);
        assert_eq!(length(128), [0x81, 128]);
        assert_eq!(length(256), [0x82, 1, 0]);
        let most = ecdsa_signature(&[0xff; 64]).unwrap();
        assert_eq!((most[1], most.len()), (70, 72));
        assert!(ecdsa_signature(&[1; 63]).is_none());
    }
}
