//! The policy, as operators look at it and change it.

use crate::{
    desk::{Desk, body, refused},
    rig::eventually,
};
use serde_json::{Value, json};
use std::{process::Command, thread};

#[test]
fn a_policy_is_checked_compared_explained_and_put_in_force_on_what_it_was_made_on() {
    let desk = Desk::with_host();
    let web = desk.domain.host("web-1");
    let fetch = || desk.server.curl(&web, "/v1/credentials/db", &[]);
    let post = |path: &str, asked: Value| desk.post(path, &asked);
    let text = "[[credential]]\nname = \"db\"\nkind = \"jwt\"\naudience = [\"a\"]\nlabels = [\"role=db\"]\n";
    assert_eq!(body(&post("policy/check", json!({"text": text})))["credentials"], json!(["db"]));
    assert_eq!(refused(&post("policy/check", json!({"text": "[[credential]]"}))), (400, "policy.invalid".into()));
    let misspelt = body(&post("policy/check", json!({"text": format!("{text}lifetime = 5\n")})));
    assert!(misspelt["because"].as_str().unwrap().contains("line 6"), "the error has its place: {misspelt}");
    let diff = body(&post("policy/diff", json!({"text": text})));
    assert_eq!((&diff["touched"], &diff["lost"]), (&json!(1), &json!(2)), "{diff}");
    let why = body(&post("policy/explain", json!({"host": "web-1", "credential": "db", "text": text})));
    assert_eq!((why["decision"].as_str(), why["rules"][0]["because"].as_str()), (Some("denied"), Some("the host's labels do not meet role=db")));
    let apply = |on: i64, dry_run: bool| post("policy/apply", json!({"text": text, "on": on, "reason": "fewer", "dry_run": dry_run}));
    let tried = body(&apply(1, true));
    assert_eq!((&tried["dry_run"], &tried["touched"]), (&json!(true), &json!(1)));
    assert_eq!(fetch().status, 200, "a dry run changes nothing");
    assert_eq!(refused(&apply(7, false)), (409, "policy.overtaken".into()));
    assert_eq!(body(&apply(1, false))["number"], 2);
    eventually("the policy in force", || refused(&fetch()) == (403, "policy.denied".into()));
    let asked = json!({"names": ["web-1"], "action": "label", "labels": {"role": "db"}, "reason": "it is one"});
    assert_eq!(body(&post("hosts/change", asked))["touched"], 1);
    assert_eq!(fetch().status, 200, "labels are in force at once");
}

#[test]
fn a_policy_is_held_against_cases() {
    let desk = Desk::new();
    let text = "[[credential]]\nname = \"db\"\nkind = \"jwt\"\naudience = [\"a\"]\nlabels = [\"role=db\"]\n";
    let case = |labels: Value, credential: &str, expect: &str| json!({"host": "web-1", "labels": labels, "credential": credential, "expect": expect});
    let db = json!({"role": "db"});
    let cases = [case(db.clone(), "db", "granted"), case(json!({}), "db", "denied"), case(db.clone(), "none", "unknown"), case(db, "db", "denied")];
    let tested = body(&desk.post("policy/test", &json!({"text": text, "cases": cases})));
    assert_eq!(tested["failed"], 1);
    let holds: Vec<bool> = tested["cases"].as_array().unwrap().iter().map(|case| case["holds"].as_bool().unwrap()).collect();
    assert_eq!(holds, [true, true, true, false]);
    let in_force = body(&desk.post("policy/test", &json!({"cases": [case(json!({}), "db", "granted")]})));
    assert_eq!(in_force["failed"], 0);
}

/// Two who read the same version and apply at once: one is in force, and the other hears of it.
#[test]
fn of_those_who_apply_on_the_same_version_at_once_one_does() {
    let desk = Desk::new();
    let answers: Vec<(u16, String)> = thread::scope(|scope| {
        let apply = |at: usize| {
            let text = format!("[[credential]]\nname = \"db-{at}\"\nkind = \"jwt\"\naudience = [\"a\"]\nhosts = [\"*\"]\n");
            refused(&desk.post("policy/apply", &json!({"text": text, "on": 1, "reason": "a race"})))
        };
        let racers: Vec<_> = (0..6).map(|at| scope.spawn(move || apply(at))).collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|(status, _)| *status == 200).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|(_, code)| code == "policy.overtaken").count(), 5, "{answers:?}");
    assert_eq!(body(&desk.get("policy"))["number"], 2);
}

/// A viewer may have a policy looked at, and with it no file but those beside the policy.
#[test]
fn a_policy_names_no_file_outside_its_folder_and_none_without_an_end() {
    let desk = Desk::new();
    let folder = desk.domain.path("secrets");
    assert!(Command::new("mkfifo").arg(folder.join("pipe")).status().unwrap().success());
    std::fs::write(folder.join("long.json"), vec![b' '; (1 << 20) + 1]).unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.join("zero")).unwrap();
    let viewer = desk.operator("viewer", "eve");
    let judge = |file: &str| {
        let text = format!("[[credential]]\nname = \"s\"\nkind = \"secret\"\nfile = {file:?}\nhosts = [\"*\"]\n");
        desk.server.operate(&viewer, "/v1/operators/policy/check", Some(&json!({"text": text}).to_string()))
    };
    assert_eq!(judge("secrets/aws.json").status, 200);
    for file in ["/etc/hostname", "../x", "secrets/../../x", "/dev/zero", "secrets/zero", "secrets/pipe", "secrets/long.json", "secrets", ""] {
        let reply = judge(file);
        assert_eq!(refused(&reply), (400, "policy.invalid".into()), "{file}");
        let outside = file.starts_with('/') || file.contains("..");
        assert_eq!(body(&reply)["because"].as_str().unwrap().contains("leads out"), outside, "{file}: {reply:?}");
    }
    let key = judge("keys/jwt.key");
    assert!(key.status == 400 && !key.body.contains("PRIVATE"), "{key:?}");
}
