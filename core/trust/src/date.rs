//! Dates as TUF writes them (RFC 3339, narrowed to UTC without fractions): `2030-01-31T23:59:59Z`.

use alloc::{format, string::String};

/// Seconds since 1970 of a date; `None` for anything of another form.
#[must_use]
pub fn parse_date(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let form = b"dddd-dd-ddTdd:dd:ddZ";
    let fits = |(byte, form): (&u8, &u8)| if *form == b'd' { byte.is_ascii_digit() } else { byte == form };
    if bytes.len() != form.len() || !bytes.iter().zip(form).all(fits) {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month) || !(1..=days_of(year, month)).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(((days_before(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// The date of seconds since 1970, from year 0 to 9999.
#[must_use]
pub fn format_date(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let mut year = 1970 + days.div_euclid(366);
    while days_before(year + 1, 1, 1) <= days {
        year += 1;
    }
    let month = (2..=12).rev().find(|month| days_before(year, *month, 1) <= days).unwrap_or(1);
    let day = days - days_before(year, month, 1) + 1;
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let full = year - 1;
    let years = full * 365 + full.div_euclid(4) - full.div_euclid(100) + full.div_euclid(400) - 719_162;
    years + (1..month).map(|month| days_of(year, month)).sum::<i64>() + day - 1
}

#[cfg(test)]
mod tests {
    use super::{format_date, parse_date};

    #[test]
    fn dates_are_read_and_written() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2038-01-19T03:14:08Z", 2_147_483_648),
            ("2026-11-24T10:13:44Z", 1_795_515_224),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
            ("1969-12-31T23:59:59Z", -1),
        ] {
            assert_eq!(parse_date(text), Some(seconds), "{text}");
            assert_eq!(format_date(seconds), text);
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "2030-01-01",
            "2030-13-01T00:00:00Z",
            "2030-02-29T00:00:00Z",
            "2030-01-01T24:00:00Z",
            "2030-01-01T00:00:00+01:00",
            "+030-01-01T00:00:00Z",
            "2030-01-01T00:00:00.5Z",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
