//! Windows that pages are seen in: a narrow one, and one that is left open.

use crate::{crowd, panels::DRAWN, stage::Stage};
use serde_json::json;

/// Tables are wider than a telephone, pages are not.
pub(crate) fn narrow(stage: &Stage) {
    let window = |width: i64| json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
    stage.browser.devtools("Emulation.setDeviceMetricsOverride", &window(400));
    let host = format!("/hosts/{}", stage.of(crowd::is_well)[1]);
    for path in ["/", "/hosts?q=state%3Dfailing", "/hosts?q=nonsense", &host, "/rollouts", "/releases", "/audit", "/nowhere"] {
        stage.open(path);
        let widths = stage.browser.run("return [document.documentElement.scrollWidth, document.documentElement.clientWidth]");
        assert_eq!(widths, json!([400, 400]), "{path}");
    }
    stage.open("/");
    stage.browser.wait("the map", DRAWN);
    let lowest = "Math.max(...places.map(({ y, columns, size, group }) => y + Math.ceil(group.cells.length / columns) * size))";
    let gaps =
        format!("const rows = [...new Set(places.map(({{ y }}) => y))]; return [rows.length > 1, {lowest} < rows.length * 400, map.clientWidth]");
    let told = stage.browser.run(&gaps);
    assert_eq!((&told[0], &told[1]), (&json!(true), &json!(true)), "groups that find no room beside the others stand right below them");
    let right = stage.browser.run("return Math.max(...places.map(({ x, columns, size }) => x + columns * size))");
    assert!(right.as_f64().unwrap() <= told[2].as_f64().unwrap(), "no cell is beside the map: {right} {told}");
    stage.browser.devtools("Emulation.clearDeviceMetricsOverride", &json!({}));
    stage.browser.complaints();
}

/// A page that is kept current says so until it is not.
pub(crate) fn left(stage: &Stage) {
    stage.open("/hosts");
    stage.browser.wait("the stream", "return document.querySelector('#live .word').textContent.startsWith('live, as of ')");
    stage.browser.run(
        "fetch('/logout', {method: 'POST', headers: {'Content-Type': 'application/x-www-form-urlencoded'}, \
         body: 'forgery=' + document.querySelector('[name=forgery]').value})",
    );
    stage.browser.wait("how to come in", "return document.body.textContent.includes('you are not known here')");
    stage.browser.complaints();
    stage.sign_in("admin", "ann");
}
