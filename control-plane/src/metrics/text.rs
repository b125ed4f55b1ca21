//! From OpenMetrics to the older text format, which every scraper reads and `promtool check metrics` judges.
//!
//! They differ in three things that occur here: a counter's name has `_total` also where it is described, and units and the end are
//! not said.

use std::{collections::HashSet, fmt::Write};

/// The same series in the text format 0.0.4.
pub(super) fn classic(open: &str) -> String {
    let counters: HashSet<&str> = open.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let mut text = String::with_capacity(open.len());
    for line in open.lines() {
        let mut words = line.splitn(4, ' ');
        // Writing into a String does not fail.
        let _ = match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(word @ ("HELP" | "TYPE")), Some(name), Some(rest)) => {
                let suffix = if counters.contains(name) { "_total" } else { "" };
                writeln!(text, "# {word} {name}{suffix} {rest}")
            }
            (Some("#"), ..) => continue,
            _ => writeln!(text, "{line}"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::classic;

    #[test]
    fn a_counter_is_described_by_the_name_it_is_served_under() {
        let open = "# HELP a_b Bees.\n# TYPE a_b counter\na_b_total{x=\"# HELP\"} 3\n# HELP t Time.\n# TYPE t gauge\n# UNIT t seconds\nt 1\n# EOF\n";
        let classic_text = "# HELP a_b_total Bees.\n# TYPE a_b_total counter\na_b_total{x=\"# HELP\"} 3\n# HELP t Time.\n# TYPE t gauge\nt 1\n";
        assert_eq!(classic(open), classic_text);
    }
}
