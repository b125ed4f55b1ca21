//! Every attack on updates that TUF names, and some more, against the real client: each is refused for a reason of its own, in a run
//! that brings the credential all the same.

use super::liar::{Lied, Served};
use super::repository::{PLATFORM, Repository, assignment, key, signed, signed_as};
use protocol::json::{Value, object};
use protocol::release::Release;
use signing::{Draft, OfflineKey};
use tests::evil::authority::now;

/// Not a program: whatever is taken here never has to run.
const BYTES: &[u8] = b"the bytes that were signed";
const DAY: i64 = 86_400;

/// A host that has taken generation 1, with generation 2 published after it.
fn after_two() -> (Lied, String) {
    let mut lied = Lied::new();
    let first = lied.repository.release(1, BYTES);
    lied.serve(&first);
    lied.expect_taken();
    let second = lied.repository.release(2, b"the bytes of the second");
    (lied, second)
}

#[test]
fn an_arbitrary_package_that_nobody_signed_is_refused() {
    let (lied, _) = after_two();
    let evil = "pinnace/9/pinnace-x86_64";
    lied.serve(evil);
    lied.says().files.insert("targets/pinnace/9/pinnace-x86_64".into(), b"evil".to_vec());
    lied.expect_refused("update.no-such-target");
}

#[test]
fn a_mirror_that_lies_about_a_files_bytes_is_found_out() {
    let (mut lied, second) = after_two();
    let file = lied.repository.file(&second);
    let good = lied.repository.files[&file].clone();
    let mut flipped = good.clone();
    flipped[3] ^= 1;
    lied.repository.files.insert(file, flipped);
    lied.serve(&second);
    lied.expect_refused("update.wrong-file");
    let file = lied.repository.file(&second);
    lied.repository.files.insert(file, good);
    lied.serve(&second);
    lied.expect_taken();
}

#[test]
fn a_rollback_to_older_metadata_is_refused() {
    let (mut lied, second) = after_two();
    let old = lied.repository.files.clone();
    lied.repository.publish();
    lied.serve(&second);
    lied.expect_taken();
    // Everything as it was a version ago.
    *lied.says() = Served { assignment: assignment(&second), files: old, ..Served::default() };
    lied.expect_refused("update.rollback");
    // With the online key stolen: new snapshot and timestamp over targets of a version ago.
    let version = lied.repository.version;
    lied.repository.vouch(version + 1, version - 1, (now() + DAY, now() + DAY));
    lied.serve(&second);
    lied.expect_refused("update.rollback");
}

#[test]
fn a_fast_forward_is_refused_afterwards_until_a_new_key_mends_it() {
    let (mut lied, second) = after_two();
    let honest = lied.repository.version;
    // With the online key stolen: the versions are driven to their end.
    lied.repository.vouch(i64::MAX, honest, (now() + DAY, now() + DAY));
    lied.serve(&second);
    lied.expect_taken();
    lied.repository.publish();
    lied.serve(&second);
    lied.expect_refused("update.rollback");
    lied.repository.replace_online_key();
    lied.repository.publish();
    lied.serve(&second);
    lied.expect_taken();
}

#[test]
fn a_freeze_ends_with_what_is_frozen_whichever_role_it_is() {
    let (mut lied, second) = after_two();
    let version = lied.repository.version;
    let (ended, good) = (now() - 1, now() + DAY);
    for ends in [(good, ended), (ended, good)] {
        lied.repository.vouch(version, version, ends);
        lied.serve(&second);
        lied.expect_refused("update.expired");
    }
    lied.repository.vouch(version, version, (good, good));
    lied.repository.publish_targets(ended);
    lied.serve(&second);
    lied.expect_refused("update.expired");
    lied.repository.publish_targets(good);
    (lied.repository.root.version, lied.repository.root.expires) = (2, ended);
    lied.repository.publish_root();
    lied.serve(&second);
    lied.expect_refused("update.expired");
}

#[test]
fn mix_and_match_of_different_moments_is_refused() {
    let (lied, second) = after_two();
    let (before, after) = (lied.repository.version - 1, lied.repository.version);
    // From the top down: what was believed of a moment is kept and not asked for again.
    for role in ["snapshot", "targets"] {
        lied.serve(&second);
        let old = lied.repository.files[&format!("metadata/{before}.{role}.json")].clone();
        lied.says().files.insert(format!("metadata/{after}.{role}.json"), old);
        lied.expect_refused("update.mixed");
    }
    lied.serve(&second);
    lied.expect_taken();
}

