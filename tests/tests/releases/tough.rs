//! Amazon's implementation: it makes repositories, and takes ours.

use super::ground::Ground;
use aws_lc_rs::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use std::{
    fs,
    num::NonZeroU64,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};
use tough::{
    Bytes, IntoVec as _, RepositoryLoader, TargetName, Transport, TransportError, TransportErrorKind, TransportStream, async_trait,
    editor::{
        RepositoryEditor,
        signed::{PathExists, SignedRole},
    },
    key_source::{KeySource, LocalKeySource},
    schema::{KeyHolder, Root, key::Key},
};
use url::Url;

/// What [`make_targets`] calls its file.
pub(crate) const TARGET: &str = "pinnace-x86_64";
const ROLES: [&str; 4] = ["root", "targets", "snapshot", "timestamp"];
const DAYS: i64 = 30;
const PIECE_BYTES: usize = 200_000;

/// A root whose roles are a key of its own, and for snapshot and timestamp a control plane's as well.
pub(crate) fn make_root(folder: &Path, online: &str) {
    fs::create_dir_all(folder.join("metadata")).unwrap();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &ring::rand::SystemRandom::new()).unwrap();
    fs::write(key_path(folder), pkcs8.as_ref()).unwrap();
    wait(async {
        let own = keys(folder)[0].as_sign().await.unwrap().tuf_key();
        let online: Key = serde_json::from_value(json!({"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": online}})).unwrap();
        let id = |key: &Key| serde_json::to_value(key.key_id().unwrap()).unwrap();
        let role = |role: &str| match role {
            "root" | "targets" => json!({"keyids": [id(&own)], "threshold": 1}),
            _ => json!({"keyids": [id(&own), id(&online)], "threshold": 1}),
        };
        let roles: serde_json::Map<String, Value> = ROLES.map(|name| (name.to_owned(), role(name))).into_iter().collect();
        let named = [&own, &online].map(|key| (id(key).as_str().unwrap().to_owned(), serde_json::to_value(key).unwrap()));
        let named: serde_json::Map<String, Value> = named.into_iter().collect();
        let root = json!({
            "_type": "root", "spec_version": "1.0.0", "consistent_snapshot": true, "version": 1, "expires": later(), "keys": named, "roles": roles,
        });
        let root: Root = serde_json::from_value(root).unwrap();
        let signed = SignedRole::new(root.clone(), &KeyHolder::Root(root), &keys(folder), &SystemRandom::new()).await.unwrap();
        signed.write(folder.join("metadata"), true).await.unwrap();
    });
}

/// Targets with this file as generation 1, and snapshot and timestamp over them.
pub(crate) fn make_targets(folder: &Path, candidate: &Path) {
    let release = json!({"generation": 1, "channel": "stable", "minimum_generation": 0, "platform": "x86_64-linux", "version": "1.0"});
    let build = folder.join("build");
    fs::create_dir_all(&build).unwrap();
    fs::copy(candidate, build.join(TARGET)).unwrap();
    wait(async {
        let (name, mut target) = RepositoryEditor::build_target(build.join(TARGET)).await.unwrap();
        target.custom.insert("pinnace".to_owned(), release);
        let mut editor = RepositoryEditor::new(folder.join("metadata/1.root.json")).await.unwrap();
        let one = NonZeroU64::MIN;
        editor.targets_version(one).unwrap().targets_expires(later().parse().unwrap()).unwrap().add_target(name, target).unwrap();
        editor.snapshot_version(one).snapshot_expires(later().parse().unwrap());
        editor.timestamp_version(one).timestamp_expires(later().parse().unwrap());
        let signed = editor.sign(&keys(folder)).await.unwrap();
        signed.copy_targets(&build, folder.join("targets"), PathExists::Fail).await.unwrap();
        signed.write(folder.join("metadata")).await.unwrap();
    });
}

/// What a control plane serves, from its first root to the bytes of a target: its generation and those, or what tough says against it.
pub(crate) fn takes(ground: &Ground, target: &str) -> Result<(i64, Vec<u8>), String> {
    let (base, ca, identity) = ground.served();
    let root = fs::read(ground.rig.path("domain/releases/metadata/1.root.json")).unwrap();
    let url = |name: &str| Url::parse(&format!("{base}/{name}/")).unwrap();
    wait(async {
        let loader = RepositoryLoader::new(&root, url("metadata"), url("targets")).transport(Mutual { ca, identity });
        let repository = loader.load().await.map_err(|error| error.to_string())?;
        let name = TargetName::new(target).unwrap();
        let (_, found) = repository.all_targets().find(|(known, _)| **known == name).ok_or("it is not there")?;
        let generation = found.custom["pinnace"]["generation"].as_i64().unwrap();
        let stream = repository.read_target(&name).await.map_err(|error| error.to_string())?.ok_or("it is not there")?;
        Ok((generation, stream.into_vec().await.map_err(|error| error.to_string())?))
    })
}

/// GET by curl over mutual TLS; a large file comes in pieces, each asked for by its range.
#[derive(Clone, Debug)]
struct Mutual {
    ca: PathBuf,
    identity: PathBuf,
}

#[async_trait]
impl Transport for Mutual {
    async fn fetch(&self, url: Url) -> Result<TransportStream, TransportError> {
        let mut bytes = Vec::new();
        loop {
            let range = format!("{}-{}", bytes.len(), bytes.len() + PIECE_BYTES - 1);
            let mut curl = Command::new("curl");
            curl.args(["-q", "-sS", "--fail", "--noproxy", "*", "--range", &range, "--cacert"]).arg(&self.ca).arg("--cert").arg(&self.identity);
            let output = curl.arg(spread(&url)).output().unwrap();
            match output.status.code() {
                Some(0) => bytes.extend(&output.stdout),
                // What the server says beyond the end of a file that is a whole number of pieces.
                Some(22) if !bytes.is_empty() => break,
                Some(22) => return Err(TransportError::new(TransportErrorKind::FileNotFound, url)),
                _ => {
                    return Err(TransportError::new_with_cause(TransportErrorKind::Other, url, String::from_utf8_lossy(&output.stderr).into_owned()));
                }
            }
            if output.stdout.len() != PIECE_BYTES {
                break;
            }
        }
        Ok(Box::pin(futures::stream::once(futures::future::ready(Ok(Bytes::from(bytes))))))
    }
}

/// tough looks for `HASH.a/b`, where the specification (section 6.2) and everybody else have `a/HASH.b`.
fn spread(url: &Url) -> String {
    let Some((base, name)) = url.as_str().split_once("/targets/") else { return url.to_string() };
    let (hash, path) = name.split_once('.').unwrap();
    let (folder, file) = path.rsplit_once('/').unwrap();
    format!("{base}/targets/{folder}/{hash}.{file}")
}

fn keys(folder: &Path) -> Vec<Box<dyn KeySource>> {
    vec![Box::new(LocalKeySource { path: key_path(folder) })]
}

fn key_path(folder: &Path) -> PathBuf {
    folder.join("tough.pkcs8")
}

fn later() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().cast_signed();
    trust::format_date(now + DAYS * 86_400)
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}
