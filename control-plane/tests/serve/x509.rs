//! X.509-SVIDs, shown to those who check them: OpenSSL's verifier, client and server, curl, and rustls on either side.

use crate::{
    keyed::{Key, field},
    rig::{Domain, Server, eventually},
};
use protocol::answer::{Answer, Kind};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
};
use x509_parser::{extensions::GeneralName, parse_x509_certificate};

const POLICY: &str = r#"
[[credential]]
name = "mesh"
kind = "x509"
dns_names = ["{host}.example.org", "mesh.{trust_domain}"]
lifetime_seconds = 600
hosts = ["*"]
"#;

fn start() -> (Domain, Server) {
    let domain = Domain::new();
    fs::write(domain.path("policy.toml"), POLICY).unwrap();
    let server = Server::start(&domain);
    (domain, server)
}

/// The files that the client's `spiffe` format writes: certificate, key and bundle.
fn deliver(domain: &Domain, server: &Server, host: &str) -> PathBuf {
    let key = Key::new();
    let answer = key.certified(server, &domain.host(host), "mesh");
    assert_eq!((answer.kind, answer.expires_in), (Kind::X509, 600));
    let folder = domain.path(&format!("x509-{host}"));
    fs::create_dir(&folder).unwrap();
    let files = [("svid.pem", field(&answer, "certificates")), ("svid_bundle.pem", field(&answer, "bundle")), ("svid_key.pem", &key.pem())];
    files.into_iter().for_each(|(name, text)| fs::write(folder.join(name), text).unwrap());
    folder
}

fn openssl(arguments: &[&str]) -> (bool, String) {
    let output = Command::new("openssl").args(arguments).stdin(Stdio::null()).output().expect("openssl is needed");
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into())
}

fn at(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

#[test]
fn openssl_verifies_it_and_reads_what_policy_says() {
    let (domain, server) = start();
    let web = deliver(&domain, &server, "web-1");
    let (leaf, bundle) = (at(&web, "svid.pem"), at(&web, "svid_bundle.pem"));
    for purpose in ["sslclient", "sslserver"] {
        let (good, said) = openssl(&["verify", "-x509_strict", "-purpose", purpose, "-CAfile", &bundle, &leaf]);
        assert!(good, "{purpose}: {said}");
    }
    let (_, text) = openssl(&["x509", "-in", &leaf, "-noout", "-subject", "-ext", "subjectAltName,basicConstraints,keyUsage,extendedKeyUsage"]);
    for part in ["URI:spiffe://example.org/host/web-1, DNS:web-1.example.org, DNS:mesh.example.org", "Digital Signature\n", "CN = web-1"] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    assert!(!text.contains("CA:TRUE") && !text.contains("Certificate Sign"), "{text}");
    let other = Domain::new();
    assert!(!openssl(&["verify", "-CAfile", &other.path("ca/ca.crt").display().to_string(), &leaf]).0, "another CA vouches for it");
}

/// `openssl s_server`; ended in the end.
struct OpensslServer {
    child: Child,
    port: u16,
}

impl OpensslServer {
    fn start(folder: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("openssl")
            .args(["s_server", "-www", "-quiet", "-accept", &format!("127.0.0.1:{port}")])
            .args(["-cert", &at(folder, "svid.pem"), "-key", &at(folder, "svid_key.pem"), "-CAfile", &at(folder, "svid_bundle.pem")])
            .args(["-Verify", "2", "-verify_return_error"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is needed");
        eventually("openssl s_server", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { child, port }
    }
}

impl Drop for OpensslServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn openssl_and_curl_talk_mutual_tls_with_it() {
    let (domain, server) = start();
    let (web, db) = (deliver(&domain, &server, "web-1"), deliver(&domain, &server, "db-1"));
    let service = OpensslServer::start(&web);
    let client = |name: &str| {
        openssl(
            &[
                &["s_client", "-connect", &format!("127.0.0.1:{}", service.port), "-verify_return_error", "-verify_hostname", name][..],
                &["-cert", &at(&db, "svid.pem"), "-key", &at(&db, "svid_key.pem"), "-CAfile", &at(&db, "svid_bundle.pem")],
            ]
            .concat(),
        )
    };
    let (good, said) = client("mesh.example.org");
    assert!(good && said.contains("Verify return code: 0 (ok)") && said.contains("Verified peername: mesh.example.org"), "{said}");
    assert!(!client("db-1.example.org").0, "a server of another name was believed");
    let curl = |identity: &[&str]| {
        let url = format!("https://web-1.example.org:{}/", service.port);
        let resolve = format!("web-1.example.org:{}:127.0.0.1", service.port);
        let bundle = at(&db, "svid_bundle.pem");
        let arguments = [&["-sS", "-m", "8", "--resolve", &resolve, "--cacert", &bundle][..], identity, &[&url]].concat();
        Command::new("curl").args(arguments).output().expect("curl is needed")
    };
    let page = curl(&["--cert", &at(&db, "svid.pem"), "--key", &at(&db, "svid_key.pem")]);
    assert!(page.status.success() && String::from_utf8_lossy(&page.stdout).contains("spiffe://example.org/host/db-1"), "{page:?}");
    assert!(!curl(&[]).status.success(), "a client without a certificate was let in");
}

#[test]
fn a_rustls_server_takes_it_from_a_client_and_a_client_from_it() {
    let (domain, server) = start();
    let (web, db) = (deliver(&domain, &server, "web-1"), deliver(&domain, &server, "db-1"));
    let provider = || Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let roots = |folder: &Path| {
        let mut roots = RootCertStore::empty();
        CertificateDer::pem_file_iter(folder.join("svid_bundle.pem")).unwrap().for_each(|root| roots.add(root.unwrap()).unwrap());
        Arc::new(roots)
    };
    let chain = |folder: &Path| CertificateDer::pem_file_iter(folder.join("svid.pem")).unwrap().map(Result::unwrap).collect::<Vec<_>>();
    let key = |folder: &Path| PrivateKeyDer::from_pem_file(folder.join("svid_key.pem")).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(&web), provider()).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let config = config.with_client_cert_verifier(verifier).with_single_cert(chain(&web), key(&web)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let service = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), stream);
        let mut asked = [0; 4];
        stream.read_exact(&mut asked).unwrap();
        stream.write_all(&asked).unwrap();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
        stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
    });
    let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots(&db)).with_client_auth_cert(chain(&db), key(&db)).unwrap();
    let connection = ClientConnection::new(Arc::new(config), "web-1.example.org".try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(address).unwrap());
    stream.write_all(b"ping").unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"ping");
    assert_eq!(names(&service.join().unwrap()), ["URI spiffe://example.org/host/db-1", "DNS db-1.example.org", "DNS mesh.example.org"]);
}

