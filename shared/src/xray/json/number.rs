//! Numbers in the form that the OpenTelemetry exporter's documents have.

use std::fmt::{Display, Write};

use serde_json::ser::{CompactFormatter, Formatter};

/// Appends a whole number.
pub(super) fn write_int(int: impl Display, out: &mut String) {
    let _ = write!(out, "{int}"); // a text takes all that is written
}

/// Appends a number: whole ones as such (`3`, not `3.0`), with an exponent only below 1e-6 and from 1e21 on.
pub(super) fn write(double: f64, out: &mut String) {
    let size = double.abs();
    let _ = if (1e-5..1e16).contains(&size) || size == 0.0 {
        write_fast(double, out);
        Ok(())
    } else if (1e-6..1e21).contains(&size) {
        write!(out, "{double}")
    } else {
        write!(out, "{double:e}")
    };
}

/// Where both forms are alike but for `.0`, the faster one.
fn write_fast(double: f64, out: &mut String) {
    let mut digits = [0; 32];
    let mut rest = digits.as_mut_slice();
    let _ = CompactFormatter.write_f64(&mut rest, double); // at most 24 digits
    let free = rest.len();
    let digits = digits.get(..digits.len() - free).and_then(|digits| std::str::from_utf8(digits).ok());
    let digits = digits.unwrap_or_default();
    out.push_str(digits.strip_suffix(".0").unwrap_or(digits));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_have_the_exporters_form() {
        for (double, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (3.0, "3"),
            (-2.5, "-2.5"),
            (1_795_400_000.249_999_8, "1795400000.2499998"),
            (1e15, "1000000000000000"),
            (1e16, "10000000000000000"),
            (1.5e20, "150000000000000000000"),
            (1e21, "1e21"),
            (1e-5, "0.00001"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (f64::MAX, "1.7976931348623157e308"),
        ] {
            let mut out = String::new();
            write(double, &mut out);
            assert_eq!(out, expected);
        }
    }
}
