//! The first root, and its successors.

use super::{
    command::RootKeys,
    folder::{Folder, ROOT, TARGETS, failed, in_days},
    keys,
};
use crate::failure::Failure;
use protocol::hex_decode;
use signing::{Draft, PublicKey, RootPlan, root, targets};
use std::path::PathBuf;

const TARGETS_DAYS: i64 = 180;

/// The command `init`.
pub(super) fn init(folder: &Folder, typed: &RootKeys) -> Result<(), Failure> {
    if folder.newest(ROOT)?.is_some() {
        return Err(failed("cannot begin", "a root is in force already").hinted("pinnacectl release rotate-root stages its successor"));
    }
    if typed.root.is_empty() || typed.targets.is_empty() || typed.online.is_empty() {
        return Err(failed("cannot begin", "a root names keys for root and targets, and an online key")
            .hinted("--root-key, --targets-key and --online-key; pinnacectl release key and pinnaced keys make them"));
    }
    let none = || (Vec::new(), 1);
    let plan = RootPlan { version: 1, expires: 0, root: none(), targets: none(), online: Vec::new() };
    stage(folder, plan, typed)?;
    folder.stage(TARGETS, &Draft::new(targets(1, in_days(TARGETS_DAYS), &[])))?;
    println!("root 1 and targets 1 are staged; pinnacectl release sign, with enough keys of each");
    Ok(())
}

/// The command `rotate-root`.
pub(super) fn rotate(folder: &Folder, typed: &RootKeys) -> Result<(), Failure> {
    let plan = folder.next_root()?;
    let (version, old) = (plan.version, plan.targets.clone());
    let fresh = stage(folder, plan, typed)?;
    println!("root {version} is staged; enough keys of root {} and of root {version} must sign it", version - 1);
    if fresh.targets != old && folder.newest(TARGETS)?.is_some() {
        let (version, plans) = folder.targets()?;
        folder.stage(TARGETS, &Draft::new(targets(version, in_days(TARGETS_DAYS), &plans)))?;
        println!("targets {version} are staged with it: their keys changed");
    }
    Ok(())
}

fn stage(folder: &Folder, mut plan: RootPlan, typed: &RootKeys) -> Result<RootPlan, Failure> {
    let read = |paths: &[PathBuf]| paths.iter().map(|path| keys::public(path)).collect::<Result<Vec<_>, _>>();
    replace(&mut plan.root.0, read(&typed.root)?);
    replace(&mut plan.targets.0, read(&typed.targets)?);
    replace(&mut plan.online, typed.online.iter().map(|text| online(text)).collect::<Result<Vec<_>, _>>()?);
    plan.root.1 = typed.root_threshold.unwrap_or(plan.root.1);
    plan.targets.1 = typed.targets_threshold.unwrap_or(plan.targets.1);
    plan.expires = in_days(typed.root_days);
    for (role, (keys, threshold)) in [(ROOT, &plan.root), (TARGETS, &plan.targets)] {
        let count = i64::try_from(keys.len()).unwrap_or(i64::MAX);
        if !(1..=count).contains(threshold) {
            return Err(
                failed("cannot make this root", format!("{threshold} of {count} keys cannot sign for {role}")).hinted("correct the threshold")
            );
        }
    }
    folder.stage(ROOT, &Draft::new(root(&plan)))?;
    Ok(plan)
}

fn replace(keys: &mut Vec<PublicKey>, named: Vec<PublicKey>) {
    if !named.is_empty() {
        *keys = named;
        keys.dedup();
    }
}

fn online(text: &str) -> Result<PublicKey, Failure> {
    let bytes = hex_decode(text).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let bytes = bytes.ok_or_else(|| failed("cannot use the online key", format!("{text:?} is not 64 hexadecimal digits")));
    Ok(PublicKey::ed25519(&bytes.map_err(|failure| failure.hinted("pinnacectl keys list shows it"))?))
}
