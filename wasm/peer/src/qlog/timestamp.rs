//! Wall-clock time as text.

/// Unix time in milliseconds as [RFC 3339] has it, in UTC.
///
/// [RFC 3339]: https://www.rfc-editor.org/rfc/rfc3339
pub(super) fn rfc_3339(unix_ms: u64) -> String {
    const DAY_MS: u64 = 86_400_000;
    let (mut days, ms) = (unix_ms / DAY_MS, unix_ms % DAY_MS);
    let mut year = 1970;
    while days >= days_of_year(year) && year < 9999 {
        days -= days_of_year(year);
        year += 1;
    }
    let mut month = 1;
    while days >= days_of_month(year, month) && month < 12 {
        days -= days_of_month(year, month);
        month += 1;
    }
    let (hour, minute) = (ms / 3_600_000, ms / 60_000 % 60);
    let (second, milli, day) = (ms / 1000 % 60, ms % 1000, days + 1);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_of_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::rfc_3339;

    #[test]
    fn known_instants_have_their_known_names() {
        assert_eq!(rfc_3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc_3339(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(rfc_3339(1_767_225_599_999), "2025-12-31T23:59:59.999Z");
        assert_eq!(rfc_3339(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
    }
}
