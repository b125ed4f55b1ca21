//! The host file: the few choices that a single host may make differently from its site.
//!
//! A subset of TOML: comments, and `key = "text"` or `key = 10` lines. An unknown key is an error with a suggestion.

use alloc::{
    format,
    string::{String, ToString},
};
use protocol::{
    json::Quoted,
    site::{Site, host_and_port},
};

/// The largest host file that is read.
pub const HOST_FILE_BYTES_MAX: usize = 65_536;
const KEYS: [&str; 4] = ["proxy", "deadline_seconds", "state_dir", "textfile"];

/// A line that is not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub because: String,
}

/// Applies a host file to its site.
///
/// # Errors
/// The first line that is not understood; the site is then unchanged.
pub fn apply(text: &str, site: &mut Site) -> Result<(), Invalid> {
    let mut changed = site.clone();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            set(line, &mut changed).map_err(|because| Invalid { line: index + 1, because })?;
        }
    }
    *site = changed;
    Ok(())
}

fn set(line: &str, site: &mut Site) -> Result<(), String> {
    let (key, value) = line.split_once('=').ok_or("not of the form key = value")?;
    let (key, value) = (key.trim(), value.trim());
    match key {
        "proxy" => {
            let proxy = text(value)?;
            site.proxy = match proxy.as_str() {
                "" => None,
                proxy if host_and_port(proxy).is_some() => Some(proxy.to_string()),
                _ => return Err("proxy is not \"host:port\"".into()),
            };
        }
        "deadline_seconds" => {
            let seconds = bare(value).parse().ok().filter(|seconds| (1..=300).contains(seconds));
            site.deadline_seconds = seconds.ok_or("deadline_seconds is not a number from 1 to 300")?;
        }
        "state_dir" => {
            let path = text(value)?;
            if !path.starts_with('/') {
                return Err("state_dir is not an absolute path".into());
            }
            site.state_dir = path;
        }
        "textfile" => {
            let path = text(value)?;
            if !path.starts_with('/') || !path.ends_with(".prom") {
                return Err("textfile is not an absolute path that ends with .prom".into());
            }
            site.textfile = Some(path);
        }
        _ => return Err(unknown(key)),
    }
    Ok(())
}

fn bare(value: &str) -> &str {
    value.split_once('#').map_or(value, |(value, _)| value).trim()
}

fn text(value: &str) -> Result<String, String> {
    let (text, rest) = value.strip_prefix('"').and_then(|rest| rest.split_once('"')).ok_or("the value is not a text in double quotes")?;
    let clean = !text.chars().any(|character| character == '\\' || character.is_control());
    let ends = rest.trim().is_empty() || rest.trim().starts_with('#');
    if clean && ends { Ok(text.to_string()) } else { Err("the value is not a plain text in double quotes".into()) }
}

fn unknown(key: &str) -> String {
    let near = KEYS.iter().find(|known| distance(known, key) <= 2);
    let key = Quoted(key);
    near.map_or_else(|| format!("unknown key {key}; known are {}", KEYS.join(", ")), |near| format!("unknown key {key}; did you mean {near}?"))
}

/// Levenshtein's distance, for suggestions.
fn distance(left: &str, right: &str) -> usize {
    let mut row: alloc::vec::Vec<usize> = (0..=right.chars().count()).collect();
    for (index, a) in left.chars().enumerate() {
        let mut diagonal = index;
        let mut before = index + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(right.chars()) {
            let next = (diagonal + usize::from(a != b)).min(before + 1).min(*cell + 1);
            diagonal = *cell;
            *cell = next;
            before = next;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn site() -> Site {
        Site {
            name: "s".into(),
            trust_domain: "t".into(),
            endpoints: vec![],
            roots_pem: String::new(),
            time_keys: vec![],
            state_dir: "/a".into(),
            host_file: "/b".into(),
            deadline_seconds: 10,
            proxy: Some("x:1".into()),
            update_root: None,
            textfile: None,
            credentials: vec![],
        }
    }

    #[test]
    fn choices_are_applied_together_or_not_at_all() {
        let mut site = site();
        apply("# here\n proxy = \"p.example:3128\" # ours\ndeadline_seconds = 20\n\nstate_dir = \"/run/p\"\n", &mut site).unwrap();
        assert_eq!((site.proxy.as_deref(), site.deadline_seconds, site.state_dir.as_str()), (Some("p.example:3128"), 20, "/run/p"));
        apply("proxy = \"\"\ntextfile = \"/run/pinnace.prom\"", &mut site).unwrap();
        assert_eq!(site.textfile.as_deref(), Some("/run/pinnace.prom"));
        assert_eq!(site.proxy, None);
        let before = site.clone();
        assert_eq!(apply("deadline_seconds = 30\nprxy = \"a:1\"", &mut site).unwrap_err().because, "unknown key \"prxy\"; did you mean proxy?");
        assert_eq!(site, before);
        for line in [
            "proxy",
            "proxy = a:1",
            "proxy = \"a\"",
            "deadline_seconds = 0",
            "state_dir = \"x\"",
            "proxy = \"a:1\" b",
            "textfile = \"/run/p\"",
            "textfile = \"p.prom\"",
        ] {
            assert!(apply(line, &mut site).is_err(), "{line}");
        }
    }
}
