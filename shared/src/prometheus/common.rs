//! The labels that all points of a scope have in common, and how a point's own come to them.

use super::{
    attributes::{Attribute, joined, text},
    labels::label_name,
    resource::ResourceLabels,
};
use crate::{
    otlp::{KeyValue, Scope},
    series::{Label, LabelSet, NAME},
};

/// Labels of all points of one resource and scope.
pub(super) struct CommonLabels<'a> {
    resource: &'a ResourceLabels<'a>,
    /// `job`, `instance` and the scope's: they win over attributes.
    fixed: Vec<Label>,
    /// Those and the resource's attributes.
    all: Vec<Label>,
}

/// Labels of one point, but for the metric's name.
pub(super) struct PointLabels<'a> {
    own: Vec<Label>,
    common: &'a [Label],
}

impl<'a> CommonLabels<'a> {
    pub(super) fn new(resource: &'a ResourceLabels<'a>, scope: Option<&Scope>) -> Self {
        let mut fixed = resource.target.clone();
        fixed.extend(scope.into_iter().flat_map(scope_labels));
        let fixed = LabelSet::new(fixed).as_slice().to_vec();
        let mut all = joined(&resource.attributes);
        all.extend_from_slice(&fixed);
        Self { resource, fixed, all: LabelSet::new(all).as_slice().to_vec() }
    }

    /// The labels of a point with these attributes, or `None` where a key makes no label name.
    ///
    /// A resource's attribute replaces a point's own of the same key. Different keys that make one label name are joined
    /// in the order of their keys, wherever they come from.
    pub(super) fn of_point(&self, attributes: &'a [KeyValue]) -> Option<PointLabels<'_>> {
        let mut own: Vec<Attribute<'_>> = Vec::with_capacity(attributes.len());
        for attribute in attributes {
            let value = text(attribute.value());
            if value.is_empty() || self.resource.has_key(&attribute.key) {
                continue;
            }
            own.push(Attribute { key: &attribute.key, label: label_name(&attribute.key)?, value });
        }
        let (with, common) = if own.iter().any(|a| self.resource.has_label(&a.label)) {
            (&self.resource.attributes[..], &self.fixed[..])
        } else {
            (&[][..], &self.all[..])
        };
        let mut sorted: Vec<&Attribute<'_>> = with.iter().chain(&own).collect();
        sorted.sort_by_key(|attribute| attribute.key);
        Some(PointLabels { own: joined(sorted), common })
    }
}

impl PointLabels<'_> {
    /// The label set of the series `name`, with `le` or `quantile` where it has one.
    pub(super) fn of_series(&self, name: &str, extra: Option<(&str, &str)>) -> LabelSet {
        let label = |name: &str, value: &str| Label { name: name.to_owned(), value: value.to_owned() };
        let mut labels = Vec::with_capacity(self.own.len() + self.common.len() + 2);
        labels.extend_from_slice(&self.own);
        labels.extend_from_slice(self.common);
        labels.push(label(NAME, name));
        labels.extend(extra.map(|(name, value)| label(name, value)));
        LabelSet::new(labels)
    }
}

/// `otel_scope_name`, `otel_scope_version`, and each attribute under `otel_scope_` and its key.
fn scope_labels(scope: &Scope) -> Vec<Label> {
    let pair = |name: &str, value: &str| Label { name: name.to_owned(), value: value.to_owned() };
    let others =
        scope.attributes.iter().filter(|a| !["name", "version", "schema_url"].contains(&a.key.as_str()));
    let mut labels = vec![pair("otel_scope_name", &scope.name), pair("otel_scope_version", &scope.version)];
    labels.extend(
        others.filter_map(|a| Some(pair(&label_name(&format!("otel_scope_{}", a.key))?, &text(a.value())))),
    );
    labels
}
