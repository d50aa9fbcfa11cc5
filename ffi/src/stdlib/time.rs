//! `Time`: clocks of the world outside. The machine's own clock is with the process functions.

use crate::registry::natives;
use std::time::{SystemTime, UNIX_EPOCH};

natives! {
    /// Clocks.
    fn module;

    /// Seconds since the start of 1970 (UTC), with a fraction.
    Time.unix() = typed unix;
    /// The date and time (UTC) of a number of seconds since the start of 1970:
    /// `2001-09-09T01:46:40.000Z`.
    Time.iso(seconds) = typed iso;
}

fn unix() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// Years that are written with four digits, in seconds.
const FIRST: f64 = -62_167_219_200.0;
const LAST: f64 = 253_402_300_800.0;

fn iso(seconds: f64) -> Result<String, String> {
    if !(FIRST..LAST).contains(&seconds) {
        return Err("Time.iso shows the years 0 to 9999".to_owned());
    }
    let millis = (seconds * 1000.0).floor() as i64;
    let (days, in_day) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    let (hour, minute) = (in_day / 3_600_000, in_day / 60_000 % 60);
    let (second, milli) = (in_day / 1000 % 60, in_day % 1000);
    Ok(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z"))
}

/// Year, month and day of a day counted from the start of 1970, in the Gregorian calendar. Years begin
/// in March, so that the leap day is the last; 400 years have 146097 days.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use crate::stdlib::testing::check;

    #[test]
    fn dates() {
        check("Time.iso", "0", "String: \"1970-01-01T00:00:00.000Z\"");
        check("Time.iso", "951782400.5", "String: \"2000-02-29T00:00:00.500Z\"");
        check("Time.iso", "-1", "String: \"1969-12-31T23:59:59.000Z\"");
        check("Time.iso", "253402300799", "String: \"9999-12-31T23:59:59.000Z\"");
        check(
            "Time.iso",
            "1e15",
            "error:FFI call error: Runtime error: Time.iso shows the years 0 to 9999",
        );
    }
}
