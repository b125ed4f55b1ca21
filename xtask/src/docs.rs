//! `cargo xtask docs`: the page of every reason code, written from the table, and the site made of the folder `docs` by mdBook.

use crate::shell::{Done, cargo, has, root, run as run_command};
use protocol::reason::Reason;
use std::{fmt::Write, fs, process::Command};

const MDBOOK: &str = "0.5.4";
const REASONS: &str = "docs/reasons.md";

/// The command.
pub(crate) fn run() -> Done {
    let path = root().join(REASONS);
    fs::write(&path, reasons()).map_err(|cause| format!("{}: {cause}", path.display()))?;
    let mut mdbook = "mdbook".into();
    if !has("mdbook") {
        let tools = root().join("target/tools");
        mdbook = tools.join("bin/mdbook").into_os_string();
        if !tools.join("bin/mdbook").is_file() {
            let arguments =
                ["install", "--quiet", "--locked", "mdbook", "--version", MDBOOK, "--no-default-features", "--features", "search", "--root"];
            run_command(cargo(&arguments).arg(&tools).current_dir(std::env::temp_dir()))?;
        }
    }
    run_command(Command::new(mdbook).arg("build").arg(root().join("docs")))?;
    println!("{}", root().join("target/book/index.html").display());
    Ok(())
}

/// Every row of the table that the programs share.
fn reasons() -> String {
    let mut page = "# Reason codes

How a run ends: one code in the exit status, the log, what the control plane is told, and its pages. This page is written by
`cargo xtask docs` from `core/protocol/src/reason.rs`. Fault is where to look: the host, the network, the control plane, or us; retry
says whether the next run may end otherwise by itself. Codes that the control plane answers with are in protocol.md.

| code | exit | fault | retry | what it means | what to do |
|---|---|---|---|---|---|
"
    .to_owned();
    for reason in Reason::ALL {
        let (retry, fault) = (if reason.retry() { "yes" } else { "no" }, reason.fault().name());
        let words = [reason.summary(), reason.hint()].map(|words| words.replace('|', "\\|").replace('<', "&lt;"));
        // Writing into a String does not fail.
        let _ = writeln!(page, "| `{}` | {} | {fault} | {retry} | {} | {} |", reason.code(), reason.exit(), words[0], words[1]);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Path, PathBuf};

    #[test]
    fn the_page_of_reasons_is_what_the_table_says() {
        let page = fs::read_to_string(root().join(REASONS)).unwrap();
        assert!(page == reasons(), "{REASONS} is not what the table says; write it with: cargo xtask docs");
    }

    #[test]
    fn every_page_is_in_the_sites_summary_once_and_the_summary_names_no_other() {
        let mut pages: Vec<String> = pages().iter().map(|page| page.file_name().unwrap().to_string_lossy().into_owned()).collect();
        pages.retain(|page| page != "SUMMARY.md");
        pages.sort();
        let summary = fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap();
        let mut named: Vec<String> = links(&summary).collect();
        named.sort();
        assert_eq!(named, pages);
    }

    #[test]
    fn every_link_of_a_page_and_every_page_it_names_is_there() {
        let mut checked = 0;
        for page in pages().into_iter().chain(["README.md", "ARCHITECTURE.md", "SECURITY.md"].map(|name| root().join(name))) {
            let text = fs::read_to_string(&page).unwrap();
            let near = |name: &str| [page.parent().unwrap(), &root(), &root().join("docs")].iter().any(|folder| folder.join(name).exists());
            for link in links(&text).filter(|link| !link.contains("://")) {
                let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
                let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
                assert!(target.exists(), "{}: no {link}", page.display());
                assert!(heading.is_empty() || headings(&target).any(|known| known == heading), "{}: no heading {link}", page.display());
            }
            for named in named(&text) {
                assert!(near(&named), "{}: no page {named}", page.display());
                checked += 1;
            }
        }
        assert!(checked > 20, "{checked}");
    }

    fn pages() -> Vec<PathBuf> {
        let files = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
    }

    /// Where links lead to, as Markdown has them.
    fn links(text: &str) -> impl Iterator<Item = String> {
        text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link.to_owned())
    }

    /// Pages that are named in words: `docs/operations.md`, or `operations.md`.
    fn named(text: &str) -> impl Iterator<Item = String> {
        let words = text.split(|character: char| !(character.is_ascii_alphanumeric() || "._/-".contains(character)));
        words.map(|word| word.trim_end_matches('.')).filter(|word| word.ends_with(".md") && !word.starts_with('/')).map(ToOwned::to_owned)
    }

    /// What mdBook and code forges call the headings of a page.
    fn headings(page: &Path) -> impl Iterator<Item = String> {
        let text = fs::read_to_string(page).unwrap();
        let headings: Vec<String> =
            text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim().to_lowercase()).collect();
        headings
            .into_iter()
            .map(|heading| heading.replace(' ', "-").replace(|character: char| !(character.is_alphanumeric() || character == '-'), ""))
    }
}
