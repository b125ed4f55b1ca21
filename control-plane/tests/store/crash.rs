//! Processes and databases that are killed, or stand still, while hosts fetch.

use crate::{
    postgres::Postgres,
    rig::{Domain, Server, eventually},
    traffic::{chain_holds, during, is_on_record, killed},
};
use protocol::json::Value;
use std::{thread, time::Duration};

#[test]
fn killed_under_load_it_has_answered_nothing_that_is_not_on_record() {
    let (postgres, domain) = (Postgres::start(), Domain::new());
    postgres.keep(&domain, 60);
    let answered = killed(&domain, 15);
    assert!(answered.len() > 30, "only {} credentials were answered", answered.len());
    is_on_record(&domain, &answered);
}

#[test]
fn a_database_that_is_killed_under_load_costs_no_record_and_doubles_none() {
    let (postgres, domain) = (Postgres::start(), Domain::new());
    postgres.keep(&domain, 60);
    let mut server = Server::start(&domain);
    let ready = |server: &Server| server.fetch(&format!("http://{}/readyz", server.admin), &[]).body;
    let answered = during(&mut server, &domain.host("web-1"), |server| {
        for kill in 0..5 {
            thread::sleep(Duration::from_millis(150 + kill * 37));
            postgres.stop();
            thread::sleep(Duration::from_millis(300));
            postgres.run();
            eventually("the database is back", || ready(server) == "ready\n");
        }
    });
    assert!(answered.len() > 100, "only {} credentials were answered", answered.len());
    is_on_record(&domain, &answered);
}

/// A process of its own that is killed while the database is away leaves its records in the spool; the next one brings them in.
#[test]
fn what_a_killed_process_has_spooled_is_brought_in_by_the_next() {
    let (postgres, domain) = (Postgres::start(), Domain::new());
    postgres.keep(&domain, 60);
    let host = domain.host("web-1");
    let mut server = Server::start(&domain);
    let answered = during(&mut server, &host, |server| {
        thread::sleep(Duration::from_millis(200));
        postgres.stop();
        thread::sleep(Duration::from_millis(700));
        server.child.kill().unwrap();
    });
    drop(server);
    postgres.run();
    let mut server = Server::start(&domain);
    let more = during(&mut server, &host, |_| thread::sleep(Duration::from_millis(200)));
    assert!(!more.is_empty());
    is_on_record(&domain, &[answered, more].concat());
}

/// It keeps its connections and answers nothing. What was asked meanwhile is answered in time, one way or the other, and what is in
/// force afterwards is what is on record.
#[test]
fn a_database_that_stands_still_leaves_nobody_hanging_and_nothing_half_done() {
    let (postgres, domain) = (Postgres::start(), Domain::new());
    postgres.keep(&domain, 60);
    let mut server = Server::start(&domain);
    let admin = domain.path("operators/admin.pem");
    let label = |server: &Server, value: &str| {
        let asked = format!(r#"{{"names":["web-1"],"action":"label","labels":{{"at":"{value}"}},"reason":"a test"}}"#);
        server.operate(&admin, "/v1/operators/hosts/change", Some(&asked)).status
    };
    let host = domain.host("web-1");
    assert_eq!(server.curl(&host, "/v1/credentials/db", &[]).status, 200);
    eventually("the host on record", || label(&server, "before") == 200);
    let mut changed = 0;
    let answered = during(&mut server, &host, |server| {
        thread::sleep(Duration::from_millis(200));
        postgres.halt();
        changed = label(server, "meanwhile");
        thread::sleep(Duration::from_secs(3));
        postgres.go_on();
        thread::sleep(Duration::from_secs(2));
    });
    assert!(answered.len() > 10, "only {} credentials were answered", answered.len());
    eventually("it takes changes again", || label(&server, "after") == 200);
    is_on_record(&domain, &answered);
    let labelled: Vec<Value> = domain.records().into_iter().filter(|record| text(record, "event") == "hosts-labelled").collect();
    let expected = if changed == 200 { 3..=3 } else { 2..=3 };
    assert!(expected.contains(&labelled.len()), "status {changed}: {labelled:?}");
    chain_holds(&domain);
}

fn text<'a>(record: &'a Value, name: &str) -> &'a str {
    record.get(name).and_then(Value::as_str).unwrap_or_default()
}
