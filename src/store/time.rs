//! Times as text, for records and run ids only.

/// Year, month, day, hour, minute and second of a moment in UTC (Hinnant, "chrono-compatible low-level date
/// algorithms", `civil_from_days`).
fn civil(nanos: i128) -> [i64; 6] {
    let seconds = nanos.div_euclid(1_000_000_000) as i64;
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    [year, month, doy - (153 * mp + 2) / 5 + 1, second / 3600, second / 60 % 60, second % 60]
}

/// A moment, in nanoseconds since 1970, as `2026-11-23T06:04:23Z`.
pub fn rfc3339(nanos: i128) -> String {
    let [y, mo, d, h, mi, s] = civil(nanos);
    format!("{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}Z")
}

/// The seconds since 1970 of a moment as [`rfc3339`] writes it; none where the text is none.
pub(super) fn read_rfc3339(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    if text.len() != 20 || !text.ends_with('Z') {
        return None;
    }
    let [y, mo, d] = [number(0, 4)?, number(5, 7)?, number(8, 10)?];
    let [h, mi, s] = [number(11, 13)?, number(14, 16)?, number(17, 19)?];
    // Hinnant's `days_from_civil`: years begin in March.
    let year = y - i64::from(mo <= 2);
    let doy = (153 * (mo + if mo > 2 { -3 } else { 9 }) + 2) / 5 + d - 1;
    let (era, yoe) = (year.div_euclid(400), year.rem_euclid(400));
    let days = era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468;
    Some(days * 86_400 + h * 3600 + mi * 60 + s)
}

/// The same to the millisecond as `20261123-060423-127`, which sorts.
pub(super) fn compact(nanos: i128) -> String {
    let [y, mo, d, h, mi, s] = civil(nanos);
    let millis = nanos.rem_euclid(1_000_000_000) / 1_000_000;
    format!("{y:04}{mo:02}{d:02}-{h:02}{mi:02}{s:02}-{millis:03}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_400_000_000_000), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(1_795_413_863_999_999_999), "2026-11-23T06:04:23Z");
        for seconds in [0, 951_782_400, 951_868_799, 1_795_413_863, 4_102_444_800] {
            assert_eq!(read_rfc3339(&rfc3339(i128::from(seconds) * 1_000_000_000)), Some(seconds));
        }
        assert_eq!([read_rfc3339(""), read_rfc3339("2026-11-23 06:04:23 +0"), read_rfc3339("äääääääääZ")], [None; 3]);
        assert_eq!(compact(1_795_413_863_127_000_000), "20261123-060423-127");
    }
}
