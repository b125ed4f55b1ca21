//! A rollout in the browser: its evidence as it grows, and the buttons.

use crate::{
    crowd::{self, Member},
    desk::body,
    panels::DRAWN,
    published::hash,
    stage::Stage,
    told::now,
};
use protocol::{
    event::{Event, Report},
    trial::{Crossover, Pair, candidate_goes_first},
};
use rollout::plan::Plan;
use serde_json::json;

const GENERATION: i64 = 43;

pub(crate) fn watched_and_decided(stage: &Stage) {
    stage.desk.publish(&[GENERATION]);
    let started = stage.desk.post("rollout/start", &json!({"generation": GENERATION, "reason": "the June release"}));
    assert_eq!(started.status, 200, "{started:?}");
    stage.open("/rollouts");
    stage.browser.wait("its lanes", "return document.querySelectorAll('.waves tbody tr').length > 2");
    let told = stage.browser.text("main");
    for word in ["Generation 43", "the June release", "canary", "concentrated", "diffuse", "silence", "Pause", "Promote", "Pull"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    evidence(stage);
    press(stage, "pause", "waiting for the night", "the pause", "badge === 'paused'");
    assert_eq!(stage.state(), "paused");
    assert!(stage.browser.text(".verdict").contains("waiting for the night"), "{}", stage.browser.text(".verdict"));
    stage.look("rollouts");
    stage.open("/?range=1h");
    stage.browser.wait("the chart", DRAWN);
    assert!(stage.browser.text("#rate").contains("rollout of 43 starts"), "{}", stage.browser.text("#rate"));
    assert!(stage.browser.text("#rollout").contains("paused"));
    stage.open("/rollouts");
    stage.browser.click("summary.resume");
    stage.browser.click("details[open] button");
    assert_eq!(stage.state(), "paused", "no reason, no change: the browser asks for one");
    stage.open("/rollouts");
    press(stage, "resume", "it is night", "the rollout goes on", "badge !== 'paused'");
    assert_eq!(out(stage), 1);
    press(stage, "promote", "it is only the old kernel", "the next wave", "out === 2");
    press(stage, "pull", "a better one comes", "it is pulled", "badge === 'pulled'");
    assert_eq!(stage.state(), "pulled");
    assert_eq!(stage.browser.run("return document.querySelectorAll('.acts details').length"), 0, "there is no way back");
    for (event, reason) in [
        ("rollout-paused", "waiting for the night"),
        ("rollout-resumed", "it is night"),
        ("rollout-promoted", "it is only the old kernel"),
        ("rollout-pull-wanted", "a better one comes"),
    ] {
        stage.open(&format!("/audit?event={event}"));
        let told = stage.browser.text("#records");
        assert!(told.contains(event) && told.contains(reason) && told.contains("admin/ann"), "{event}: {told}");
    }
    stage.browser.complaints();
}

/// What hosts tell is seen on the page that is open, which nobody loads anew.
fn evidence(stage: &Stage) {
    let canaries = canaries(stage);
    stage.browser.run("window.untouched = true");
    let says = |pairs: usize| format!("{pairs} pairs in which it failed");
    assert!(stage.browser.text("#lanes").contains(&says(0)));
    let wealth = "Number(document.querySelector('.evidence td.number').textContent)";
    assert_eq!(stage.browser.run(&format!("return {wealth}")), 1.0);
    let (failing, well) = canaries.split_at(2);
    for (count, canary) in failing.iter().enumerate() {
        tries(stage, canary, Pair::Bad);
        let before = stage.browser.run(&format!("return {wealth}"));
        stage.browser.wait("the pair on the open page", &format!("return document.body.textContent.includes('{}')", says(count + 1)));
        stage
            .browser
            .wait("a bar that grows", &format!("return {wealth} > {before} && document.querySelector('.evidence .bad').getAttribute('width') > 0"));
    }
    for canary in &well[..3] {
        tries(stage, canary, Pair::Clean);
    }
    let lane = "[...document.querySelectorAll('.waves tbody tr')][0].cells";
    stage.browser.wait("three that have it", &format!("return {lane}[2].textContent === '3' && {lane}[3].textContent === '2'"));
    assert_eq!(stage.browser.run("return window.untouched"), true);
    let verdict = stage.browser.text(".verdict");
    assert!(verdict.contains("hold: watching the wave until 20"), "a date: {verdict}");
}

/// Those of the first wave whom nothing else happens to, in the order of their names.
fn canaries(stage: &Stage) -> Vec<&Member> {
    let told = body(&stage.desk.post("rollout/explain", &json!({})));
    let plan = Plan::from_json(told["plan"].to_string().as_bytes()).unwrap();
    let first: Vec<&str> = plan.places().iter().filter(|place| place.wave == 0).map(|place| place.host.as_str()).collect();
    let found: Vec<&Member> = stage.members.iter().filter(|member| crowd::is_well(member) && first.contains(&member.name.as_str())).collect();
    assert!(found.len() > 10, "{first:?}");
    found
}

/// A host runs with the release on trial; it tells of a pair in which the candidate went first, and where that was clean, that it
/// has committed it.
fn tries(stage: &Stage, member: &Member, pair: Pair) {
    let release = hash(GENERATION);
    let run = (1..).find(|run| candidate_goes_first(&member.name, &release, *run, 0)).unwrap();
    let crossover =
        Crossover { release: release.clone(), run, crossover: 0, pair, code: if pair == Pair::Bad { "http.closed" } else { "ok" }.into() };
    let (verdict, verdict_on) = if pair == Pair::Clean { ("committed".into(), release) } else { Default::default() };
    let event = Event {
        number: 1,
        at: now(),
        code: "ok".into(),
        outcome: "delivered".into(),
        elapsed_ms: 40,
        attempts: 1,
        generation: member.generation,
        crossovers: vec![crossover],
        verdict,
        verdict_on,
        ..Event::default()
    };
    stage.report(member, Report { now: now(), events: vec![event], ..Report::default() });
}

/// Presses a button, says why, and waits for what comes of it.
fn press(stage: &Stage, button: &str, reason: &str, what: &str, come: &str) {
    stage.browser.click(&format!("summary.{button}"));
    stage.browser.write("details[open] [name=reason]", reason);
    stage.browser.click("details[open] button");
    let seen = format!("const badge = document.querySelector('.badge')?.textContent, out = {OUT}; return {come}");
    stage.browser.wait(what, &seen);
}

const OUT: &str = "document.querySelectorAll('.waves .tag').length";

/// How many waves are out.
fn out(stage: &Stage) -> u64 {
    stage.browser.run(&format!("return {OUT}")).as_u64().unwrap()
}
