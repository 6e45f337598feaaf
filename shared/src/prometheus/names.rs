//! Metric names: an OTLP name, unit and kind to a Prometheus name, as prometheus/otlptranslator v1.0.0 builds it
//! (`metric_namer.go`, `unit_namer.go`) with the translation strategies `UnderscoreEscapingWithSuffixes` and, without
//! suffixes, `UnderscoreEscapingWithoutSuffixes`.

/// What a metric's kind adds to its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// May end in `_ratio`.
    Gauge,
    /// A monotonic sum: ends in `_total`.
    Counter,
    /// Everything else: non-monotonic sums, histograms, summaries.
    Other,
}

/// The series name of a metric, or `None` where nothing is left of it.
///
/// With `suffixes` the name is split into tokens at every character that Prometheus doesn't know, and the unit and the
/// kind are appended as tokens unless the name holds them already.
pub(crate) fn metric_name(name: &str, unit: &str, kind: Kind, suffixes: bool) -> Option<String> {
    let joined =
        if suffixes { with_suffixes(name, unit, kind).join("_") } else { tokens(name, true).join("_") };
    let named = if joined.starts_with(|c: char| c.is_ascii_digit()) { format!("_{joined}") } else { joined };
    (!named.bytes().all(|b| b == b'_')).then_some(named)
}

fn tokens(name: &str, keep_underscores: bool) -> Vec<&str> {
    let kept = |c: char| c.is_ascii_alphanumeric() || c == ':' || (keep_underscores && c == '_');
    name.split(|c| !kept(c)).filter(|token| !token.is_empty()).collect()
}

fn with_suffixes(name: &str, unit: &str, kind: Kind) -> Vec<String> {
    let mut tokens: Vec<String> = tokens(name, false).into_iter().map(str::to_owned).collect();
    append_unit(&mut tokens, unit);
    match kind {
        Kind::Counter => move_to_end(&mut tokens, "total"),
        Kind::Gauge if unit == "1" => move_to_end(&mut tokens, "ratio"),
        Kind::Gauge | Kind::Other => {}
    }
    tokens
}

/// The unit as names spell it, such as `bytes_per_second`; empty where it has no word. As `UnitNamer` builds it.
pub(crate) fn unit_name(unit: &str) -> String {
    let (main, per) = unit_words(unit);
    let main = if per.is_empty() { main.as_str() } else { main.strip_suffix('_').unwrap_or(&main) };
    [main, &per].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join("_")
}

/// What is before the slash, and what is after it with `per_`; empty where there is nothing.
fn unit_words(unit: &str) -> (String, String) {
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    let main = clean(main_unit(main.trim()));
    let per = match per.trim() {
        "" => String::new(),
        per => clean(&format!("per_{}", per_unit(per))),
    };
    let per = if per == "per_" { "" } else { per.strip_suffix('_').unwrap_or(&per) };
    (main, per.to_owned())
}

fn append_unit(tokens: &mut Vec<String>, unit: &str) {
    let (main, per) = unit_words(unit);

    let is_new = |unit: &str| !unit.is_empty() && !tokens.iter().any(|token| token == unit);
    let per = is_new(&per).then_some(per.as_str());
    let main = is_new(&main).then_some(main.as_str()).map(|main| match per {
        Some(_) => main.strip_suffix('_').unwrap_or(main),
        None => main,
    });
    let new: Vec<String> =
        [main, per].into_iter().flatten().filter(|t| !t.is_empty()).map(str::to_owned).collect();
    tokens.extend(new);
}

fn move_to_end(tokens: &mut Vec<String>, word: &str) {
    tokens.retain(|token| token != word);
    tokens.push(word.to_owned());
}

/// Characters that a name can't hold become `_`; runs of `_` become one; a leading one goes.
fn clean(unit: &str) -> String {
    let mut cleaned = String::with_capacity(unit.len());
    for c in unit.chars() {
        if c.is_ascii_alphanumeric() || c == ':' {
            cleaned.push(c);
        } else if !cleaned.ends_with('_') {
            cleaned.push('_');
        }
    }
    match cleaned.strip_prefix('_') {
        Some(rest) => rest.to_owned(),
        None => cleaned,
    }
}

/// An annotation such as `{request}` is no unit.
fn is_annotation(unit: &str) -> bool {
    unit.contains(['{', '}'])
}

/// The word for a UCUM unit; a unit that the table lacks stands for itself.
fn main_unit(unit: &str) -> &str {
    match unit {
        unit if is_annotation(unit) => "",
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "TiBy" => "tibibytes",
        "KBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "1" => "",
        "%" => "percent",
        other => other,
    }
}

