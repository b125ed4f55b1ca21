//! What this host is, for the fleet's picture: a few words, each of which may be why a release fails here. What cannot be found out
//! is left out.

use crate::{
    net::session::Session,
    site::read_capped,
    sys::{file, start},
};

const FILE_BYTES_MAX: usize = 16_384;

/// A name and a value each.
pub(crate) fn gather(state_dir: &str, session: &Session) -> Vec<(String, String)> {
    let egress = ("egress".to_owned(), session.egress().to_owned());
    of_this_host(state_dir).into_iter().chain([egress]).collect()
}

/// The same, but for the way out.
pub(crate) fn of_this_host(state_dir: &str) -> Vec<(String, String)> {
    let (release, machine) = start::kernel();
    let facts = [
        ("kernel", Some(first_two(&release))),
        ("kernel_release", Some(release)),
        ("arch", Some(machine)),
        ("cpu", Some(cpu().to_owned())),
        ("os", os()),
        ("init", text("/proc/1/comm")),
        ("virt", Some(virt().to_owned())),
        ("fs", file::system(state_dir).map(str::to_owned)),
    ];
    facts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), word(&value?)?))).collect()
}

/// `5.10` of `5.10.0-32-amd64`.
fn first_two(release: &str) -> String {
    let number = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>();
    let mut parts = release.split('.').map(number);
    format!("{}.{}", parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

/// `rhel7` of ID and VERSION_ID in os-release (os-release(5)).
fn os() -> Option<String> {
    let text = ["/etc/os-release", "/usr/lib/os-release"].iter().find_map(|path| text(path))?;
    let value = |name: &str| text.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix('=')?.trim_matches(['"', '\''])));
    let version = value("VERSION_ID").and_then(|version| version.split('.').next()).unwrap_or_default();
    Some(format!("{}{version}", value("ID").unwrap_or("linux")))
}

fn virt() -> &'static str {
    let marks = ["/run/systemd/container", "/.dockerenv", "/run/.containerenv"];
    if marks.iter().any(|path| file::exists(path)) {
        return "container";
    }
    let vendor = text("/sys/class/dmi/id/sys_vendor").unwrap_or_default();
    let makers = ["QEMU", "VMware", "Xen", "Microsoft", "innotek", "Amazon EC2", "Google", "OpenStack", "DigitalOcean"];
    if makers.iter().any(|maker| vendor.starts_with(maker)) { "vm" } else { "metal" }
}

/// The level of the x86-64 psABI, as far as releases could differ by it.
fn cpu() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    return match (std::is_x86_feature_detected!("avx512f"), std::is_x86_feature_detected!("avx2"), std::is_x86_feature_detected!("sse4.2")) {
        (true, ..) => "x86-64-v4",
        (_, true, _) => "x86-64-v3",
        (_, _, true) => "x86-64-v2",
        _ => "x86-64-v1",
    };
    #[cfg(not(target_arch = "x86_64"))]
    return "aarch64";
}

fn text(path: &str) -> Option<String> {
    let bytes = read_capped(path, FILE_BYTES_MAX).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

/// As the protocol takes it: short and printable.
fn word(text: &str) -> Option<String> {
    let word: String = text.chars().filter(|character| !character.is_control()).take(64).collect();
    (!word.is_empty()).then_some(word)
}
