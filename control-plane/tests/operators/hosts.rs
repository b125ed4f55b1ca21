//! Hosts on record, many at a time and by several operators at once.

use crate::{
    desk::{Desk, body, refused},
    rig::{Domain, Server},
};
use serde_json::{Value, json};
use std::thread;

#[test]
fn many_hosts_are_listed_in_pages_and_changed_in_batches() {
    const HOSTS: usize = 1100;
    let domain = Domain::new();
    let store = rusqlite::Connection::open(domain.path("pinnaced.db")).unwrap();
    let name = |at: usize| format!("web-{at:04}");
    store.execute_batch("BEGIN").unwrap();
    for at in 0..HOSTS {
        let record = json!({"labels": {"rack": if at < 700 { "a" } else { "b" }}}).to_string();
        let values = (name(at), i64::try_from(at).unwrap() + 1, record);
        store.execute("INSERT INTO objects (kind, name, revision, body) VALUES ('host', ?1, ?2, ?3)", values).unwrap();
    }
    store.execute_batch("COMMIT").unwrap();
    drop(store);
    let desk = Desk { server: Server::start(&domain), domain };

    let page = |asked: Value| body(&desk.post("hosts/find", &asked));
    let first = page(json!({"limit": 1000}));
    let last = first["hosts"][999]["name"].as_str().unwrap();
    assert_eq!((first["total"].as_u64(), last), (Some(1100), name(999).as_str()));
    let second = page(json!({"limit": 1000, "after": last}));
    assert_eq!(second["hosts"].as_array().unwrap().len(), 100);
    assert_eq!(page(json!({"hosts": "web-01*", "with_labels": {"rack": "a"}}))["total"], 100);

    let ban = |dry_run: bool| {
        body(&desk.post("hosts/change", &json!({"with_labels": {"rack": "a"}, "action": "ban", "reason": "fire", "dry_run": dry_run})))
    };
    let tried = ban(true);
    assert_eq!((&tried["touched"], tried["hosts"].as_array().unwrap().len()), (&json!(700), 100));
    assert_eq!(page(json!({"status": "banned"}))["total"], 0);
    assert_eq!(ban(false)["touched"], 700);
    assert_eq!(page(json!({"status": "banned"}))["total"], 700);
    assert_eq!(ban(false)["touched"], 0, "who is banned is not banned again");
    let named: usize = desk.changes().iter().map(|record| record["hosts"].as_str().unwrap().split(' ').count()).sum();
    assert_eq!((desk.changes().len(), named), (2, 700), "in batches of at most 500, each with the names");
}

#[test]
fn a_name_said_twice_is_one_host() {
    let desk = Desk::with_host();
    let ban = body(&desk.post("hosts/change", &json!({"names": ["web-1", "web-1"], "action": "ban", "reason": "twice"})));
    assert_eq!(ban["touched"], 1, "{ban}");
}

#[test]
fn changes_that_overtake_each_other_are_all_made() {
    let desk = Desk::with_host();
    thread::scope(|scope| {
        for at in 0..3 {
            let asked = json!({"names": ["web-1"], "action": "label", "labels": {format!("rack-{at}"): "yes"}, "reason": "a race"});
            let desk = &desk;
            scope.spawn(move || assert_eq!(body(&desk.post("hosts/change", &asked))["touched"], 1));
        }
    });
    let host = body(&desk.post("hosts/find", &json!({})))["hosts"][0].clone();
    assert_eq!(host["labels"], json!({"rack-0": "yes", "rack-1": "yes", "rack-2": "yes"}));
}

#[test]
fn a_host_that_is_put_out_is_not_let_in_by_registering_it() {
    let desk = Desk::with_host();
    let register = |key: &str| refused(&desk.post("hosts/register", &json!({"name": "web-1", "key": key.repeat(32), "reason": "a test"})));
    let change = |action: &str| desk.post("hosts/change", &json!({"names": ["web-1"], "action": action, "reason": "a test"})).status;
    assert_eq!(register("11"), (409, "host.known".into()));
    assert_eq!(change("ban"), 200);
    assert_eq!(register("11"), (409, "host.known".into()));
    assert_eq!(change("evict"), 200);
    assert_eq!(register("11").0, 200);
    let host = body(&desk.post("hosts/find", &json!({})))["hosts"][0].clone();
    assert_eq!((&host["status"], &host["status_reason"]), (&json!("active"), &json!("")));
}