/// The word for a UCUM unit after `/`: `m` is a minute here, a metre before the slash.
fn per_unit(unit: &str) -> &str {
    match unit {
        unit if is_annotation(unit) => "",
        "s" => "second",
        "m" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" => "week",
        "mo" => "month",
        "y" => "year",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind::*, *};

    #[test]
    fn a_name_gets_its_unit_and_kind() {
        for (name, unit, kind, want) in [
            ("http.server.request.duration", "s", Other, "http_server_request_duration_seconds"),
            ("http.server.duration", "ms", Other, "http_server_duration_milliseconds"),
            ("jvm.memory.used", "By", Other, "jvm_memory_used_bytes"),
            ("process.cpu.time", "s", Counter, "process_cpu_time_seconds_total"),
            ("http.server.active_requests", "{request}", Other, "http_server_active_requests"),
            ("system.cpu.utilization", "1", Gauge, "system_cpu_utilization_ratio"),
            ("system.cpu.utilization", "1", Other, "system_cpu_utilization"),
            ("requests", "1", Counter, "requests_total"),
            ("requests_total", "1", Counter, "requests_total"),
            ("foo.total.count", "", Counter, "foo_count_total"),
            ("http.bytes", "By", Counter, "http_bytes_total"),
            ("network.io", "By/s", Gauge, "network_io_bytes_per_second"),
            ("queue.rate", "{requests}/s", Gauge, "queue_rate_per_second"),
            ("a", "requests / min", Gauge, "a_requests_per_min"),
            ("speed", "m/s", Gauge, "speed_meters_per_second"),
            ("x", "1/s", Gauge, "x_per_second"),
            ("x", "MiB/s", Gauge, "x_MiB_per_second"),
            ("disk.used", "%", Gauge, "disk_used_percent"),
            ("temp", "°C", Gauge, "temp_C"),
            ("hit.ratio", "1", Gauge, "hit_ratio"),
            ("2xx.count", "", Counter, "_2xx_count_total"),
            ("a..b__c", "", Gauge, "a_b_c"),
            ("ns:metric.x", "By", Gauge, "ns:metric_x_bytes"),
            ("wöird.name", "", Gauge, "w_ird_name"),
            ("request.seconds", "s", Gauge, "request_seconds"),
            ("ecs.task.storage.read_bytes", "Bytes", Other, "ecs_task_storage_read_bytes_Bytes"),
            ("ecs.task.network.rate.rx", "Bytes/Second", Gauge, "ecs_task_network_rate_rx_Bytes_per_Second"),
            ("already.Bytes/Second", "Bytes/Second", Gauge, "already_Bytes_Second_per_Second"),
            ("x", "a°/s", Gauge, "x_a_per_second"),
            ("x", "a/{b}", Gauge, "x_a"),
            ("x", "a/", Gauge, "x_a"),
            ("", "s", Gauge, "seconds"),
        ] {
            assert_eq!(metric_name(name, unit, kind, true).as_deref(), Some(want), "{name} [{unit}]");
        }
    }

    #[test]
    fn every_unit_of_the_table_has_its_word() {
        for (unit, want) in [
            ("d", "days"),
            ("h", "hours"),
            ("min", "minutes"),
            ("s", "seconds"),
            ("ms", "milliseconds"),
            ("us", "microseconds"),
            ("ns", "nanoseconds"),
            ("By", "bytes"),
            ("KiBy", "kibibytes"),
            ("MiBy", "mebibytes"),
            ("GiBy", "gibibytes"),
            ("TiBy", "tibibytes"),
            ("KBy", "kilobytes"),
            ("MBy", "megabytes"),
            ("GBy", "gigabytes"),
            ("TBy", "terabytes"),
            ("m", "meters"),
            ("V", "volts"),
            ("A", "amperes"),
            ("J", "joules"),
            ("W", "watts"),
            ("g", "grams"),
            ("Cel", "celsius"),
            ("Hz", "hertz"),
            ("%", "percent"),
            ("MiB", "MiB"),
            ("None", "None"),
            ("a/s", "a_per_second"),
            ("a/m", "a_per_minute"),
            ("a/h", "a_per_hour"),
            ("a/d", "a_per_day"),
            ("a/w", "a_per_week"),
            ("a/mo", "a_per_month"),
            ("a/y", "a_per_year"),
        ] {
            assert_eq!(metric_name("x", unit, Gauge, true), Some(format!("x_{want}")), "{unit}");
        }
    }

    #[test]
    fn a_unit_has_a_name_of_its_own() {
        for (unit, want) in [
            ("s", "seconds"),
            ("By/s", "bytes_per_second"),
            ("1/s", "per_second"),
            ("{request}", ""),
            ("{request}/min", "per_min"),
            ("1", ""),
            ("", ""),
            ("Bytes/Second", "Bytes_per_Second"),
            ("a°/s", "a_per_second"),
        ] {
            assert_eq!(unit_name(unit), want, "{unit}");
        }
    }

    #[test]
    fn without_suffixes_only_foreign_characters_change() {
        for (name, want) in [
            ("ecs.task.memory.utilized", "ecs_task_memory_utilized"),
            ("a__b", "a__b"),
            ("a..b-", "a_b"),
            ("9a", "_9a"),
        ] {
            assert_eq!(metric_name(name, "MiB", Counter, false).as_deref(), Some(want));
        }
    }

    #[test]
    fn a_name_of_which_nothing_is_left_is_none() {
        for (name, suffixes) in
            [("", true), ("...", true), ("°", true), ("__", true), ("__", false), ("", false)]
        {
            assert_eq!(metric_name(name, "", Gauge, suffixes), None, "{name:?}");
        }
    }
}
