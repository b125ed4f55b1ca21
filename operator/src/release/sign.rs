//! Signatures: who may sign what, and who has.

use super::{
    blob,
    command::Passphrase,
    folder::{Folder, ROOT, TARGETS, failed},
    keys,
};
use crate::{ask::Ask, failure::Failure, print};
use serde_json::{Value, json};
use signing::{Draft, RootPlan, Signed, next_root, sign as add_signature};
use std::path::Path;

/// The command `sign`.
pub(super) fn sign(folder: &Folder, key: &Path, passphrase: &Passphrase) -> Result<(), Failure> {
    let key = keys::open(key, passphrase)?;
    let mut signed = 0;
    for role in [ROOT, TARGETS] {
        let Some(mut draft) = folder.staged(role)? else { continue };
        if !signers(folder, role, &draft)?.iter().any(|group| group.ids.iter().any(|id| id == key.public().id())) {
            continue;
        }
        let outcome = add_signature(&mut draft, &key).map_err(|error| failed("cannot sign", error))?;
        folder.stage(role, &draft)?;
        signed += 1;
        println!("{role} {}: {}", version(&draft), if outcome == Signed::Added { "signed" } else { "was signed by this key already" });
        if role == TARGETS {
            bundles(folder, &key)?;
        }
    }
    if signed == 0 {
        let because = format!("key {} may sign nothing that is staged", key.public().id());
        return Err(failed("cannot sign", because).hinted("pinnacectl release status says who may"));
    }
    Ok(())
}

/// Writes the bundle that cosign verifies beside each target that has none.
fn bundles(folder: &Folder, key: &signing::OfflineKey) -> Result<(), Failure> {
    for plan in folder.targets()?.1 {
        let path = folder.target_path(&plan);
        if !blob::path(&path).exists() {
            blob::write_bundle(&path, key)?;
        }
    }
    Ok(())
}

/// Keys of which a number must sign.
pub(super) struct Group {
    what: String,
    ids: Vec<String>,
    threshold: i64,
}

/// A root's successor needs two groups: the keys of the root in force, and its own.
fn signers(folder: &Folder, role: &str, draft: &Draft) -> Result<Vec<Group>, Failure> {
    let plan_of = |draft: &Draft| next_root(draft.signed());
    let in_force = folder.newest(ROOT)?.and_then(|(_, bytes)| plan_of(&Draft::read(&bytes)?));
    let staged = if role == ROOT { plan_of(draft) } else { folder.staged(ROOT)?.as_ref().and_then(plan_of) };
    let group = |plan: RootPlan| {
        let (keys, threshold) = if role == ROOT { plan.root } else { plan.targets };
        Group { what: format!("root {}", plan.version - 1), ids: keys.iter().map(|key| key.id().to_owned()).collect(), threshold }
    };
    if role == ROOT {
        return Ok([in_force, staged].into_iter().flatten().map(group).collect());
    }
    Ok(staged.or(in_force).map(group).into_iter().collect())
}

fn version(draft: &Draft) -> i64 {
    draft.signed().get("version").and_then(protocol::json::Value::as_i64).unwrap_or(0)
}

/// The command `status`.
pub(super) fn status(ask: &Ask, folder: &Folder) -> Result<(), Failure> {
    let mut staged = Vec::new();
    for role in [ROOT, TARGETS] {
        let Some(draft) = folder.staged(role)? else { continue };
        for group in signers(folder, role, &draft)? {
            let have = group.ids.iter().filter(|id| draft.signers().any(|signer| signer == *id)).count();
            let missing: Vec<&String> = group.ids.iter().filter(|id| !draft.signers().any(|signer| signer == *id)).collect();
            staged.push(json!({
                "role": role, "version": version(&draft), "keys_of": group.what, "signatures": have, "needed": group.threshold, "may_still_sign": missing,
            }));
        }
    }
    let in_force: Vec<Value> = [ROOT, TARGETS]
        .iter()
        .filter_map(|role| Some((role, folder.newest(role).ok()??.0)))
        .map(|(role, version)| json!({"role": role, "version": version}))
        .collect();
    let releases: Vec<Value> = folder.targets()?.1.iter().map(|plan| {
        let release = &plan.release;
        json!({"target": plan.path, "generation": release.generation, "version": release.version, "channel": release.channel, "platform": release.platform, "minimum_generation": release.minimum})
    }).collect();
    ask.show(&json!({"version": 1, "staged": staged, "in_force": in_force, "releases": releases}), |all| {
        let row = |value: &Value, members: &[&str]| members.iter().map(|member| print::text(value, member)).collect::<Vec<_>>();
        println!("in force:");
        print::table(&["ROLE", "VERSION"], print::items(all, "in_force").map(|value| row(value, &["role", "version"])).collect());
        println!("\nstaged:");
        let members = ["role", "version", "keys_of", "signatures", "needed", "may_still_sign"];
        print::table(
            &["ROLE", "VERSION", "KEYS OF", "SIGNED BY", "NEEDED", "MAY STILL SIGN"],
            print::items(all, "staged").map(|value| row(value, &members)).collect(),
        );
        println!("\nreleases, with those staged:");
        let members = ["generation", "version", "channel", "platform", "minimum_generation", "target"];
        print::table(
            &["GENERATION", "VERSION", "CHANNEL", "PLATFORM", "FLOOR", "TARGET"],
            print::items(all, "releases").map(|value| row(value, &members)).collect(),
        );
    });
    Ok(())
}
