//! A control plane that has nothing but metadata, and mirrors that bring the files: a real one, and such as lie, stall or are away.

use super::ground::Ground;
use std::fs;
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tests::evil::authority::Authority;
use tests::evil::peer::{Call, Peer, read_head, script};
use tests::rig::check;

/// A `pinnaced` with this mirror, and engineers whose targets go to `mirror/targets` and nowhere else.
fn ground(settings: &str) -> Ground {
    let mut ground = Ground::new();
    ground.rig.stop_server();
    let path = ground.rig.path("domain/pinnaced.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, format!("{text}\n[mirror]\n{settings}\n")).unwrap();
    ground.rig.start_server();
    ground.stamp(10);
    ground
}

/// Builds and signs a generation, and gives the control plane its metadata alone.
fn publish_apart(ground: &Ground, generation: u32) {
    ground.build(generation);
    ground.sign(&["targets-a"]);
    ground.release(&["publish", "--to", "mirror"]);
    check(Command::new("cp").arg("-r").arg(ground.rig.path("mirror/metadata")).arg(ground.rig.path("domain/releases/")));
    assert!(!ground.rig.path("domain/releases/targets/pinnace").exists(), "the control plane has files of its own");
}

/// The host has no release but the package's, and believes nothing yet.
fn begin_anew(ground: &Ground) {
    for entry in fs::read_dir(ground.rig.path("state")).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with("release-") || name == "current" || name == "previous" {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    let _ = fs::remove_dir_all(ground.rig.path("state/generations"));
}

fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !check() {
        assert!(Instant::now() < end, "{what} did not come to be");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// nginx, killed in the end.
struct Nginx(Child);

impl Nginx {
    /// Serves a folder over TLS.
    fn start(folder: &Path, port: u16, root: &Path) -> Self {
        let at = |name: &str| folder.join(name).display().to_string();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|kind| format!("{kind}_temp_path {};", at("nginx-tmp"))).concat();
        let text = format!(
            "user root; daemon off; pid {}; error_log {}; events {{}}\nhttp {{ access_log {}; {temporary}\nserver {{ listen 127.0.0.1:{port} ssl; \
             ssl_certificate {pem}; ssl_certificate_key {pem}; location /pinnace/ {{ alias {}/; }} }} }}\n",
            at("nginx.pid"),
            at("nginx.error"),
            at("nginx.access"),
            root.display(),
            pem = at("mirror.pem"),
        );
        fs::write(at("nginx.conf"), text).unwrap();
        let mut nginx = Command::new("nginx");
        nginx.args(["-e", &at("nginx.error"), "-c", &at("nginx.conf")]).stdin(Stdio::null());
        let nginx = Self(nginx.spawn().expect("nginx is needed"));
        eventually("nginx", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        nginx
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master ends its workers when it is asked to, and not when it is killed.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// A CA that nobody but the settings knows; the mirror is away before and after.
#[test]
fn a_replica_with_nothing_but_metadata_serves_what_a_real_mirror_brings_and_outlives_it() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let authority = Authority::stranger();
    let ca = tempfile::NamedTempFile::new().unwrap();
    fs::write(ca.path(), &authority.pem).unwrap();
    let ground = ground(&format!("url = \"https://localhost:{port}/pinnace\"\nca = {:?}", ca.path()));
    fs::write(ground.rig.path("mirror.pem"), authority.server(&["localhost"]).pem()).unwrap();
    publish_apart(&ground, 1);
    eventually("a complaint", || ground.rig.logged("mirror-failed").len() == 1);
    assert_eq!(ground.run(), "current");
    let nginx = Nginx::start(&ground.rig.path("."), port, &ground.rig.path("mirror/targets"));
    ground.runs_until("generation 1 is in place");
    drop(nginx);
    begin_anew(&ground);
    ground.runs_until("generation 1 is in place");
    publish_apart(&ground, 2);
    eventually("another complaint", || ground.rig.logged("mirror-failed").len() == 2);
    assert_eq!(ground.run(), "current");
    // One that shows a certificate of another CA is as good as away.
    fs::write(ground.rig.path("mirror.pem"), Authority::stranger().server(&["localhost"]).pem()).unwrap();
    let nginx = Nginx::start(&ground.rig.path("."), port, &ground.rig.path("mirror/targets"));
    let unknown = || ground.rig.logged("mirror-failed").iter().any(|told| told["because"].as_str().unwrap().contains("certificate"));
    eventually("a complaint about the certificate", unknown);
    drop(nginx);
    fs::write(ground.rig.path("mirror.pem"), authority.server(&["localhost"]).pem()).unwrap();
    let _nginx = Nginx::start(&ground.rig.path("."), port, &ground.rig.path("mirror/targets"));
    ground.runs_until("generation 2 is in place");
    let access = fs::read_to_string(ground.rig.path("nginx.access")).unwrap();
    assert_eq!(access.matches("HTTP/1.1\" 206").count(), 2, "each file was fetched once: {access}");
}

/// A mirror by script.
struct Mirror {
    peer: Peer,
    root: Arc<Mutex<PathBuf>>,
    mood: Arc<AtomicU8>,
    heads: Arc<Mutex<Vec<String>>>,
}

const HONEST: u8 = 0;
const LIES: u8 = 1;
const STALLS: u8 = 2;
const ENDLESS: u8 = 3;
const CUTS: u8 = 4;
const IGNORES_RANGES: u8 = 5;
/// Where one that stalls or cuts does so.
const SENT_BYTES: usize = 300_000;

impl Mirror {
    fn start(mood: u8) -> Self {
        let (root, mood) = (Arc::new(Mutex::new(PathBuf::new())), Arc::new(AtomicU8::new(mood)));
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (files, now, seen) = (Arc::clone(&root), Arc::clone(&mood), Arc::clone(&heads));
        let peer = Peer::start(&script(move |call| {
            let head = read_head(&mut call.stream)?;
            seen.lock().unwrap().push(head.clone());
            let name = head.split(' ').nth(1).unwrap().strip_prefix("/some/bucket/").unwrap().to_owned();
            match fs::read(files.lock().unwrap().join(name)) {
                Ok(bytes) => send(call, &head, bytes, now.load(Ordering::SeqCst)),
                Err(_) => call.stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
            }
        }));
        Self { peer, root, mood, heads }
    }

    fn ground(&self, more: &str) -> Ground {
        let ground = ground(&format!("url = \"http://127.0.0.1:{}/some/bucket/\"\n{more}", self.peer.port));
        *self.root.lock().unwrap() = ground.rig.path("mirror/targets");
        ground
    }

    fn becomes(&self, mood: u8) {
        self.mood.store(mood, Ordering::SeqCst);
    }

    /// The first byte of the last range asked for.
    fn last_first(&self) -> usize {
        let heads = self.heads.lock().unwrap();
        let range = heads.last().and_then(|head| head.to_lowercase().lines().find_map(|line| line.strip_prefix("range: bytes=").map(str::to_owned)));
        range.and_then(|range| range.split('-').next()?.parse().ok()).unwrap()
    }
}

fn send(call: &mut Call, head: &str, mut bytes: Vec<u8>, mood: u8) -> io::Result<()> {
    let head = head.to_lowercase();
    let range = head.lines().find_map(|line| line.strip_prefix("range: bytes=")?.trim().split_once('-')).unwrap();
    let first: usize = if mood == IGNORES_RANGES { 0 } else { range.0.parse().unwrap() };
    if mood == LIES {
        bytes[100_000] ^= 1;
    }
    let (length, body) = (bytes.len(), &bytes[first..]);
    match mood {
        ENDLESS => {
            call.stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            loop {
                call.stream.write_all(&[7; 65_536])?;
            }
        }
        IGNORES_RANGES => write!(call.stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")?,
        _ => write!(
            call.stream,
            "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {first}-{}/{length}\r\n\r\n",
            body.len(),
            length - 1
        )?,
    }
    if matches!(mood, STALLS | CUTS) {
        call.stream.write_all(&body[..SENT_BYTES.min(body.len())])?;
        if mood == STALLS {
            call.hold();
        }
        return Ok(());
    }
    call.stream.write_all(body)
}

/// The bad mirror costs no host anything, is told of once however often it is tried, and a good one in its place is taken from.
fn costs_nothing(mirror: &Mirror, ground: &Ground, because: &str) {
    publish_apart(ground, 1);
    eventually("three tries", || mirror.peer.connections() >= 3);
    assert_eq!(ground.run(), "current", "a host is told of a release whose file is not here");
    let told = ground.rig.logged("mirror-failed");
    assert!(told.len() == 1 && told[0]["because"].as_str().unwrap().contains(because), "{told:#?}");
    mirror.becomes(HONEST);
    ground.runs_until("generation 1 is in place");
    assert_eq!(ground.rig.logged("mirrored").len(), 1);
    let asked = mirror.peer.connections();
    begin_anew(ground);
    ground.runs_until("generation 1 is in place");
    assert_eq!(mirror.peer.connections(), asked, "a file that is here is fetched again");
}

#[test]
fn a_mirror_that_lies_costs_nothing_but_the_fetch() {
    let mirror = Mirror::start(LIES);
    costs_nothing(&mirror, &mirror.ground(""), "its file is not the one that was signed");
}

#[test]
fn a_mirror_that_never_ends_is_cut_off_at_what_was_signed() {
    let mirror = Mirror::start(ENDLESS);
    costs_nothing(&mirror, &mirror.ground(""), "it sends more than the ");
}

#[test]
fn a_mirror_that_stalls_is_left_in_time_and_gone_on_with() {
    let mirror = Mirror::start(STALLS);
    let ground = mirror.ground("try_seconds = 1");
    publish_apart(&ground, 1);
    eventually("a second try", || mirror.peer.connections() >= 2);
    assert!(mirror.last_first() >= SENT_BYTES - 65_536, "the second try began at {}", mirror.last_first());
    assert_eq!(ground.run(), "current");
    mirror.becomes(HONEST);
    ground.runs_until("generation 1 is in place");
    let told = ground.rig.logged("mirror-failed");
    assert!(told.len() == 1 && told[0]["because"].as_str().unwrap().contains("within 1 seconds"), "{told:#?}");
}

#[test]
fn a_mirror_that_cuts_connections_is_gone_on_with_and_one_without_ranges_begins_anew() {
    let mirror = Mirror::start(CUTS);
    let ground = mirror.ground("");
    publish_apart(&ground, 1);
    eventually("a second try", || mirror.peer.connections() >= 2);
    assert!(mirror.last_first() >= SENT_BYTES - 65_536, "the second try began at {}", mirror.last_first());
    mirror.becomes(IGNORES_RANGES);
    ground.runs_until("generation 1 is in place");
}
