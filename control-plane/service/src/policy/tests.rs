use super::*;
use std::collections::HashMap;

fn policy(text: &str) -> Result<Policy, String> {
    let secrets = HashMap::from([("s.json".to_string(), br#"{"key":"k"}"#.to_vec()), ("bad.json".to_string(), b"{\"key\":1}".to_vec())]);
    Policy::new(toml::from_str(text).map_err(|error| error.to_string())?, &secrets)
}

fn says(policy: &Policy, host: &str, labels: &[(&str, &str)], name: &str) -> &'static str {
    let labels = labels.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect();
    match policy.decide(&HostId::new("example.org", host).unwrap(), &labels, name) {
        Decision::Granted(_) => "granted",
        Decision::Denied => "denied",
        Decision::Unknown => "unknown",
    }
}

#[test]
fn what_no_rule_grants_is_denied() {
    let text = "[[credential]]\nname='db'\nkind='jwt'\naudience=['a']\nhosts=['web-*','db-1']\n[[credential]]\nname='none'\nkind='secret'\nfile='s.json'\nhosts=[]\n[[credential]]\nname='bare'\nkind='secret'\nfile='s.json'";
    let policy = policy(text).unwrap();
    assert_eq!(says(&policy, "web-7", &[], "db"), "granted");
    assert_eq!(says(&policy, "db-1", &[], "db"), "granted");
    assert_eq!(says(&policy, "db-12", &[], "db"), "denied");
    assert_eq!(says(&policy, "web-7", &[], "none"), "denied");
    assert_eq!(says(&policy, "web-7", &[], "bare"), "denied");
    assert_eq!(says(&policy, "web-7", &[], "other"), "unknown");
}

#[test]
fn labels_decide_and_every_demand_must_be_met() {
    let text =
        "[[credential]]\nname='db'\nkind='jwt'\naudience=['a']\nlabels=['role=web','env!=dev','site']\n[[credential.allow]]\nhosts=['vault-1']";
    let policy = policy(text).unwrap();
    assert_eq!(says(&policy, "a", &[("role", "web"), ("site", "x")], "db"), "granted");
    assert_eq!(says(&policy, "a", &[("role", "web"), ("site", "x"), ("env", "dev")], "db"), "denied");
    assert_eq!(says(&policy, "a", &[("role", "web")], "db"), "denied");
    assert_eq!(says(&policy, "vault-1", &[], "db"), "granted");
    let host = HostId::new("example.org", "a").unwrap();
    let why = policy.explain(&host, &Labels::from([("role".into(), "db".into())]), "db").unwrap();
    assert_eq!(
        why.iter().map(|(_, held)| held.clone().unwrap_err().to_string()).collect::<Vec<_>>(),
        ["the host's labels do not meet role=web", "the host's name is not among them"]
    );
}

#[test]
fn a_rule_is_said_as_a_person_says_it() {
    let rules = [
        ("hosts=['*']", "every host"),
        ("labels=['role=web']", "every host with the label role=web"),
        ("hosts=['web-*','db-1']", "hosts named web-* or db-1"),
        ("hosts=['web-*']\nlabels=['role=web','env!=dev','gpu']", "hosts named web-* with the labels role=web and env!=dev and gpu"),
        ("hosts=[]", "no host"),
    ];
    for (rule, said) in rules {
        let policy = policy(&format!("[[credential]]\nname='db'\nkind='jwt'\naudience=['a']\n{rule}\n")).unwrap();
        let why = policy.explain(&HostId::new("example.org", "a").unwrap(), &Labels::new(), "db").unwrap();
        assert_eq!(why.iter().map(|(rule, _)| rule.as_str()).collect::<Vec<_>>(), [said]);
    }
}

#[test]
fn a_policy_that_means_nothing_is_refused_whole() {
    for text in [
        "[[credential]]\nname='db'\nkind='jwt'\nhosts=['*']",
        "[[credential]]\nname='db'\nkind='jwt'\naudience=['a']\nhosts=['*b']",
        "[[credential]]\nname='../db'\nkind='jwt'\naudience=['a']\nhosts=['*']",
        "[[credential]]\nname='db'\nkind='jwt'\naudience=['a']\nhosts=['*']\nlifetime_seconds=0",
        "[[credential]]\nname='db'\nkind='jwt'\naudience=['a']\nfile='s.json'\nhosts=['*']",
        "[[credential]]\nname='db'\nkind='jwt'\naudience=['a']\nalgorithm='none'\nhosts=['*']",
        "[[credential]]\nname='db'\nkind='jwt'\naudience=['a']\nsubject='{nothing}'\nhosts=['*']",
        "[[credential]]\nname='db'\nkind='jwt'\naudience=['a']\nlabels=['a b=c']",
        "[[credential]]\nname='db'\nkind='secret'\nfile='bad.json'\nhosts=['*']",
        "[[credential]]\nname='db'\nkind='secret'\nexec=['relative']\nhosts=['*']",
        "[[credential]]\nname='db'\nkind='ssh'\ncertificate='host'\nhosts=['*']",
        "[[credential]]\nname='db'\nkind='ssh'\ncertificate='user'\nprincipals=['a']\nextensions=['permit-ptty']",
        "[[credential]]\nname='db'\nkind='ssh'\ncertificate='user'\nprincipals=['a']\nextensions=['force-command=']",
        "[[credential]]\nname='db'\nkind='x'\nhosts=['*']",
        "[[credential]]\nname='db'\nkind='jwt'\naudience=['a']\nhosts=['*']\ntypo=1",
    ] {
        assert!(policy(text).is_err(), "{text}");
    }
}
