//! What the next targets say.

use super::{
    command::TargetsLife,
    folder::{Folder, ROOT, TARGETS, failed, in_days, write},
};
use crate::{failure::Failure, package::Machine};
use protocol::release::{Release, is_word};
use signing::{AwsLc, Draft, TargetPlan, targets};
use std::{fs, path::Path};
use trust::Crypto;

/// What people say of a release.
pub(super) struct Named {
    pub(super) generation: i64,
    pub(super) version: String,
    pub(super) channel: String,
}

/// The command `build`.
pub(super) fn build(folder: &Folder, binary: &Path, named: Named, life: TargetsLife) -> Result<(), Failure> {
    let wrong = |because: String| failed(&format!("cannot release {}", binary.display()), because);
    let bytes = fs::read(binary).map_err(|cause| wrong(cause.to_string()))?;
    if folder.newest(ROOT)?.is_none() && folder.staged(ROOT)?.is_none() {
        return Err(wrong("there is no root".into()).hinted("pinnacectl release init comes first"));
    }
    let machine = Machine::of(&bytes).map(Machine::name).ok_or_else(|| wrong("it is not a program for x86_64 or aarch64".into()))?;
    crate::stamp::stamped(&bytes).map_err(|because| wrong(because.to_string()).hinted("stamp it first: pinnacectl stamp"))?;
    if named.generation < 1 || !is_word(&named.version) || !matches!(named.channel.as_str(), "stable" | "canary") {
        return Err(wrong("a generation is 1 or more, a version letters, digits and _.-+, a channel stable or canary".into()));
    }
    let (version, mut plans) = folder.targets()?;
    let platform = format!("{machine}-linux");
    let of_platform = || plans.iter().filter(|plan| plan.release.platform == platform);
    if let Some(newest) = of_platform().map(|plan| plan.release.generation).max().filter(|newest| *newest >= named.generation) {
        return Err(wrong(format!("generation {newest} is there for {platform}")).hinted("generations only grow"));
    }
    let minimum = floor_of(&plans);
    let plan = TargetPlan {
        path: format!("pinnace/{}/pinnace-{machine}", named.generation),
        length: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
        sha256: AwsLc.sha256(&bytes).to_vec(),
        release: Release { generation: named.generation, channel: named.channel, minimum, platform, version: named.version },
    };
    write(&folder.target_path(&plan), &bytes)?;
    println!("{} ({} bytes, sha256 {}) is staged in targets {version}", plan.path, plan.length, protocol::hex_encode(&plan.sha256));
    plans.push(plan);
    stage(folder, version, &plans, life)
}

/// The command `withdraw`.
pub(super) fn withdraw(folder: &Folder, generation: i64, life: TargetsLife) -> Result<(), Failure> {
    let (version, mut plans) = folder.targets()?;
    let before = plans.len();
    let floor = floor_of(&plans);
    plans.retain(|plan| plan.release.generation != generation);
    if plans.len() == before {
        return Err(failed("cannot withdraw it", format!("there is no generation {generation}")));
    }
    if plans.is_empty() && floor > 0 {
        return Err(failed("cannot withdraw it", "it is the last, and carries the floor").hinted("build another generation first"));
    }
    plans.iter_mut().for_each(|plan| plan.release.minimum = floor);
    println!("generation {generation} is not in targets {version}");
    stage(folder, version, &plans, life)
}

/// The command `floor`.
pub(super) fn floor(folder: &Folder, generation: i64, life: TargetsLife) -> Result<(), Failure> {
    let (version, mut plans) = folder.targets()?;
    let held = floor_of(&plans);
    if generation < held {
        return Err(failed("cannot set the floor", format!("it is {held} already")).hinted("a floor only rises"));
    }
    if !plans.iter().any(|plan| plan.release.generation >= generation) {
        return Err(failed("cannot set the floor", format!("no release would be above {generation}")).hinted("build one first"));
    }
    plans.iter_mut().for_each(|plan| plan.release.minimum = generation);
    println!("the floor is generation {generation} in targets {version}");
    stage(folder, version, &plans, life)
}

/// The command `renew`.
pub(super) fn renew(folder: &Folder, life: TargetsLife) -> Result<(), Failure> {
    let (version, plans) = folder.targets()?;
    println!("targets {version} are staged");
    stage(folder, version, &plans, life)
}

fn stage(folder: &Folder, version: i64, plans: &[TargetPlan], life: TargetsLife) -> Result<(), Failure> {
    folder.stage(TARGETS, &Draft::new(targets(version, in_days(life.targets_days), plans)))
}

fn floor_of(plans: &[TargetPlan]) -> i64 {
    protocol::release::floor(plans.iter().map(|plan| &plan.release))
}
