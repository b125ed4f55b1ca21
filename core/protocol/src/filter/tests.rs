use super::*;
use alloc::{format, string::ToString, vec};

fn parse(text: &str) -> Filter {
    Filter::parse(text).unwrap_or_else(|wrong| panic!("{}", wrong.shown(text)))
}

#[test]
fn a_filter_means_what_it_says_and_says_it_again() {
    let text = r#"os=rhel7 kernel<4 outcome=failed since=1h code=tls.*,dns.timeout host=web-* state=silent generation!=7 seen>3d label.site!=berlin clock="years behind" fact.color="a\"b" stratum=kernel=3.10"#;
    let filter = parse(text);
    assert_eq!(filter.terms().len(), 13);
    assert_eq!(filter.terms()[3], Term { key: Key::Since, test: Test::Age(Side::AtMost, 3_600) });
    assert_eq!(filter.terms()[11].test, Test::Is(vec![Pattern("a\"b".into())]));
    assert_eq!(filter.terms()[12].test, Test::Is(vec![Pattern("kernel=3.10".into())]));
    assert_eq!(filter.to_string(), text.replace("1h", "3600s").replace("3d", "259200s"));
    assert_eq!(parse(&filter.to_string()), filter);
    assert_eq!(parse("label.sign=\"=\"").to_string(), "label.sign=\"=\"");
    assert_eq!(parse(" \t "), Filter::default());
    let symptoms = filter.only(|key| matches!(key, Key::State | Key::Code));
    assert_eq!(symptoms.to_string(), "code=tls.*,dns.timeout state=silent");
}

#[test]
fn versions_compare_as_versions() {
    let below = [
        ("3.10", "4"),
        ("4.18", "5.4"),
        ("5.4", "5.10"),
        ("rhel7", "rhel10"),
        ("5.10.0-9-amd64", "5.10.0-32-amd64"),
        ("4", "4.1"),
        ("7", "12"),
        ("99999999999999999999998", "99999999999999999999999"),
        ("1.2-rc1", "1.2-rc2"),
        ("007", "8"),
    ];
    for (one, other) in below {
        assert_eq!(compare(one, other), Some(Ordering::Less), "{one} {other}");
        assert_eq!(compare(other, one), Some(Ordering::Greater), "{other} {one}");
        assert_eq!(compare(one, one), Some(Ordering::Equal));
    }
    for (one, other) in [("rhel7", "debian12"), ("3.10", "rhel7"), ("", "4"), ("x", "4")] {
        assert_eq!((compare(one, other), compare(other, one)), (None, None), "versions of different things have no order: {one} {other}");
    }
    let holds = |text: &str, value: &str| parse(text).terms()[0].test.holds(value);
    assert!(holds("kernel<4", "3.10") && !holds("kernel<4", "4.18") && holds("kernel>=4", "4.18") && !holds("os<rhel8", "alpine3"));
    assert!(holds("generation<10", "9") && holds("generation=1*", "12") && !holds("generation=4,5", "45"));
    assert!(holds("host=web-*", "web-7") && holds("host=*b-*7", "web-17") && !holds("host=web-*", "we") && holds("host=a,b", "b"));
    assert!(!holds("host=ab*ba", "aba") && holds("host=*", "") && holds("os!=rhel7", "rhel8") && !holds("os!=rhel*", "rhel8"));
}

