//! Filters, completed by real shells with what `pinnacectl completions` prints.

use super::fleet::{asked, eventually, state};
use std::process::Command;
use tests::rig::Rig;

/// Gives what the function completes a line with.
const BASH: &str = r#"eval "$(pinnacectl completions bash)"; COMP_LINE=$1; COMP_POINT=${#1}; COMP_WORDS=(pinnacectl)
_pinnacectl_filters pinnacectl; printf '%s\n' "${COMPREPLY[@]}""#;
/// An interactive shell on a terminal; gives the line as it stands after the key.
const ZSH: &str = r#"zmodload zsh/zpty; zpty shell zsh -f -i
zpty -w shell 'PS1=; autoload -Uz compinit; compinit -D -u; eval "$(pinnacectl completions zsh)"; bindkey "^I" complete-word
show() { print -r -- "<<$BUFFER>>" }; zle -N show; bindkey "^X" show; print ready-$((1+1))'
zpty -r -m shell said '*ready-2*'; zpty -w -n shell "$1"$'\t\x18'; zpty -r -m shell said '*<<*>>*'
print -r -- ${${said##*<<}%%>>*}; zpty -d shell"#;
const FISH: &str = "pinnacectl completions fish | source; complete -C $argv[1]";

#[test]
fn bash_zsh_and_fish_complete_keys_and_the_values_that_the_fleet_holds() {
    let rig = Rig::simple();
    rig.run(&[]).expect_delivered();
    let os = || asked(&rig, &["host", "web-1"])["host"]["facts"]["os"].as_str().map(str::to_owned);
    eventually("what it told is in the picture", || state(&rig) == "healthy" && os().is_some());
    let os = os().expect("it told it");
    let completed = |shell: &[&str], line: &str| {
        let folder = tests::rig::programs().pinnacectl.parent().expect("a folder").display().to_string();
        let path = format!("{folder}:{}", std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).arg(line).env("PATH", path).env("XDG_CONFIG_HOME", rig.path("config")).env("HOME", rig.path("."));
        let output = command.output().unwrap_or_else(|error| panic!("{} is needed: {error}", shell[0]));
        String::from_utf8_lossy(&output.stdout).replace('\r', "")
    };
    let (start, rest) = os.split_at(1);
    let value = format!("pinnacectl fleet status os={start}");

    let bash = |line: &str| completed(&["bash", "-c", BASH, "bash"], line);
    assert_eq!(bash("pinnacectl fleet hosts kern"), "kernel=\nkernel_release=\n");
    assert_eq!(bash("pinnacectl fleet why state=si"), "silent\n");
    assert!(bash("pinnacectl fleet status os=").lines().any(|value| value == os), "{os}");

    let zsh = |line: &str| completed(&["zsh", "-f", "-c", ZSH, "zsh"], line);
    assert_eq!(zsh("pinnacectl fleet hosts kern"), "pinnacectl fleet hosts kernel\n", "as far as both go");
    assert_eq!(zsh("pinnacectl fleet why state=si"), "pinnacectl fleet why state=silent \n");
    assert_eq!(zsh(&value), format!("{value}{rest} \n"));
    assert_eq!(zsh("pinnacectl fle"), "pinnacectl fleet \n", "and everything else as ever");

    let fish = |line: &str| completed(&["fish", "--no-config", "-c", FISH, "--"], line);
    assert_eq!(fish("pinnacectl fleet hosts kern"), "kernel=\nkernel_release=\n");
    assert_eq!(fish("pinnacectl fleet why state=si"), "state=silent\n");
    assert_eq!(fish(&value), format!("os={os}\n"));
    assert!(fish("pinnacectl fle").starts_with("fleet\t"), "{}", fish("pinnacectl fle"));
}
