//! From "something is wrong" to the right list of hosts, by clicks that a person makes.

use crate::{
    crowd::{self, Member, fault},
    stage::Stage,
};
use serde_json::Value;
use std::time::Instant;

/// The part of the page that a link stands in, and the link's text.
type Link = (&'static str, &'static str);

/// What somebody looks for, the code that it ends in, and the links that they follow from the first page.
const PATHS: [(&str, &str, &[Link]); 4] = [
    ("clocks off at one site", "tls.clock-skew", &[("#why", "label.site=sgp")]),
    ("one kernel failing after an update", "delivery.exec-failed", &[("#why", "kernel=4.12")]),
    ("a proxy that intercepts", "tls.unknown-authority", &[("#why", "egress=proxy")]),
    ("disks full", "delivery.disk-full", &[("#strip", "failing"), ("aside", "delivery.disk-full")]),
];
const CLICKS_MAX: usize = 3;

pub(crate) fn walk(stage: &Stage) {
    for (what, code, links) in PATHS {
        let start = Instant::now();
        stage.open("/");
        for (part, link) in links {
            let before = stage.browser.url();
            let mark = format!(
                "const links = [...document.querySelectorAll('{part} a')], code = '{code}'; \
                 const fits = (link) => link.textContent.includes('{link}') && ('{part}' !== '#why' || link.closest('tr').textContent.includes(code)); \
                 const found = links.find(fits); if (found) {{ found.scrollIntoView({{block: 'center'}}); found.dataset.step = 'here'; }} return !!found"
            );
            stage.browser.wait(link, &mark);
            stage.browser.click("[data-step=here]");
            stage.browser.wait(what, &format!("return location.href !== '{before}' && !!document.querySelector('#total')"));
        }
        assert!(links.len() <= CLICKS_MAX);
        let is_meant = |member: &Member| crowd::is_heard(member) && fault(member).is_some_and(|(known, _)| known == code);
        let meant = stage.of(is_meant);
        assert_eq!(stage.number("#total"), meant.len(), "{what}: all of them and no others");
        let shown = stage.browser.run("return [...document.querySelectorAll('.hosts tbody a')].map((link) => link.textContent)");
        let shown: Vec<&str> = shown.as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(shown, meant[..meant.len().min(100)], "{what}");
        println!("{what}: {} clicks, {:.1} s", links.len(), start.elapsed().as_secs_f32());
    }
    stage.open("/hosts?q=code%3Ddelivery.exec-failed+kernel%3D4.12");
    let generations = stage.browser.run("return [...document.querySelectorAll('.hosts tbody tr')].map((row) => row.cells[6].textContent)");
    assert!(generations.as_array().unwrap().iter().all(|generation| generation == "42"), "after an update: {generations}");
}
