//! An image of nothing but the program and its state folder, as an OCI image layout in a tar (image-spec 1.1): one manifest for each
//! processor, and an index over them. What runs containers takes it; what makes them is not needed.

use super::{
    Package, SUMMARY,
    contents::{Entry, What},
    sha256,
    tree::tree,
};
use serde_json::{Value, json};
use std::io;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

pub(super) fn name(version: &str) -> String {
    format!("pinnace_{version}.oci.tar")
}

/// Blobs by their hash, in the order they were put.
#[derive(Default)]
struct Blobs(Vec<(String, Vec<u8>)>);

impl Blobs {
    /// Puts one; gives its descriptor.
    fn put(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let hash = sha256(&bytes);
        let descriptor = json!({"mediaType": media_type, "digest": format!("sha256:{hash}"), "size": bytes.len()});
        self.0.push((hash, bytes));
        descriptor
    }
}

pub(super) fn make(packages: &[Package]) -> io::Result<Vec<u8>> {
    let mut blobs = Blobs::default();
    let date = packages.first().map_or(0, |package| package.date);
    let manifests = packages.iter().map(|package| manifest(package, &mut blobs)).collect::<io::Result<Vec<_>>>()?;
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
    let mut index = blobs.put(INDEX, index.to_string().into_bytes());
    let version = packages.first().map_or("", |package| &package.version);
    index["annotations"] = json!({"org.opencontainers.image.ref.name": version});
    let top = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [index]});
    let file = |path: String, bytes| Entry { path, mode: 0o644, what: What::File(bytes) };
    let mut entries = vec![file("/index.json".into(), top.to_string().into_bytes())];
    entries.push(file("/oci-layout".into(), b"{\"imageLayoutVersion\":\"1.0.0\"}".to_vec()));
    entries.extend(blobs.0.into_iter().map(|(hash, bytes)| file(format!("/blobs/sha256/{hash}"), bytes)));
    let mut archive = tar::Builder::new(Vec::new());
    tree(&mut archive, &entries, "", date)?;
    archive.into_inner()
}

fn manifest(package: &Package, blobs: &mut Blobs) -> io::Result<Value> {
    let contents = &package.contents;
    let inside: Vec<_> = contents.entries.iter().filter(|entry| entry.path == "/usr/bin/pinnace" || entry.path == contents.state_dir).collect();
    let mut layer = tar::Builder::new(Vec::new());
    tree(&mut layer, inside.iter().copied(), "", package.date)?;
    let layer = layer.into_inner()?;
    let diff = format!("sha256:{}", sha256(&layer));
    let layer = blobs.put(LAYER, layer);
    let architecture = contents.machine.short();
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "config": {"Entrypoint": ["/usr/bin/pinnace"], "Cmd": ["run"], "WorkingDir": "/", "Volumes": {&contents.state_dir: {}}},
        "rootfs": {"type": "layers", "diff_ids": [diff]},
    });
    let config = blobs.put(CONFIG, config.to_string().into_bytes());
    let annotations = json!({
        "org.opencontainers.image.title": super::NAME,
        "org.opencontainers.image.description": SUMMARY,
        "org.opencontainers.image.version": package.version,
        "org.opencontainers.image.licenses": super::LICENSE,
    });
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer], "annotations": annotations});
    let mut descriptor = blobs.put(MANIFEST, manifest.to_string().into_bytes());
    descriptor["platform"] = json!({"architecture": architecture, "os": "linux"});
    Ok(descriptor)
}
