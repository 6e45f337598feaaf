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

#[cfg(test)]
mod tests {
    use super::super::testing::{attributes, gauge, point, request, shown};
    use crate::otlp::Scope;

    #[test]
    fn labels_come_together_by_rank() {
        for (resource, own, want) in [
            (vec![], vec![("b", "1"), ("a", "2")], "g{a=2,b=1} 1@5"),
            (vec![], vec![("a", ""), ("b", "1")], "g{b=1} 1@5"),
            (vec![("a", "r")], vec![("a", "p")], "g{a=r} 1@5"),
            (vec![("a", "")], vec![("a", "p")], "g{} 1@5"),
            (vec![], vec![("a_b", "2"), ("a.b", "1")], "g{a_b=1;2} 1@5"),
            (vec![("a_b", "r")], vec![("a.b", "p")], "g{a_b=p;r} 1@5"),
            (vec![("a.b", "r"), ("z", "r")], vec![("a_b", "p"), ("c", "p")], "g{a_b=r;p,c=p,z=r} 1@5"),
            (vec![("a.b", "same")], vec![("a_b", "same")], "g{a_b=same} 1@5"),
            (vec![("a", "1"), ("a", "2")], vec![], "g{a=2} 1@5"),
            (vec![], vec![("__name__", "x"), ("le", "y")], "g{le=y} 1@5"),
            (vec![("", "x"), ("b", "r")], vec![("a", "p")], "g{a=p,b=r} 1@5"),
            (vec![], vec![("", "x")], "label_name: 1"),
            (vec![], vec![("", "")], "g{} 1@5"),
        ] {
            let series = shown(&request(&resource, None, vec![gauge(vec![point(&own)])]));
            assert_eq!(series[0], want, "{resource:?} {own:?}");
        }
    }

    #[test]
    fn job_and_instance_win_over_attributes() {
        let resource = [("service.name", "s"), ("service.instance.id", "i"), ("job", "r")];
        let own = point(&[("instance", "p"), ("otel.scope.name", "p")]);
        let scope = Scope { name: "lib".to_owned(), ..Scope::default() };
        assert_eq!(
            shown(&request(&resource, Some(scope), vec![gauge(vec![own])]))[0],
            "g{instance=i,job=s,otel_scope_name=lib,service_instance_id=i,service_name=s} 1@5"
        );
    }

    #[test]
    fn a_scope_gives_its_name_version_and_attributes() {
        let given =
            [("k.x", "1"), ("name", "no"), ("version", "no"), ("schema_url", "no"), ("e", ""), ("_u", "2")];
        let scope = Scope { name: String::new(), version: "7".to_owned(), attributes: attributes(&given) };
        assert_eq!(
            shown(&request(&[], Some(scope), vec![gauge(vec![point(&[])])])),
            ["g{otel_scope_k_x=1,otel_scope_u=2,otel_scope_version=7} 1@5"]
        );
    }
}
