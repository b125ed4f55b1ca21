//! The signed part of root and targets, as values.

use crate::key::PublicKey;
use protocol::{
    hex_encode,
    json::{Value, object},
    release::Release,
};
use trust::format_date;

pub(crate) const SPECIFICATION: &str = "1.0.31";

/// Which keys shall speak for which role.
#[derive(Clone, Debug)]
pub struct RootPlan {
    /// Its version.
    pub version: i64,
    /// When it ends, seconds since 1970.
    pub expires: i64,
    /// The keys that vouch for the next root.
    pub root: (Vec<PublicKey>, i64),
    /// The keys that vouch for releases.
    pub targets: (Vec<PublicKey>, i64),
    /// The control plane's keys for snapshot and timestamp.
    pub online: Vec<PublicKey>,
}

/// A root.
#[must_use]
pub fn root(plan: &RootPlan) -> Value {
    let mut keys: Vec<&PublicKey> = plan.root.0.iter().chain(&plan.targets.0).chain(&plan.online).collect();
    keys.sort_by(|one, other| one.id().cmp(other.id()));
    keys.dedup();
    let role = |keys: &[PublicKey], threshold: i64| {
        let ids = keys.iter().map(|key| Value::from(key.id())).collect();
        object([("keyids", Value::Array(ids)), ("threshold", threshold.into())])
    };
    object([
        ("_type", "root".into()),
        ("spec_version", SPECIFICATION.into()),
        ("consistent_snapshot", true.into()),
        ("version", plan.version.into()),
        ("expires", format_date(plan.expires).into()),
        ("keys", Value::Object(keys.iter().map(|key| (key.id().to_owned(), key.value().clone())).collect())),
        (
            "roles",
            object([
                ("root", role(&plan.root.0, plan.root.1)),
                ("targets", role(&plan.targets.0, plan.targets.1)),
                ("snapshot", role(&plan.online, 1)),
                ("timestamp", role(&plan.online, 1)),
            ]),
        ),
    ])
}

/// The plan that a root in force was made from, for its successor.
#[must_use]
pub fn next_root(signed: &Value) -> Option<RootPlan> {
    let keys = signed.get("keys")?;
    let role = |name: &str| {
        let role = signed.get("roles")?.get(name)?;
        let ids = role.get("keyids")?.as_array()?.iter().map(|id| PublicKey::from_value(keys.get(id.as_str()?)?));
        Some((ids.collect::<Option<Vec<_>>>()?, role.get("threshold")?.as_i64()?))
    };
    Some(RootPlan {
        version: signed.get("version")?.as_i64()?.checked_add(1)?,
        expires: trust::parse_date(signed.get("expires")?.as_str()?)?,
        root: role("root")?,
        targets: role("targets")?,
        online: role("timestamp")?.0,
    })
}

/// One target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetPlan {
    /// Its path.
    pub path: String,
    /// Its length in bytes.
    pub length: i64,
    /// SHA-256 of its bytes.
    pub sha256: Vec<u8>,
    /// What it says of itself.
    pub release: Release,
}

impl TargetPlan {
    /// From metadata.
    #[must_use]
    pub fn read(path: &str, value: &Value) -> Option<Self> {
        Some(Self {
            path: path.to_owned(),
            length: value.get("length")?.as_i64()?,
            sha256: protocol::hex_decode(value.get("hashes")?.get("sha256")?.as_str()?)?,
            release: Release::from_custom(value.get("custom")?)?,
        })
    }
}

/// Targets.
#[must_use]
pub fn targets(version: i64, expires: i64, targets: &[TargetPlan]) -> Value {
    let target = |target: &TargetPlan| {
        let hashes = object([("sha256", hex_encode(&target.sha256).into())]);
        (target.path.clone(), object([("length", target.length.into()), ("hashes", hashes), ("custom", target.release.to_custom())]))
    };
    object([
        ("_type", "targets".into()),
        ("spec_version", SPECIFICATION.into()),
        ("version", version.into()),
        ("expires", format_date(expires).into()),
        ("targets", Value::Object(targets.iter().map(target).collect())),
    ])
}
