//! The files in which a host's own Ed25519 keys stand (RFC 8032): PKCS#8 (RFC 5958) in PEM (RFC 7468), and OpenSSH's own form
//! (PROTOCOL.key of OpenSSH 6.5 and later).

use alloc::{string::String, vec::Vec};
use protocol::{base64url_decode, membership::PublicKey};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// What stands before the seed in a `PrivateKeyInfo` of version 1; OpenSSL before 3.2 reads no other version.
const PKCS8_HEAD: [u8; 16] = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// A private key as PKCS#8 PEM.
#[must_use]
pub fn pkcs8_pem(seed: &[u8; 32]) -> String {
    pem("PRIVATE KEY", &[&PKCS8_HEAD[..], seed].concat(), 64)
}

/// The seed in a key that [`pkcs8_pem`] wrote, by its DER.
#[must_use]
pub fn seed_of(pkcs8: &[u8]) -> Option<[u8; 32]> {
    pkcs8.strip_prefix(&PKCS8_HEAD)?.try_into().ok()
}

/// A private key as `ssh` reads it, without a passphrase. `check` is any number: OpenSSH compares its two copies.
#[must_use]
pub fn openssh_pem(seed: &[u8; 32], public: &PublicKey, comment: &str, check: u32) -> String {
    let mut public_blob = Vec::new();
    string(&mut public_blob, b"ssh-ed25519");
    string(&mut public_blob, &public.0);

    let mut private = [check.to_be_bytes(), check.to_be_bytes()].concat();
    private.extend(&public_blob);
    string(&mut private, &[&seed[..], &public.0].concat());
    string(&mut private, comment.as_bytes());
    private.extend((1..8).take((8 - private.len() % 8) % 8));

    let mut key = b"openssh-key-v1\0".to_vec();
    string(&mut key, b"none");
    string(&mut key, b"none");
    string(&mut key, b"");
    key.extend(1_u32.to_be_bytes());
    string(&mut key, &public_blob);
    string(&mut key, &private);
    pem("OPENSSH PRIVATE KEY", &key, 70)
}

/// The seed in a key that [`openssh_pem`] wrote.
#[must_use]
pub fn openssh_seed(pem: &str) -> Option<[u8; 32]> {
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let key = base64_decode(&body)?;
    let mut rest = key.strip_prefix(b"openssh-key-v1\0")?;
    for expected in [&b"none"[..], b"none", b""] {
        (take(&mut rest)? == expected).then_some(())?;
    }
    rest = rest.get(4..)?; // the number of keys
    take(&mut rest)?; // the public one
    let mut private = take(&mut rest)?.get(8..)?; // two copies of a number
    take(&mut private)?; // type
    take(&mut private)?; // the public one
    take(&mut private)?.first_chunk().copied()
}

const CERTIFICATE_TYPE: &str = "ssh-ed25519-cert-v01@openssh.com";

/// What an OpenSSH certificate over an Ed25519 key says (PROTOCOL.certkeys).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SshCertificate {
    /// The key it is over.
    pub key: PublicKey,
    /// When it ends, seconds since 1970.
    pub valid_before: u64,
}

impl SshCertificate {
    /// From its one line: type, base64, comment.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        if words.next() == Some(CERTIFICATE_TYPE) { Self::from_blob(&base64_decode(words.next()?)?) } else { None }
    }

    /// From the bytes in that line.
    #[must_use]
    pub fn from_blob(mut rest: &[u8]) -> Option<Self> {
        if take(&mut rest)? != CERTIFICATE_TYPE.as_bytes() {
            return None;
        }
        take(&mut rest)?; // nonce
        let key = PublicKey(take(&mut rest)?.try_into().ok()?);
        rest = rest.get(8 + 4..)?; // serial, type
        take(&mut rest)?; // key id
        take(&mut rest)?; // principals
        let (_, rest) = rest.split_first_chunk::<8>()?; // valid after
        let (valid_before, _) = rest.split_first_chunk::<8>()?;
        Some(Self { key, valid_before: u64::from_be_bytes(*valid_before) })
    }
}

/// One string of RFC 4251 section 5.
fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let (text, after) = after.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    *rest = after;
    Some(text)
}

fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(bytes);
}

