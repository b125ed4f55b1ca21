//! A real browser: Debian's chromium, led by chromedriver over WebDriver (W3C, section 6) and, for what that has no word for, over the
//! DevTools protocol.

use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A rollout decides every 15 seconds, and the machine may have other things to do.
const PATIENCE: Duration = Duration::from_secs(60);
/// The member that an element is named by (section 12.2).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// One browser with one window; ended in the end.
pub(crate) struct Browser {
    driver: Child,
    url: String,
}

impl Browser {
    pub(crate) fn start() -> Self {
        let mut driver = Command::new("chromedriver")
            .args(["--port=0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is needed: install chromium and chromium-driver");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines.find_map(|line| line.split("successfully on port ").nth(1)?.trim_end_matches('.').parse::<u16>().ok());
        let port = port.expect("chromedriver did not start");
        thread::spawn(move || lines.for_each(drop));
        let arguments = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1500,1180", "--lang=en", "--hide-scrollbars"];
        let capabilities = json!({"alwaysMatch": {
            "browserName": "chrome", "acceptInsecureCerts": true, "goog:chromeOptions": {"args": arguments}, "goog:loggingPrefs": {"browser": "ALL"},
        }});
        let mut browser = Self { driver, url: format!("http://127.0.0.1:{port}/session") };
        let session = browser.post("", &json!({"capabilities": capabilities}));
        browser.url = format!("{}/{}", browser.url, session["sessionId"].as_str().unwrap());
        browser
    }

    /// Loads a page to its end.
    pub(crate) fn open(&self, url: &str) {
        self.post("/url", &json!({"url": url}));
    }

    pub(crate) fn url(&self) -> String {
        self.run("return location.href").as_str().unwrap().to_string()
    }

    /// What the script gives back.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// What the script calls its last argument with.
    pub(crate) fn run_to_the_end(&self, script: &str) -> Value {
        self.post("/execute/async", &json!({"script": script, "args": []}))
    }

    /// The text that a person sees there.
    pub(crate) fn text(&self, selector: &str) -> String {
        let text = self.with("css selector", selector, |element| self.try_get(&format!("/element/{element}/text")));
        text.as_str().unwrap().to_string()
    }

    /// Clicks, as a person does: only what can be seen, and is on top, can be clicked.
    pub(crate) fn click(&self, selector: &str) {
        self.with("css selector", selector, |element| self.try_post(&format!("/element/{element}/click"), &json!({})));
    }

    /// Clicks the link with this text.
    pub(crate) fn follow(&self, text: &str) {
        self.with("link text", text, |element| self.try_post(&format!("/element/{element}/click"), &json!({})));
    }

    pub(crate) fn write(&self, selector: &str, text: &str) {
        self.with("css selector", selector, |element| self.try_post(&format!("/element/{element}/value"), &json!({"text": text})));
    }

    /// Presses one key wherever the focus is.
    pub(crate) fn press(&self, key: &str) {
        let actions = json!([{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]);
        self.post("/actions", &json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]}));
    }

    /// The same while another is held.
    pub(crate) fn press_with(&self, held: &str, key: &str) {
        let actions =
            [("keyDown", held), ("keyDown", key), ("keyUp", key), ("keyUp", held)].map(|(what, value)| json!({"type": what, "value": value}));
        self.post("/actions", &json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]}));
    }

    /// Drags the pointer from one place in the window to another.
    pub(crate) fn drag(&self, from: (i64, i64), to: (i64, i64)) {
        let go = |(x, y): (i64, i64)| json!({"type": "pointerMove", "duration": 50, "origin": "viewport", "x": x, "y": y});
        let actions = json!([go(from), {"type": "pointerDown", "button": 0}, go(to), {"type": "pointerUp", "button": 0}]);
        self.post("/actions", &json!({"actions": [{"type": "pointer", "id": "mouse", "actions": actions}]}));
    }

    /// A command of the DevTools protocol.
    pub(crate) fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.post("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    /// As somebody sees it who prefers this.
    pub(crate) fn prefer(&self, scheme: &str) {
        self.devtools("Emulation.setEmulatedMedia", &json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}));
    }

    /// Runs no script of pages from the next one on, or runs them again.
    pub(crate) fn scripts(&self, run: bool) {
        self.devtools("Emulation.setScriptExecutionDisabled", &json!({"value": !run}));
    }

    /// Everything that was complained of in the console since the last time.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({"type": "browser"}));
        let lines = log.as_array().unwrap().iter().filter(|line| ["SEVERE", "WARNING"].contains(&line["level"].as_str().unwrap()));
        lines.map(|line| line["message"].as_str().unwrap().to_string()).collect()
    }

    /// Keeps what is seen as a picture.
    pub(crate) fn picture(&self, path: &Path) {
        self.take(path, &json!({"format": "png", "captureBeyondViewport": false}));
    }

    /// The same, with all that is below the window.
    pub(crate) fn picture_of_all(&self, path: &Path) {
        let size = self.run("return [document.documentElement.clientWidth, document.documentElement.scrollHeight]");
        let clip = json!({"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1});
        self.take(path, &json!({"format": "png", "captureBeyondViewport": true, "clip": clip}));
    }

    fn take(&self, path: &Path, how: &Value) {
        let taken = self.devtools("Page.captureScreenshot", how);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, base64(taken["data"].as_str().unwrap())).unwrap();
    }

    /// Waits for what must come to be on the page; a script that says whether it has.
    pub(crate) fn wait(&self, what: &str, script: &str) {
        let end = Instant::now() + PATIENCE;
        while self.run(script) != Value::Bool(true) {
            assert!(Instant::now() < end, "{what} did not come to be at {}: {}", self.url(), self.run("return document.body.innerText"));
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Does something with an element; again, where the page has put another in its place meanwhile.
    fn with(&self, using: &str, value: &str, act: impl Fn(&str) -> Result<Value, String>) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            match act(&self.element(using, value)) {
                Ok(done) => return done,
                Err(error) if error.contains("stale element") && Instant::now() < end => (),
                Err(error) => panic!("{value} at {}: {error}", self.url()),
            }
        }
    }

    fn element(&self, using: &str, value: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let found = self.try_post("/elements", &json!({"using": using, "value": value})).unwrap();
            if let Some(element) = found[0][ELEMENT].as_str() {
                return element.to_string();
            }
            assert!(Instant::now() < end, "there is no {value} at {}", self.url());
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn try_get(&self, path: &str) -> Result<Value, String> {
        self.value(path, ureq::get(format!("{}{path}", self.url)).config().http_status_as_error(false).build().call())
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.try_post(path, body).unwrap_or_else(|error| panic!("{path} {body:.300}: {error}"))
    }

    fn try_post(&self, path: &str, body: &Value) -> Result<Value, String> {
        let request = ureq::post(format!("{}{path}", self.url)).header("Content-Type", "application/json");
        self.value(path, request.config().http_status_as_error(false).build().send(body.to_string()))
    }

    fn value(&self, path: &str, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value, String> {
        let mut answer = answer.unwrap_or_else(|error| panic!("{path}: {error}"));
        let text = answer.body_mut().with_config().limit(64 << 20).read_to_string().unwrap();
        let mut body: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{path}: {text}"));
        if answer.status().is_success() { Ok(body["value"].take()) } else { Err(body["value"]["message"].to_string()) }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser ends with its session, and the driver after it.
        let _ = ureq::delete(&self.url).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// RFC 4648, section 4.
fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |byte: &u8| ALPHABET.iter().position(|known| known == byte).map(|place| u32::try_from(place).unwrap());
    let digits: Vec<u32> = text.as_bytes().iter().filter_map(digit).collect();
    let group = |digits: &[u32]| {
        let word = (0..4).fold(0, |word, place| word << 6 | digits.get(place).copied().unwrap_or(0));
        word.to_be_bytes()[1..digits.len()].to_vec()
    };
    digits.chunks(4).flat_map(group).collect()
}
