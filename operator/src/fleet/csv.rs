//! Rows as RFC 4180 has them. What a spreadsheet would take for a formula is text: hosts say what they like of themselves.

use super::show::Rows;

/// The whole file.
pub(super) fn text(rows: &Rows) -> String {
    let line = |cells: Vec<String>| cells.iter().map(|cell| field(cell)).collect::<Vec<_>>().join(",") + "\r\n";
    let headings = line(rows.headings.iter().map(|heading| heading.to_lowercase().replace(' ', "_")).collect());
    rows.rows.iter().fold(headings, |text, row| text + &line(row.clone()))
}

fn field(cell: &str) -> String {
    let cell: String = cell.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    let formula = cell.trim_start().starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']);
    let cell = if formula { format!("'{cell}") } else { cell };
    if cell.contains(['"', ',', '\'', ';', ' ']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_none_breaks_out() {
        let rows = [
            ("rhel7", "rhel7"),
            ("=HYPERLINK(\"http://evil\")", "\"'=HYPERLINK(\"\"http://evil\"\")\""),
            ("@SUM(1)", "\"'@SUM(1)\""),
            ("+1", "\"'+1\""),
            ("-2", "\"'-2\""),
            (" =1", "\"' =1\""),
            ("\t=1", "\"' =1\""),
            ("a\r\n=1", "\"a  =1\""),
            ("a,b", "\"a,b\""),
            ("\u{1b}[31m", "\" [31m\""),
            ("", ""),
        ];
        for (cell, text) in rows {
            assert_eq!(field(cell), text);
        }
        let all = Rows { headings: &["NAME", "FAILING SINCE"], rows: vec![vec!["a".into(), "=1".into()]] };
        assert_eq!(text(&all), "name,failing_since\r\na,\"'=1\"\r\n");
    }
}