#[test]
fn what_is_wrong_is_shown_at_its_character() {
    let rows = [
        ("os=rhel7 kernal<4", 9, "\"kernal\" is no key", "did you mean kernel?"),
        ("state=silnt", 6, "\"silnt\" is no state", "did you mean silent?"),
        ("os", 2, "followed by no operator", "write os=VALUE"),
        ("os=", 3, "there is no value", "write a value"),
        ("os==rhel7", 3, "begins with =", "write one ="),
        ("kernel<4 seen>==3d", 15, "begins with =", "write one ="),
        ("os=a,,b", 5, "there is no value", "write a value"),
        ("since=soon", 6, "\"soon\" is no time", "write 90s"),
        ("since<1h", 5, "since takes =", "since=1h"),
        ("seen=1h", 4, "seen takes <", "seen>3d"),
        ("state<silent", 5, "state has no order", "use = or !="),
        ("os=rhel7 generation<a", 20, "\"a\" is no generation", "write a number, such as generation<42"),
        ("generation>=-1", 12, "\"-1\" is no generation", "a number"),
        ("generation<4*", 11, "\"4*\" is no generation", "a number"),
        ("generation=4,new", 13, "\"new\" is no generation", "a number"),
        ("generation!=v4*", 12, "is no generation", "a number"),
        ("kernel<4,5", 7, "takes one value", "two terms"),
        ("os=\"rhel 7", 3, "never closed", "close it"),
        ("ö=1 os=x", 0, "is no key", "keys are"),
        ("host=ö os=\u{1b}[31m", 10, "cannot be printed", "terms"),
        ("code=tls.wrong-nam", 5, "is no code", "did you mean tls.wrong-name?"),
        ("label.=x", 0, "is no key", "label.NAME"),
        ("os=a\"b\"", 4, "cannot stand here", "quotation marks"),
    ];
    for (text, at, because, hint) in rows {
        let wrong = Filter::parse(text).unwrap_err();
        assert_eq!(wrong.at, at, "{text}: {wrong:?}");
        assert!(wrong.because.contains(because) && wrong.hint.contains(hint), "{text}: {wrong:?}");
    }
    let text = "os=rhel7 kernal<4";
    assert_eq!(Filter::parse(text).unwrap_err().shown(text), "\"kernal\" is no key\n  os=rhel7 kernal<4\n           ^");
    assert!(Filter::parse(&"a".repeat(FILTER_BYTES_MAX + 1)).is_err() && Filter::parse(&"os=x ".repeat(TERMS_MAX + 1)).is_err());
}

#[test]
fn completions_are_terms_that_parse() {
    let labels = vec!["label.site".to_string()];
    let fleet = |key: &Key| match key {
        Key::Fact(name) if name == "clock" => vec!["years behind".to_string(), "none".into()],
        Key::Fact(_) => vec!["rhel7".into(), "rhel8".into()],
        _ => vec![],
    };
    let complete = |text: &str| complete(text, &labels, fleet);
    assert_eq!(complete("os=rhel7 ke"), ["kernel=", "kernel_release="]);
    assert_eq!(complete("st"), ["state=", "status=", "stratum="]);
    assert_eq!(complete("os!=rhel7,rh"), ["os!=rhel7,rhel7", "os!=rhel7,rhel8"]);
    assert_eq!(complete("clock=y"), [r#"clock="years behind""#]);
    assert_eq!(complete(r#"clock="years b"#), [r#"clock="years behind""#]);
    assert_eq!(complete("lab"), ["label.site="]);
    assert_eq!(complete("state=s"), ["state=silent"]);
    assert!(complete("code=").len() > 50 && complete("nonsense=").is_empty());
    for text in ["state=", "code=t", "os=", "since=", "seen>", "clock="] {
        for term in complete(text) {
            assert_eq!(parse(&term).terms().len(), 1, "{text} {term}");
        }
    }
}

/// Twenty thousand texts from a fixed seed: none panics, and what is understood says itself again.
#[test]
fn whatever_is_typed_is_a_filter_or_wrong_at_one_of_its_characters() {
    let seeds = [
        r#"os=rhel7 kernel<4 since=1h code=tls.*,ok clock="years \"be\\hind" "#,
        "label.site!=x seen>3d generation>=7 state=silent,missing",
        "é=\u{1b} \"*\"<,",
    ];
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |most: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % most as u64).unwrap()
    };
    for _ in 0..20_000 {
        let mut text: Vec<char> = seeds[next(seeds.len())].chars().collect();
        for _ in 0..=next(4) {
            let (one, other) = (next(text.len()), next(text.len()));
            match next(3) {
                0 => text[one] = text[other],
                1 => drop(text.remove(one)),
                _ => text.insert(one, text[other]),
            }
        }
        let text: String = text.into_iter().collect();
        match Filter::parse(&text) {
            Ok(filter) => assert_eq!(Filter::parse(&filter.to_string()), Ok(filter.clone()), "{text}"),
            Err(wrong) => assert!(wrong.at <= text.chars().count(), "{text}: {wrong:?}"),
        }
        let _ = complete(&text, &[], |_| vec![text.clone()]);
        if !text.contains(char::is_control) {
            assert!(parse(&format!("os={}", quoted(&text))).terms()[0].test.holds(&text), "{text}");
        }
        let (one, other) = text.split_at(text.floor_char_boundary(text.len() / 2));
        assert_eq!(compare(one, other), compare(other, one).map(Ordering::reverse));
    }
}