fn names(certificate: &[u8]) -> Vec<String> {
    let (_, certificate) = parse_x509_certificate(certificate).unwrap();
    let names = certificate.subject_alternative_name().unwrap().unwrap();
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::URI(uri) => format!("URI {uri}"),
        GeneralName::DNSName(dns) => format!("DNS {dns}"),
        other => format!("{other:?}"),
    };
    names.value.general_names.iter().map(name).collect()
}

/// SPIRE, Cure53 SPI-01-004: the subject of a request was not checked against what its sender may be.
#[test]
fn spi_01_004_the_requested_subject_is_never_the_certificates() {
    let (domain, server) = start();
    let wishes = concat!(
        r#""subject":"spiffe://example.org/host/vault-1","uri":"spiffe://example.org/host/vault-1","dns_names":["vault-1.example.org"],"#,
        r#""csr":"-----BEGIN CERTIFICATE REQUEST-----","common_name":"vault-1","host":"vault-1","ca":true,"#
    );
    let reply = Key::new().ask(&server, &domain.host("web-1"), "mesh", wishes);
    let answer = Answer::from_json(reply.body.as_bytes()).unwrap_or_else(|invalid| panic!("{invalid}: {reply:?}"));
    assert_eq!(answer.subject, "spiffe://example.org/host/web-1");
    let leaf = CertificateDer::from_pem_slice(field(&answer, "certificates").as_bytes()).unwrap();
    assert_eq!(names(&leaf), ["URI spiffe://example.org/host/web-1", "DNS web-1.example.org", "DNS mesh.example.org"]);
    let (_, certificate) = parse_x509_certificate(&leaf).unwrap();
    assert_eq!(certificate.subject().to_string(), "CN=web-1");
    assert!(!certificate.is_ca());
    assert!(!server.curl(&domain.host("web-1"), "/v1/credentials/mesh?subject=spiffe://example.org/host/vault-1", &[]).body.contains("vault-1"));
}

#[test]
fn a_proof_of_another_connection_certifies_nothing() {
    let (domain, server) = start();
    let key = Key::new();
    let body = key.request(&server, &domain.host("web-1"), "mesh");
    let reply = server.curl(&domain.host("web-1"), "/v1/credentials/mesh", &["--data-binary", &body]);
    assert_eq!((reply.status, reply.text("code").as_str()), (403, "credential.key-unproven"), "a proof of another connection");
    assert_eq!(domain.audit().len(), 0);
}
