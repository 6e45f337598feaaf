//! `template.yaml`, as CloudFormation gets it after the SAM transform: the roles allow what the functions do and no
//! more (`roles`), the parts fit together (`parts`), and the settings and metrics of all of it are in the documentation
//! (`settings`).
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "what is missing fails the test")]

mod parts;
mod roles;
mod settings;

use std::{collections::BTreeSet, sync::OnceLock};

use serde_json::Value;
use siphon_tests::{
    python::{self, Python},
    repository,
};

/// Each function with its role and the folder of its code.
const FUNCTIONS: [(&str, &str, &str); 3] = [
    ("EnumerateFunction", "EnumerateRole", "enumerate"),
    ("ScrapeFunction", "ScrapeRole", "scrape"),
    ("DrainFunction", "DrainRole", "scrape"),
];

/// The transformed template; none where the Python environment is missing.
fn template() -> Option<&'static Value> {
    static TEMPLATE: OnceLock<Value> = OnceLock::new();
    let python = Python::find()?;
    let transform = || python::json(python.app("transform.py").arg(repository().join("template.yaml")));
    Some(TEMPLATE.get_or_init(transform))
}

fn resources<'a>(template: &'a Value, kind: &'a str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let resources = template["Resources"].as_object().into_iter().flatten();
    resources.filter(move |(_, resource)| resource["Type"] == kind)
}

/// What a field holds, be it one text or a list.
fn texts(value: &Value) -> BTreeSet<String> {
    let list = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    list.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}
