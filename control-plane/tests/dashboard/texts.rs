//! Everything that a host can say of itself stays text, on every page that shows it.

use crate::{
    crowd,
    stage::Stage,
    told::{event_of, now, send_until_taken},
};
use protocol::{
    event::{Event, Report},
    filter::FACTS,
};
use serde_json::json;

/// Each would set `window.pwned` if it were taken for anything but text.
const TEXTS: [&str; 7] = [
    "<script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    "\"><svg onload=window.pwned=1>",
    "' autofocus onfocus=window.pwned=1 '",
    "{{constructor.constructor('window.pwned=1')()}}",
    "javascript:window.pwned=1",
    "</textarea><iframe srcdoc=\"<script>parent.pwned=1</script>\">",
];

pub(crate) fn are_text(stage: &Stage) {
    let names = stage.of(crowd::is_well);
    let names: Vec<&str> = names.into_iter().rev().take(TEXTS.len()).collect();
    for (name, text) in names.iter().zip(TEXTS) {
        let text = text.to_string();
        let facts = FACTS.iter().chain(&["color", "clock_offset"]).map(|fact| ((*fact).to_string(), text.clone()));
        let event = event_of(&text);
        // What it says of a release on trial stands among its trials too.
        let failed = Event { number: 2, outcome: "failed".into(), verdict_on: event.crossovers[0].release.clone(), ..event_of(&text) };
        let report = Report { outbox: "b".repeat(16), now: now(), dropped: 1, facts: facts.collect(), events: vec![event, failed] };
        send_until_taken(&stage.desk.server, &stage.desk.domain.host(name), &report);
    }
    let reason = json!({"names": [names[0]], "action": "label", "labels": {"note": "odd"}, "reason": TEXTS[0]});
    assert_eq!(stage.desk.post("hosts/change", &reason).status, 200);
    let shown = stage.desk.server.operate(&stage.desk.admin(), "/hosts?q=code%3Dunknown", None);
    assert!(shown.body.contains("unknown"), "what is no code of ours is called so");
    let hosts = names.iter().map(|name| format!("/hosts/{name}"));
    let asked = TEXTS.iter().flat_map(|text| {
        let text: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
        [
            format!("/hosts?q={text}"),
            format!("/hosts?q=fact.color%3D{text}"),
            format!("/audit?host={text}&event={text}"),
            format!("/?by={text}&range={text}"),
            format!("/hosts/{text}"),
        ]
    });
    let maps = ["/?by=fact.color", "/?by=os", "/?by=kernel", "/audit", "/hosts"].map(ToOwned::to_owned);
    for path in hosts.chain(maps).chain(asked) {
        stage.open(&path);
        stage.browser.wait("scripts", "return document.readyState === 'complete'");
        let found = stage
            .browser
            .run("return [typeof window.pwned, document.querySelectorAll('main script, iframe, main img, [onerror], [onload], [onfocus]').length]");
        assert_eq!(found, json!(["undefined", 0]), "{path}");
        let complaints: Vec<String> = stage.browser.complaints().into_iter().filter(|line| !line.contains("Failed to load resource")).collect();
        assert_eq!(complaints, Vec::<String>::new(), "{path}: nothing even tried to run");
    }
    stage.open(&format!("/hosts/{}", names[1]));
    assert!(stage.browser.text("main").contains(TEXTS[1]), "it is shown as it was said");
    forged(stage, names[2]);
}

/// A page of somebody else's sends a form to ours.
fn forged(stage: &Stage, name: &str) {
    let form = format!(
        "<form method=post action=https://{}/act><input name=act value=quarantine><input name=host value={name}><input name=reason value=forged></form>\
         <script>document.forms[0].submit()</script>",
        stage.desk.server.operators
    );
    let form: String = form.bytes().map(|byte| format!("%{byte:02x}")).collect();
    stage.browser.open(&format!("data:text/html,{form}"));
    stage.browser.wait(
        "the refusal",
        "return document.body.textContent.includes('not known here') || document.body.textContent.includes('not one of this page')",
    );
    let record = stage.ask("hosts/find");
    let is_out = |host: &serde_json::Value| host["name"] == name && host["status"] != "active";
    assert!(!record["hosts"].as_array().unwrap().iter().any(is_out));
    assert!(stage.desk.changes().iter().all(|change| change["reason"] != "forged"));
    stage.browser.complaints();
}
