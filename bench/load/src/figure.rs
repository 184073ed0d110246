//! Formats figures (pure).

use crate::rows::Unit;

/// Three digits and a unit, for people: `2.41 µs`, `10.2 KB`, `153 k/s`.
pub(crate) fn show(value: f64, unit: Unit) -> String {
    if value.is_nan() {
        return "–".to_owned();
    }
    if value.is_infinite() {
        return "never".to_owned();
    }
    match unit {
        Unit::Nanoseconds => scaled(value, 1000.0, &["ns", "µs", "ms", "s"]),
        Unit::Bytes => scaled(value, 1024.0, &["B", "KB", "MB"]),
        Unit::PerSecond => scaled(value, 1000.0, &["/s", "k/s", "M/s"]),
        Unit::Share => format!("{} %", digits(value * 100.0)),
        Unit::Times => digits(value),
        Unit::Count => format!("{value:.0}"),
    }
}

fn scaled(value: f64, step: f64, units: &[&str]) -> String {
    let mut value = value;
    let mut units = units.iter();
    let mut unit = units.next().unwrap_or(&"");
    // 999.6 would be shown as 1000.
    while value.abs() >= step - 0.5 {
        let Some(next) = units.next() else { break };
        value /= step;
        unit = next;
    }
    format!("{} {unit}", digits(value))
}

/// Formats a number with three digits, or with more if more are before the decimal point.
pub(crate) fn digits(value: f64) -> String {
    let decimals = match value.abs() {
        size if size < 9.995 => 2,
        size if size < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit() {
        for (value, unit, text) in [
            (2_412.0, Unit::Nanoseconds, "2.41 µs"),
            (999.7, Unit::Nanoseconds, "1.00 µs"),
            (125.0, Unit::Nanoseconds, "125 ns"),
            (3e12, Unit::Nanoseconds, "3000 s"),
            (10_444.0, Unit::Bytes, "10.2 KB"),
            (-12.0, Unit::Bytes, "-12.0 B"),
            (153_456.0, Unit::PerSecond, "153 k/s"),
            (1.0, Unit::Share, "100 %"),
            (1.046, Unit::Times, "1.05"),
            (4.0, Unit::Count, "4"),
            (f64::INFINITY, Unit::Nanoseconds, "never"),
            (f64::NAN, Unit::Times, "–"),
        ] {
            assert_eq!(show(value, unit), text);
        }
    }
}