#[test]
fn metadata_signed_by_a_wrong_key_is_refused_whichever_role_it_is() {
    let (mut lied, second) = after_two();
    let strangers = [key(), key()];
    // Keys that nobody named; the right keys of another role; one key too few.
    let groups: [&[OfflineKey]; 3] = [&strangers, &lied.repository.root_keys, &lied.repository.targets_keys[..1]];
    let drafts: Vec<Draft> = groups.map(|keys| signed(lied.repository.targets(), keys)).into();
    for draft in drafts {
        lied.repository.put_targets(&draft);
        lied.serve(&second);
        lied.expect_refused("update.unsigned");
    }
    lied.repository.publish_targets(now() + DAY);
    // A root that its own keys signed, and those of the root before it did not.
    let mut theirs = Repository::new();
    theirs.root.version = 2;
    theirs.publish_root();
    lied.serve(&second);
    lied.says().files.insert("metadata/2.root.json".into(), theirs.files["metadata/2.root.json"].clone());
    lied.expect_refused("update.unsigned");
    // Snapshot and timestamp of an online key that the root does not name.
    theirs.vouch(lied.repository.version + 1, lied.repository.version, (now() + DAY, now() + DAY));
    lied.serve(&second);
    lied.says().files.insert("metadata/timestamp.json".into(), theirs.files["metadata/timestamp.json"].clone());
    lied.expect_refused("update.unsigned");
}

#[test]
fn one_key_does_not_reach_a_threshold_of_two_however_often_it_signs() {
    let mut repository = Repository::new();
    let first = repository.release(1, BYTES);
    // The root names one key under two identifiers.
    let (id, other) = (repository.targets_keys[0].public().id().to_owned(), "ab".repeat(32));
    let root = under_two_names(&signing::root(&repository.root), &id, &other);
    repository.files.insert("metadata/1.root.json".into(), signed(root, &repository.root_keys).to_bytes());
    let name = format!("metadata/{}.targets.json", repository.version);
    let lied = Lied::with(repository, 10);
    let (targets, stolen) = (lied.repository.targets(), &lied.repository.targets_keys[0]);
    lied.serve(&first);
    for (signatures, code) in [
        (vec![(id.as_str(), stolen), (other.as_str(), stolen)], "update.unsigned"),
        (vec![(id.as_str(), stolen), (id.as_str(), stolen)], "update.malformed"),
        (vec![(id.as_str(), stolen)], "update.unsigned"),
    ] {
        lied.says().files.insert(name.clone(), signed_as(&targets, &signatures));
        lied.expect_refused(code);
    }
}

/// A root in which one key of the targets stands under two identifiers, and both may sign.
fn under_two_names(root: &Value, id: &str, other: &str) -> Value {
    let keys = root.get("keys").and_then(Value::as_object).unwrap();
    let mut keys: Vec<(String, Value)> = keys.to_vec();
    keys.push((other.to_owned(), root.get("keys").unwrap().get(id).unwrap().clone()));
    let ids = Value::Array(vec![id.into(), other.into()]);
    let targets = object([("keyids", ids), ("threshold", 2.into())]);
    let roles = root.get("roles").and_then(Value::as_object).unwrap().iter();
    let roles = roles.map(|(name, role)| (name.clone(), if name == "targets" { targets.clone() } else { role.clone() })).collect();
    let members = root.as_object().unwrap().iter();
    let changed = members.map(|(name, value)| match name.as_str() {
        "keys" => (name.clone(), Value::Object(keys.clone())),
        "roles" => (name.clone(), Value::Object(Vec::clone(&roles))),
        _ => (name.clone(), value.clone()),
    });
    Value::Object(changed.collect())
}

#[test]
fn endless_data_is_cut_off_wherever_it_comes() {
    let (lied, second) = after_two();
    let version = lied.repository.version;
    for name in [
        "metadata/2.root.json".to_owned(),
        "metadata/timestamp.json".to_owned(),
        format!("metadata/{version}.snapshot.json"),
        format!("metadata/{version}.targets.json"),
        lied.repository.file(&second),
    ] {
        lied.serve(&second);
        lied.says().endless = Some(name);
        lied.expect_refused("update.too-large");
    }
}

