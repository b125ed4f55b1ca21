//! What the client weighs.

use super::{TARGETS, client, prepare};
use crate::{
    layers,
    shell::{Done, cargo, output, root, run as run_command},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const BYTES_MAX: usize = 1_250_000;

/// The command `size`: each processor's stamped client and the crates, against their limits.
pub(crate) fn run() -> Done {
    prepare()?;
    let clients = TARGETS.iter().map(|target| Ok((*target, client::build(target)?))).collect::<Done<Vec<_>>>()?;
    let sizes = stamped(&clients)?;
    for (target, bytes) in &sizes {
        let machine = target.split('-').next().unwrap_or_default();
        println!("stamped {machine:<8} {bytes:>9} bytes, {} KB (at most {} KB)", bytes.div_ceil(1000), BYTES_MAX / 1000);
    }
    println!("third-party crates: {} (at most {})", layers::client_crates()?.len(), layers::CLIENT_CRATES_MAX);
    let over: Vec<String> =
        sizes.iter().filter(|(_, bytes)| *bytes > BYTES_MAX).map(|(target, bytes)| format!("{target} by {} bytes", bytes - BYTES_MAX)).collect();
    if over.is_empty() { Ok(()) } else { Err(format!("the client is too large: {}", over.join(", "))) }
}

/// The sizes of these clients with a site of a new trust domain stamped in.
fn stamped<'a>(clients: &[(&'a str, PathBuf)]) -> Done<Vec<(&'a str, usize)>> {
    run_command(&mut cargo(&["build", "--quiet", "--release", "-p", "control-plane", "-p", "operator"]))?;
    let folder = std::env::temp_dir().join(format!("pinnace-size-{}", std::process::id()));
    let tool = |name: &str| Command::new(root().join("target/release").join(name));
    let measure = || {
        let domain = folder.join("domain");
        fs::create_dir_all(&folder).map_err(|cause| format!("{}: {cause}", folder.display()))?;
        output(tool("pinnaced").args(["init", "--trust-domain", "example.org", "--name", "192.0.2.10", "--dir"]).arg(&domain))?;
        let size = |release: &Path| {
            let out = folder.join("pinnace");
            output(tool("pinnacectl").args(["stamp", "--site"]).arg(domain.join("site.toml")).arg("--binary").arg(release).arg("--out").arg(&out))?;
            fs::metadata(&out).map_err(|cause| format!("{}: {cause}", out.display())).map(|file| usize::try_from(file.len()).unwrap_or(usize::MAX))
        };
        clients.iter().map(|(target, release)| Ok((*target, size(release)?))).collect()
    };
    let sizes = measure();
    let _ = fs::remove_dir_all(&folder);
    sizes
}
