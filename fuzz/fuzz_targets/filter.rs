//! The language of questions: whatever is typed is a filter that says itself again, or is wrong at one of its characters; what it is
//! completed with and held against are texts of hosts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::filter::{Filter, compare, complete, quoted};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    match Filter::parse(text) {
        Ok(filter) => {
            let said = filter.to_string();
            assert!(Filter::parse(&said).as_ref() == Ok(&filter), "{said}");
            for term in filter.terms() {
                let _ = term.test.holds(text);
            }
        }
        Err(wrong) => {
            assert!(wrong.at <= text.chars().count());
            let _ = wrong.shown(text);
        }
    }
    if !text.is_empty() && !text.contains(char::is_control) && text.len() < 400 {
        let term = format!("os={}", quoted(text));
        assert!(Filter::parse(&term).is_ok_and(|filter| filter.terms().iter().all(|term| term.test.holds(text))), "{term}");
    }
    let _ = complete(text, &[], |_| vec![text.into()]);
    let (one, other) = text.split_at(text.floor_char_boundary(text.len() / 2));
    assert!(compare(one, other) == compare(other, one).map(core::cmp::Ordering::reverse));
    assert!(compare(text, text).is_none_or(core::cmp::Ordering::is_eq));
});
