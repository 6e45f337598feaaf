//! Settings, parameters and metrics: what the code has, the template gives and the documentation lists.

use std::{collections::BTreeSet, fs};

use serde_json::Value;
use siphon_core::units::UnixMillis;
use siphon_enumerate::{listing::Listed, report::Report};
use siphon_scrape::report::Tally;
use siphon_tests::repository;

use crate::{FUNCTIONS, template};

/// The settings that the code of these files names, their tests left out.
fn settings(files: &[&str]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in files {
        let code = fs::read_to_string(repository().join(file)).unwrap();
        let code = code.split("#[cfg(test)]").next().unwrap();
        names.extend(code.split('"').filter(|text| is_setting(text)).map(str::to_owned));
    }
    names
}

/// Those of the function in this folder; what all functions read alike is in the core.
fn settings_of_function(folder: &str) -> BTreeSet<String> {
    settings(&[&format!("functions/{folder}/src/settings.rs"), "shared/src/shard.rs"])
}

/// Whether that is the name of a setting: `SIPHON_…`, or one that ADOT has.
fn is_setting(text: &str) -> bool {
    let is_name = text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    is_name && (text.starts_with("SIPHON_") || text.starts_with("AWS_PROMETHEUS_"))
}

/// The first column of the table below a heading.
fn listed(page: &str, heading: &str) -> BTreeSet<String> {
    let page = fs::read_to_string(repository().join(page)).unwrap();
    let lines = page.lines().skip_while(|line| *line != heading).skip(1);
    let rows = lines.take_while(|line| !line.starts_with('#')).filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split('`').next().unwrap().to_owned()).collect()
}

#[test]
fn the_readme_lists_every_setting_and_no_other() {
    let agent = ["agent/src/settings.rs", "agent/src/receivers/statsd/settings.rs", "agent/src/net/tls.rs"];
    assert_eq!(listed("README.md", "### Agent"), settings(&agent));
    for folder in ["enumerate", "scrape"] {
        let read = settings_of_function(folder);
        assert_eq!(listed("README.md", &format!("### {folder}")), read);
    }
}

/// The metrics that a function's line makes.
fn printed(line: &str) -> BTreeSet<String> {
    let line: Value = serde_json::from_str(line).unwrap();
    let metrics = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().cloned().unwrap();
    metrics.iter().map(|metric| metric["Name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_metric_of_the_functions_is_explained() {
    let tally = Tally { freshness: vec![1], ..Tally::default() };
    assert_eq!(listed("docs/metrics.md", "## scrape"), printed(&tally.line(UnixMillis(0))));
    let report = Report { at: UnixMillis(0), listed: Listed::default(), targets: 0, shards: 0 };
    assert_eq!(listed("docs/metrics.md", "## enumerate"), printed(&report.line()));
}

fn variables<'a>(template: &'a Value, function: &str) -> &'a serde_json::Map<String, Value> {
    let properties = &template["Resources"][function]["Properties"];
    properties["Environment"]["Variables"].as_object().unwrap()
}

/// What a stack leaves to the functions' defaults: keys come from the secret, shards say where agents listen, and the
/// others are nobody's business until something is looked into.
const NO_PARAMETER: [(&str, &[&str]); 3] = [
    ("EnumerateFunction", &["SIPHON_LOG_LEVEL", "SIPHON_SHARD_TASKS"]),
    (
        "ScrapeFunction",
        &[
            "SIPHON_AGENT_CONTAINER",
            "SIPHON_AGENT_PORT",
            "SIPHON_CONCURRENT_AGENTS",
            "SIPHON_KEY",
            "SIPHON_LOG_LEVEL",
            "SIPHON_PAGE_MAX_BYTES",
        ],
    ),
    (
        "DrainFunction",
        &["SIPHON_CONCURRENT_AGENTS", "SIPHON_KEY", "SIPHON_LOG_LEVEL", "SIPHON_PAGE_MAX_BYTES"],
    ),
];

#[test]
fn what_a_function_reads_is_what_it_is_given_but_for_a_few() {
    let Some(template) = template() else { return };
    for ((function, _, folder), (_, left_out)) in FUNCTIONS.into_iter().zip(NO_PARAMETER) {
        let read = settings_of_function(folder);
        let given = variables(template, function).keys().cloned();
        let left_out = left_out.iter().map(|name| (*name).to_owned());
        assert_eq!(given.chain(left_out).collect::<BTreeSet<_>>(), read, "{function}");
    }
}

#[test]
fn parameters_have_the_defaults_of_the_settings_that_they_give() {
    let Some(template) = template() else { return };
    let required = |name: &str| match name {
        "SIPHON_KEY_SECRET_ARN" => {
            Some("arn:aws:secretsmanager:eu-west-1:123456789012:secret:key".to_owned())
        }
        "AWS_PROMETHEUS_ENDPOINT" => Some("https://aps-workspaces.eu-west-1.amazonaws.com/write".to_owned()),
        "SIPHON_QUEUE_URL" => Some("https://sqs.eu-west-1.amazonaws.com/123456789012/shards".to_owned()),
        _ => None,
    };
    for (function, _, folder) in FUNCTIONS {
        let default = |name: &str| {
            let parameter = variables(template, function).get(name)?["Ref"].as_str()?;
            match &template["Parameters"][parameter]["Default"] {
                Value::String(text) => Some(text.clone()),
                number => Some(number.to_string()),
            }
        };
        let read = |look_up: &dyn Fn(&str) -> Option<String>| match folder {
            "scrape" => format!("{:?}", siphon_scrape::settings::Config::read(look_up).unwrap()),
            _ => format!("{:?}", siphon_enumerate::settings::Config::read(look_up).unwrap()),
        };
        let [with, without] = [read(&|name| required(name).or_else(|| default(name))), read(&required)];
        assert_eq!(with, without, "{function}");
    }
}
