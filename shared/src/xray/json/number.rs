//! Numbers in the form that the OpenTelemetry exporter's documents have.

use std::io::Write;

use serde_json::ser::{CompactFormatter, Formatter};

// Nothing fails here: memory takes all that is written.

/// Appends a whole number.
pub(super) fn write_int(int: i64, out: &mut Vec<u8>) {
    let _ = CompactFormatter.write_i64(out, int);
}

/// Appends a whole number.
pub(super) fn write_unsigned(int: u64, out: &mut Vec<u8>) {
    let _ = CompactFormatter.write_u64(out, int);
}

/// Appends a number: whole ones as such (`3`, not `3.0`), with an exponent only below 1e-6 and from 1e21 on.
pub(super) fn write(double: f64, out: &mut Vec<u8>) {
    let size = double.abs();
    let _ = if (1e-5..1e16).contains(&size) || size == 0.0 {
        write_fast(double, out);
        Ok(())
    } else if (1e-6..1e21).contains(&size) {
        write!(out, "{double}")
    } else if size < 1.0 {
        write!(out, "{double:e}")
    } else {
        out.write_all(format!("{double:e}").replace('e', "e+").as_bytes())
    };
}

/// Where both forms are alike but for `.0`, the faster one.
fn write_fast(double: f64, out: &mut Vec<u8>) {
    let _ = CompactFormatter.write_f64(out, double);
    if out.ends_with(b".0") {
        out.truncate(out.len() - 2);
    }
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
            (1e21, "1e+21"),
            (1e-5, "0.00001"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (f64::MAX, "1.7976931348623157e+308"),
        ] {
            let mut out = Vec::new();
            write(double, &mut out);
            assert_eq!(str::from_utf8(&out), Ok(expected));
        }
    }
}