fn pem(label: &str, bytes: &[u8], width: usize) -> String {
    let mut text = alloc::format!("-----BEGIN {label}-----\n");
    for (index, character) in base64(bytes).chars().enumerate() {
        if index > 0 && index % width == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text + "\n-----END " + label + "-----\n"
}

/// Base64 with padding (RFC 4648 section 4).
fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for piece in bytes.chunks(3) {
        let bits = piece.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - piece.len()));
        for place in 0..4 {
            let sextet = bits >> (18 - 6 * place) & 63;
            let digit = usize::try_from(sextet).ok().and_then(|sextet| ALPHABET.get(sextet));
            text.push(digit.filter(|_| place <= piece.len()).map_or('=', |digit| char::from(*digit)));
        }
    }
    text
}

fn base64_decode(text: &str) -> Option<Vec<u8>> {
    let url = text.trim_end_matches('=').replace('+', "-").replace('/', "_");
    base64url_decode(&url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{format, fs, process::Command};

    const SEED: [u8; 32] = [7; 32];

    /// The public key of [`SEED`].
    fn public() -> PublicKey {
        PublicKey::parse("ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c").unwrap()
    }

    #[test]
    fn base64_matches_rfc_4648_and_comes_back() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
            assert_eq!(base64_decode(text).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
        assert_eq!(base64_decode("+/8="), Some([0xfb, 0xff].into()));
        assert_eq!(base64_decode("a b"), None);
    }

    #[test]
    fn an_openssh_key_is_read_back() {
        assert_eq!(openssh_seed(&openssh_pem(&SEED, &public(), "db", 7)), Some(SEED));
        for text in ["", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n", "b3BlbnNzaC1rZXktdjEA"] {
            assert_eq!(openssh_seed(text), None);
        }
    }

    #[test]
    fn a_pkcs8_key_is_read_back() {
        let pem = pkcs8_pem(&SEED);
        let body = pem.lines().nth(1).unwrap();
        assert_eq!(seed_of(&base64_decode(body).unwrap()), Some(SEED));
        assert_eq!(seed_of(&[]), None);
    }

    #[test]
    fn openssl_reads_the_pkcs8_key() {
        let folder = folder("openssl");
        fs::write(folder.join("key.pem"), pkcs8_pem(&SEED)).unwrap();
        let said = run(Command::new("openssl").args(["pkey", "-noout", "-text", "-in"]).arg(folder.join("key.pem")));
        assert!(said.contains("ea:4a:6c:63:e2"), "{said}");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn ssh_keygen_reads_the_key_and_we_read_its_certificate() {
        let folder = folder("ssh");
        let key = folder.join("id_ed25519");
        for comment in ["", "a", "db@spiffe://example.org/host/web-1"] {
            fs::write(&key, openssh_pem(&SEED, &public(), comment, 0x1234_5678)).unwrap();
            fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            let said = run(Command::new("ssh-keygen").arg("-y").arg("-f").arg(&key));
            let blob = base64_decode(said.split_ascii_whitespace().nth(1).unwrap()).unwrap();
            assert!(blob.ends_with(&public().0), "{said}");
        }
        let ca = folder.join("ca");
        run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&ca));
        let line = run(Command::new("ssh-keygen").arg("-y").arg("-f").arg(&key));
        fs::write(folder.join("id_ed25519.pub"), line).unwrap();
        run(Command::new("ssh-keygen")
            .args(["-q", "-I", "web-1", "-n", "root,deploy", "-V", "0x1:0x77359400", "-s"])
            .arg(&ca)
            .arg(folder.join("id_ed25519.pub")));
        let certificate = fs::read_to_string(folder.join("id_ed25519-cert.pub")).unwrap();
        assert_eq!(SshCertificate::parse(&certificate), Some(SshCertificate { key: public(), valid_before: 0x7735_9400 }));
        for length in 0..certificate.trim_end().len() - 200 {
            assert_eq!(SshCertificate::parse(&certificate[..length]).map(|_| length).filter(|length| *length < 200), None);
        }
        fs::remove_dir_all(folder).unwrap();
    }

    fn folder(name: &str) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("pinnace-key-files-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn run(command: &mut Command) -> String {
        let output = command.output().unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}