#[test]
fn slow_retrieval_ends_with_the_run_and_is_gone_on_with_by_the_next() {
    let mut repository = Repository::new();
    let first = repository.release(1, BYTES);
    let lied = Lied::with(repository, 2);
    for name in ["metadata/timestamp.json".to_owned(), lied.repository.file(&first)] {
        lied.serve(&first);
        lied.says().slow = Some(name);
        let outcome = lied.expect_refused("update.slow");
        assert!(outcome.elapsed.as_secs_f32() < 3.5, "{outcome:#?}");
    }
    lied.serve(&first);
    lied.expect_taken();
}

/// What stands outside the signed part is acted on by nobody: each of these would be taken if it were.
#[test]
fn a_field_outside_the_signed_part_is_never_acted_on() {
    let (mut lied, second) = after_two();
    let (good, version) = (now() + DAY, lied.repository.version);
    // A target that only an unsigned member names.
    let evil = "pinnace/9/pinnace-x86_64";
    let targets = lied.repository.targets();
    let one = targets.get("targets").unwrap().get(&second).unwrap().clone();
    let name = format!("metadata/{version}.targets.json");
    lied.repository.add_unsigned(&name, &[("targets", object([(evil, one)]))]);
    lied.serve(evil);
    lied.expect_refused("update.no-such-target");
    // An end that only an unsigned member puts off.
    lied.repository.vouch(version + 1, version, (good, now() - 1));
    let later = ("expires", Value::from(trust::format_date(good).as_str()));
    lied.repository.add_unsigned("metadata/timestamp.json", &[later, ("version", i64::MAX.into())]);
    lied.serve(&second);
    lied.expect_refused("update.expired");
    // An assignment that says more than which target.
    lied.repository.version += 1;
    lied.repository.release_as(of(3, "aarch64-linux", 0), b"another platform");
    lied.serve(&second);
    lied.says().assignment = "{\"version\":1,\"target\":\"pinnace/3/pinnace-x86_64\",\"platform\":\"x86_64-linux\",\"generation\":99,\
        \"sha256\":\"00\",\"length\":1,\"url\":\"https://evil.example/\",\"minimum_generation\":0,\"force\":true}"
        .to_owned();
    lied.expect_refused("update.wrong-platform");
}

fn of(generation: i64, platform: &str, minimum: i64) -> Release {
    Release { generation, channel: "stable".into(), minimum, platform: platform.into(), version: "1".into() }
}

#[test]
fn a_release_for_another_platform_is_refused() {
    let (mut lied, _) = after_two();
    let other = lied.repository.release_as(of(3, "aarch64-linux", 0), b"another platform");
    lied.serve(&other);
    lied.expect_refused("update.wrong-platform");
}

#[test]
fn a_generation_below_the_floor_is_refused_also_once_the_floor_is_gone_from_the_metadata() {
    let (mut lied, second) = after_two();
    let third = lied.repository.release_as(of(3, PLATFORM, 3), b"the third");
    lied.serve(&second);
    lied.expect_refused("update.below-floor");
    lied.serve(&third);
    lied.expect_taken();
    // With the keys of the targets stolen: the floor is taken away again.
    lied.repository.releases.retain(|plan| plan.release.minimum == 0);
    lied.repository.publish();
    lied.serve(&second);
    lied.expect_refused("update.below-floor");
}

#[test]
fn a_root_out_of_its_order_is_refused() {
    let (mut lied, second) = after_two();
    lied.repository.root.version = 3;
    lied.repository.publish_root();
    let third = lied.repository.files["metadata/3.root.json"].clone();
    lied.serve(&second);
    lied.says().files.insert("metadata/2.root.json".into(), third);
    lied.expect_refused("update.wrong-version");
}

/// A portal answers in the control plane's place, after it gave the credential.
#[test]
fn a_portals_page_is_no_metadata_and_no_assignment() {
    let (lied, second) = after_two();
    let page = b"<html>Please log in</html>".to_vec();
    for name in
        ["metadata/2.root.json".to_owned(), "metadata/timestamp.json".to_owned(), format!("metadata/{}.targets.json", lied.repository.version)]
    {
        lied.serve(&second);
        lied.says().files.insert(name, page.clone());
        lied.expect_refused("update.not-metadata");
    }
    lied.serve(&second);
    lied.says().assignment = "{\"target\":7}".to_owned();
    lied.expect_refused("update.not-metadata");
}
