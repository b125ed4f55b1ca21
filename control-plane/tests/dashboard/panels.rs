//! Every panel, by what it shows of a fleet after a fault that was put into it, in a real browser.

use crate::{
    axe,
    crowd::{self, Member, fault},
    desk::body,
    paths,
    rig::eventually,
    rollout,
    stage::{Kept, PAGE, Stage},
    texts, window,
};
use serde_json::{Value, json};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

pub(crate) const DRAWN: &str = "return document.getElementById('map').dataset.cells > 0 && document.getElementById('chart').dataset.drawn > 0";

type Step = (&'static str, fn(&Stage));

#[test]
fn nine_thousand_hosts_four_faults_and_what_people_see_and_do() {
    seen_and_done(Kept::Sqlite);
}

#[test]
fn people_see_and_do_the_same_on_postgresql() {
    seen_and_done(Kept::Postgresql);
}

/// One fleet and one browser for all of it; every step is tried, and each that fails is told.
fn seen_and_done(kept: Kept) {
    let stage = Stage::new(kept, crowd::members(9_000), 1);
    let steps: [Step; 18] = [
        ("before the fault", calm),
        ("it comes live", live),
        ("every tile is its list", tiles),
        ("what fails where", corners),
        ("a person's path", paths::walk),
        ("failure rate", rate),
        ("horizon and clocks", horizon),
        ("map", map),
        ("one host", host),
        ("releases and keys", releases),
        ("rollout", rollout::watched_and_decided),
        ("texts of hosts", texts::are_text),
        ("audit and quarantine", audit),
        ("keyboard", keyboard),
        ("without scripts", without_scripts),
        ("light, dark and axe", accessible),
        ("a narrow window", window::narrow),
        ("a session that ends", window::left),
    ];
    let mut failed = Vec::new();
    for (name, step) in steps {
        let start = Instant::now();
        if catch_unwind(AssertUnwindSafe(|| step(&stage))).is_err() {
            failed.push(name);
        }
        println!("{name}: {:.1} s", start.elapsed().as_secs_f32());
    }
    assert!(failed.is_empty(), "{failed:?}");
}

/// So many that every page has to be made of little.
#[test]
fn ninety_thousand_hosts_are_one_page() {
    let mut members = crowd::members(90_000);
    for member in &mut members {
        if let Some((code, clock)) = fault(member).filter(|_| crowd::is_heard(member)) {
            (member.code, member.clock) = (code, clock);
        }
    }
    let stage = Stage::new(Kept::Sqlite, members, 7);
    let failing = stage.members.iter().filter(|member| crowd::is_heard(member) && member.code != "ok").count();
    stage.open("/");
    stage.browser.wait("the map", DRAWN);
    assert_eq!((stage.count("failing"), stage.drawn()), (failing, 90_000));
    assert!(stage.browser.text("#why").contains("kernel=4.12"), "a corner of a twelfth of a percent");
    stage.look("ninety-thousand");
    let host = format!("/hosts/{}", stage.members[45_000].name);
    for path in [
        "/",
        "/?range=7d",
        "/hosts",
        "/hosts?q=state%3Dfailing",
        "/hosts?q=os%3Drhel7+kernel%3C4",
        &host,
        "/releases",
        "/map/data?by=os",
        "/charts/failures",
        "/charts/failures?range=7d",
    ] {
        let took = stage.takes(path);
        println!("{path}: {} ms", took.as_millis());
        assert!(took < PAGE, "{path}: {took:?}");
    }
    week(&stage);
    // As the browser has it: from the click to a page that can be used.
    let loads = || {
        stage.open("/");
        stage.browser.run("const [page] = performance.getEntriesByType('navigation'); return page.domInteractive").as_f64().unwrap()
    };
    let load = (0..3).map(|_| loads()).fold(f64::INFINITY, f64::min);
    println!("in the browser: {load:.0} ms");
    assert!(load < PAGE.as_secs_f64() * 1_000.0, "{load}");
}

/// Seven days of counts behind the chart.
fn week(stage: &Stage) {
    stage.open("/?range=7d");
    stage.browser.wait("the chart", DRAWN);
    let told = stage.browser.text("#rate").replace('\u{202f}', "");
    let runs: usize = told.split(" of ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    let all = stage.members.len() / 30 * 7 * 1_440;
    assert!(runs.abs_diff(all) < all / 100, "{all}: {told}");
    let points = stage.browser.run("return Number(document.getElementById('chart').dataset.drawn)").as_u64().unwrap();
    assert!((115..=122).contains(&points), "{points}");
    assert!(stage.browser.text("#why").contains("kernel=4.12"), "{}", stage.browser.text("#why"));
    let asked = json!({"filter": "kernel=4.12", "since_seconds": 7 * 86_400, "step_seconds": 86_400});
    let series = body(&stage.desk.post("fleet/series", &asked));
    let runs: i64 = series["points"].as_array().unwrap().iter().map(|point| point["runs"].as_i64().unwrap()).sum();
    let of = stage.members.iter().filter(|member| member.facts["kernel"] == "4.12").count();
    assert!(runs >= i64::try_from(of / 30 * 6 * 1_440).unwrap(), "by one fact: {series}");
}

fn is_failing(member: &&Member) -> bool {
    crowd::is_heard(member) && (member.code != "ok" || fault(member).is_some())
}

fn calm(stage: &Stage) {
    stage.open("/");
    stage.browser.wait("the map", DRAWN);
    let states = ["healthy", "failing", "silent", "missing", "quarantined", "updating"];
    assert_eq!(states.iter().map(|state| stage.count(state)).sum::<usize>(), 9_000);
    let usual = stage.members.iter().filter(|member| crowd::is_heard(member) && member.code != "ok").count();
    assert_eq!(stage.count("failing"), usual);
    assert_eq!(stage.count("quarantined"), stage.members.iter().filter(|member| member.status == "quarantined").count());
    assert!(!stage.browser.text("#why").contains("tls.clock-skew"));
    let shapes = stage.browser.run("return new Set([...document.querySelectorAll('.tile .shape')].map((shape) => shape.textContent)).size");
    assert_eq!(shapes, 6, "every state has a shape of its own");
    stage.look("calm");
}

/// Nobody loads the page anew.
fn live(stage: &Stage) {
    stage.browser.run("window.untouched = true");
    assert!(stage.strike() > 200);
    let failing = stage.members.iter().filter(is_failing).count();
    let shown = "Number(document.querySelector('#tile-failing .count').textContent.replace(/\\D/g, ''))";
    stage.browser.wait(&format!("the fault on the open page, with {failing} that fail,"), &format!("return {shown} === {failing}"));
    stage.browser.wait("the corner on the open page", "return document.getElementById('why').textContent.includes('kernel=4.12')");
    assert_eq!(stage.browser.run("return window.untouched"), true);
    stage.open("/");
    stage.browser.wait("the map", DRAWN);
    stage.look("overview");
    stage.keep_whole("overview-whole");
}

fn tiles(stage: &Stage) {
    for state in ["failing", "silent", "missing", "quarantined"] {
        stage.open("/");
        let count = stage.count(state);
        stage.browser.click(&format!("#tile-{state}"));
        stage.browser.wait("the list", "return location.pathname === '/hosts'");
        assert_eq!(stage.number("#total"), count, "{state}");
        assert!(stage.browser.url().ends_with(&format!("/hosts?q=state%3D{state}")), "{}", stage.browser.url());
        let rows = stage.browser.run("return [...document.querySelectorAll('.hosts tbody tr')].map((row) => row.cells[1].textContent.trim())");
        let rows = rows.as_array().unwrap();
        assert!(rows.len() == count.min(100) && rows.iter().all(|row| row.as_str().unwrap().ends_with(state)), "{rows:?}");
    }
    stage.open("/hosts?q=state%3Dfailing");
    stage.look("hosts");
    let first = stage.browser.text(".hosts tbody tr td");
    stage.browser.click("[rel=next]");
    stage.browser.wait("the next page", "return location.search.includes('after=')");
    assert!(stage.browser.text(".hosts tbody tr td") > first);
    stage.open("/hosts?q=os%3Drhel7+kernal%3C4");
    let wrong = stage.browser.text("#wrong");
    assert!(wrong.contains("\"kernal\" is no key") && wrong.contains("           ^") && wrong.contains("did you mean kernel?"), "{wrong}");
    stage.browser.complaints();
}

fn corners(stage: &Stage) {
    stage.open("/");
    let told = stage.browser.text("#why");
    let expected = [
        ("delivery.exec-failed", "kernel=4.12"),
        ("tls.clock-skew", "label.site=sgp"),
        ("tls.unknown-authority", "egress=proxy"),
        ("delivery.disk-full", "label.role=batch"),
    ];
    for (code, fact) in expected {
        assert!(told.contains(code) && told.contains(fact), "{code} {fact}: {told}");
    }
    let cases = stage
        .members
        .iter()
        .filter(|member| crowd::is_heard(member) && fault(member).is_some_and(|(code, _)| code == "delivery.exec-failed"))
        .count();
    let of = stage.members.iter().filter(|member| crowd::is_heard(member) && member.facts["kernel"] == "4.12").count();
    assert!(told.contains(&format!("{cases} of {of}")), "{cases} of {of}: {told}");
    stage.browser.run("document.querySelector('#why a.fact').focus(); document.querySelector('#why td.number').textContent = '?'; refresh()");
    stage.browser.wait("the panel anew", "return !document.getElementById('why').textContent.includes('?')");
    let focus = stage.browser.run("return document.activeElement === document.querySelector('#why a.fact')");
    assert_eq!(focus, true, "who goes over links by keys stays where they are");
}

fn rate(stage: &Stage) {
    stage.open("/?range=1h");
    stage.browser.wait("the chart", DRAWN);
    let struck = stage.members.iter().filter(|member| crowd::is_heard(member) && fault(member).is_some()).count();
    let told = stage.browser.text("#rate");
    let numbers: Vec<usize> =
        told.replace('\u{202f}', "").split(|other: char| !other.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect();
    let (failed, runs) = (numbers[2], numbers[3]);
    assert!(failed >= struck && failed < struck + 200 && runs > 15_000 && runs < 21_000, "{struck}: {told}");
    let data = stage.takes_value("/charts/failures?range=1h");
    let newest = data["rate"].as_array().unwrap().iter().rev().find_map(Value::as_f64).unwrap();
    let usual = data["rate"][20].as_f64().unwrap();
    assert!(newest > 5.0 * usual, "{usual} {newest}");
    stage.browser.run("document.querySelector('#chart').scrollIntoView()");
    stage.browser.click("section > details > summary");
    assert!(stage.browser.text("section > details table").contains('%'));
    assert!(stage.browser.url().ends_with("/?range=1h"), "the state is in the URL");
}

fn horizon(stage: &Stage) {
    stage.open("/");
    let told = stage.browser.text("#horizon");
    let minutes: i64 = told.split("in ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    // The first was heard of 25 minutes ago, and held a credential for an hour from then on.
    assert!((20..=36).contains(&minutes), "{told}");
    let clocks = stage.browser.text("#clocks");
    let slow =
        stage.members.iter().filter(|member| crowd::is_heard(member) && fault(member).is_some_and(|(_, clock)| clock == "hours behind")).count();
    assert!(clocks.replace('\n', " ").contains(&format!("hours behind {slow} ")), "{slow}: {clocks}");
}

fn map(stage: &Stage) {
    stage.open("/?by=os");
    stage.browser.wait("the map", DRAWN);
    assert_eq!(stage.drawn(), 9_000);
    stage.browser.run("document.getElementById('map').scrollIntoView({block: 'center'})");
    let at = |group: usize, cell: usize| {
        let script = format!(
            "const place = places[{group}], box = map.getBoundingClientRect(); const x = {cell} % place.columns, y = Math.floor({cell} / place.columns); \
             return [Math.round(box.left + place.x + (x + 0.5) * place.size), Math.round(box.top + place.y + (y + 0.5) * place.size)]"
        );
        let place = stage.browser.run(&script);
        (place[0].as_i64().unwrap(), place[1].as_i64().unwrap())
    };
    let group = stage.browser.run("return told.groups.findIndex((group) => group.word === 'rhel7')");
    let group = usize::try_from(group.as_u64().unwrap()).unwrap();
    let names: Vec<&str> = stage.of(|member| member.facts["os"] == "rhel7");
    stage.browser.drag(at(group, 3), at(group, 12));
    stage.browser.wait("the list of what was marked", "return location.pathname === '/hosts'");
    assert_eq!(stage.number("#total"), 10);
    assert!(stage.browser.text(".hosts").contains(names[3]) && stage.browser.text(".hosts").contains(names[12]));
    stage.open("/?by=os");
    stage.browser.wait("the map", DRAWN);
    stage.browser.run("document.getElementById('map').scrollIntoView({block: 'center'})");
    stage.browser.drag(at(group, 7), at(group, 7));
    stage.browser.wait("the host", "return location.pathname.startsWith('/hosts/')");
    assert_eq!(stage.browser.text("h1"), names[7]);
    map_by_keys(stage, group, &names);
    assert_eq!(stage.browser.complaints(), Vec::<String>::new());
}

/// The same without a pointer: from the link before the map into it, to a group, over cells, and to their list or their host.
fn map_by_keys(stage: &Stage, group: usize, names: &[&str]) {
    let [tab, enter_key, shift, page_down, right] = ["\u{e004}", "\u{e007}", "\u{e008}", "\u{e00f}", "\u{e014}"];
    let enter = || {
        stage.open("/?by=os");
        stage.browser.wait("the map", DRAWN);
        stage.browser.run("[...document.querySelectorAll('.ranges a')].at(-1).focus()");
        stage.browser.press(tab);
        assert_eq!(stage.browser.run("return document.activeElement.id"), "map");
        (0..group).for_each(|_| stage.browser.press(page_down));
    };
    enter();
    (0..3).for_each(|_| stage.browser.press(right));
    let hint = stage.browser.text("#map-hint");
    assert!(hint.starts_with("rhel7, host 4: "), "{hint}");
    (0..2).for_each(|_| stage.browser.press_with(shift, right));
    assert_eq!(stage.browser.text("#map-hint"), "3 hosts of rhel7");
    stage.look("map-by-keys");
    stage.browser.press(enter_key);
    stage.browser.wait("the list of what was marked", "return location.pathname === '/hosts'");
    assert_eq!(stage.number("#total"), 3);
    assert!(stage.browser.text(".hosts").contains(names[3]) && stage.browser.text(".hosts").contains(names[5]));
    enter();
    stage.browser.press(enter_key);
    stage.browser.wait("the host", "return location.pathname.startsWith('/hosts/')");
    assert_eq!(stage.browser.text("h1"), names[0]);
}

fn host(stage: &Stage) {
    let member =
        stage.members.iter().find(|member| crowd::is_heard(member) && fault(member).is_some_and(|(code, _)| code == "delivery.disk-full")).unwrap();
    stage.open(&format!("/hosts/{}", member.name));
    let told = stage.browser.text("main");
    for word in ["delivery.disk-full", "there is no room to deliver into", "free space or inodes", "4000 ms", member.site, "label.site", "db"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    let cells =
        "const row = document.querySelector('#host table tbody tr'); return [...row.cells].slice(3, 9).map((cell) => cell.textContent.trim())";
    let whole = ["4000 ms", "", "3100 ms", "210 ms", "", "0 ms"];
    assert_eq!(stage.browser.run(cells), json!(whole), "the run, and its phases in their order");
    stage.look("host");
    stage.browser.follow(member.site);
    stage.browser.wait("the list of its site", "return location.pathname === '/hosts'");
    assert_eq!(stage.number("#total"), stage.of(|other| other.site == member.site).len());
    stage.open("/hosts/nobody");
    assert!(stage.browser.text("main").contains("no host of this name is on record"));
    stage.browser.complaints();
}

fn releases(stage: &Stage) {
    stage.open("/releases");
    let told = stage.browser.text("#generations").replace('\u{202f}', "");
    for generation in [41, 42] {
        let count = stage.members.iter().filter(|member| member.generation == generation).count();
        assert!(told.contains(&format!("{generation} {count}")) || told.contains(&format!("{generation}\n{count}")), "{count}: {told}");
    }
    let keys = stage.browser.text("main");
    assert!(["ca", "jwt", "ssh", "time", "active", "made by pinnaced init"].iter().all(|word| keys.contains(word)), "{keys}");
    stage.look("releases");
}

fn audit(stage: &Stage) {
    let name = stage.of(crowd::is_well)[0];
    let before = stage.fresh_count("quarantined");
    stage.open(&format!("/hosts/{name}"));
    stage.browser.click("summary.quarantine");
    stage.browser.write("details[open] [name=reason]", "it looks odd");
    stage.browser.click("details[open] button");
    stage.browser.wait("the quarantine", "return document.body.textContent.includes('It is quarantined: it looks odd')");
    eventually("the tile counts it", || stage.fresh_count("quarantined") == before + 1);
    stage.open("/audit?event=hosts-quarantined");
    let told = stage.browser.text("#records");
    assert!(told.contains("it looks odd") && told.contains("admin/ann") && told.contains(name), "{told}");
    for event in ["dashboard-opened", "dashboard-link-made"] {
        stage.open(&format!("/audit?event={event}"));
        let told = stage.browser.text("#records");
        assert!(told.contains(event) && told.contains("admin/ann"), "{told}");
    }
    stage.open("/audit");
    stage.look("audit");
}

/// From the first key on, without a pointer.
fn keyboard(stage: &Stage) {
    const TAB: &str = "\u{e004}";
    stage.open("/");
    stage.browser.press(TAB);
    assert_eq!(stage.browser.run("return document.activeElement.className"), "skip");
    let mut reached = Vec::new();
    for _ in 0..60 {
        stage.browser.press(TAB);
        let focus = stage.browser.run(
            "const focus = document.activeElement, style = getComputedStyle(focus); \
             return [focus.id || focus.textContent.trim(), focus.matches(':focus-visible') && style.outlineStyle !== 'none']",
        );
        assert_eq!(focus[1], true, "{} shows that it has the focus", focus[0]);
        reached.push(focus[0].as_str().unwrap().to_string());
        if reached.last().is_some_and(|last| last == "tile-failing") {
            break;
        }
    }
    assert!(
        ["Hosts", "Rollouts", "Audit", "tile-healthy", "tile-failing"].iter().all(|name| reached.iter().any(|known| known == name)),
        "{reached:?}"
    );
    stage.browser.press("\u{e007}");
    stage.browser.wait("the list", "return location.search === '?q=state%3Dfailing'");
}

fn without_scripts(stage: &Stage) {
    stage.browser.scripts(false);
    let done = catch_unwind(AssertUnwindSafe(|| {
        stage.open("/");
        assert!(stage.browser.text("#why").contains("kernel=4.12"));
        stage.browser.click("#tile-failing");
        assert!(stage.browser.text(".hosts").contains("delivery.disk-full"));
        stage.browser.write("#q", " os=sles12");
        stage.browser.click("form.filter button");
        assert!(stage.browser.text(".hosts").contains("delivery.exec-failed") && !stage.browser.text(".hosts").contains("delivery.disk-full"));
        stage.browser.click(".hosts a");
        assert!(stage.browser.text("main").contains("What it is"));
    }));
    stage.browser.scripts(true);
    assert!(done.is_ok(), "without scripts");
}

fn accessible(stage: &Stage) {
    let name = stage.of(crowd::is_well)[1].to_string();
    let host = format!("/hosts/{name}");
    for scheme in ["light", "dark"] {
        stage.browser.prefer(scheme);
        for path in ["/", "/hosts?q=state%3Dfailing", "/hosts?q=nonsense", &host, "/rollouts", "/releases", "/audit", "/nowhere"] {
            stage.open(path);
            axe::check(&stage.browser, &format!("{path} in {scheme}"));
        }
    }
    stage.browser.prefer("light");
    stage.open("/");
    let ground = "return getComputedStyle(document.body).backgroundColor";
    let light = stage.browser.run(ground);
    stage.browser.click(".theme [value=dark]");
    stage.browser.wait("dark", "return document.documentElement.dataset.theme === 'dark'");
    stage.browser.wait("the map", DRAWN);
    assert_ne!(stage.browser.run(ground), light);
    stage.browser.complaints();
    stage.look("overview-dark");
    stage.open("/hosts");
    assert_eq!(stage.browser.run("return document.documentElement.dataset.theme"), "dark", "it is remembered");
    axe::check(&stage.browser, "chosen dark");
    stage.browser.click(".theme [value=auto]");
    stage.browser.wait("as the system", "return document.documentElement.dataset.theme === 'auto'");
    stage.browser.complaints();
}
