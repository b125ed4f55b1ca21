//! Completions of filters: keys that are the same everywhere, and values that this fleet holds.

use crate::{ask::Ask, print};
use clap_complete::Shell;
use protocol::filter::complete;
use serde_json::json;

/// What a shell does with `pinnacectl fleet QUESTION FILTER`, around what it does with everything else.
pub(crate) fn around(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => BASH,
        Shell::Zsh => ZSH,
        Shell::Fish => FISH,
        _ => "",
    }
}

const BASH: &str = r#"
_pinnacectl_filters() {
    local line="${COMP_LINE:0:COMP_POINT}" term
    term="${line##*[[:space:]]}"
    if [[ "$line" =~ [[:space:]]fleet[[:space:]]+(status|why|hosts|series|watch)[[:space:]] && "$term" != -* ]]; then
        local IFS=$'\n'
        COMPREPLY=($("$1" fleet complete -- "$term" 2>/dev/null))
        # Only what stands behind the last of its word breaks is replaced.
        COMPREPLY=("${COMPREPLY[@]#"${term%"${term##*[=:]}"}"}")
        [[ "${COMPREPLY[0]}" == *= ]] && compopt -o nospace 2>/dev/null
        return 0
    fi
    _pinnacectl "$@"
}
complete -F _pinnacectl_filters -o bashdefault -o default pinnacectl
"#;

/// What is completed is matched already: a value in quotation marks begins otherwise than what was typed.
const ZSH: &str = r#"
_pinnacectl_filters() {
    local -a terms
    if [[ "${words[1,CURRENT-1]} " =~ ' fleet +(status|why|hosts|series|watch) ' && "$PREFIX" != -* ]]; then
        terms=("${(@f)$("$words[1]" fleet complete -- "$PREFIX" 2>/dev/null)}")
        compadd -U -Q -S '' -- ${(M)terms:#*=}
        compadd -U -Q -- ${${terms:#*=}:#}
        return
    fi
    _pinnacectl "$@"
}
compdef _pinnacectl_filters pinnacectl
"#;

const FISH: &str = r#"
function __pinnacectl_filters
    set -l term (commandline -ct)
    string match -q -- '-*' $term; or pinnacectl fleet complete -- $term 2>/dev/null
end
complete -c pinnacectl -f -n '__fish_seen_subcommand_from fleet; and __fish_seen_subcommand_from status why hosts series watch' -a '(__pinnacectl_filters)'
"#;

/// Prints the terms that an unfinished one may become; without a control plane those that are the same everywhere.
pub(super) fn print(ask: &Ask, term: &str) {
    let told = ask.api().and_then(|api| api.post("fleet/complete", &json!({"text": term})));
    let terms: Vec<String> = match told {
        Ok(told) => print::items(&told, "terms").filter_map(|term| term.as_str().map(String::from)).collect(),
        Err(_) => complete(term, &[], |_| Vec::new()),
    };
    terms.iter().filter(|term| is_inert(term)).for_each(|term| println!("{term}"));
}

/// Whether a shell takes it as it is. Values are the hosts' own words, and what is completed is on an operator's command line.
fn is_inert(term: &str) -> bool {
    let inert = |character: char| character.is_ascii_alphanumeric() || "._:/+@-=,\" ".contains(character);
    term.chars().all(inert)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_act_on_is_not_offered() {
        for term in ["os=rhel7", "label.site=ber-lin_1", "clock=\"years behind\"", "kernel="] {
            assert!(is_inert(term), "{term}");
        }
        for term in
            ["os=$(reboot)", "os=`id`", "os=\"a;b\"", "os=a&b", "os=a|b", "os=a>b", "os=\"\\\"x\"", "os=a!b", "os=*", "os=a\nb", "os='a'", "os=~"]
        {
            assert!(!is_inert(term), "{term}");
        }
    }
}
