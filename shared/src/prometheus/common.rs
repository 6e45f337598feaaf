//! The labels that all points of a scope have in common, and how a point's own come to them.

use std::{borrow::Cow, sync::Arc};

use super::{
    attributes::{Attribute, Pair, joined, text, text_of},
    labels::label_name,
    resource::ResourceLabels,
};
use crate::{
    otlp::{Scope, view::KeyValue},
    protobuf::read::{Malformed, Repeated},
    series::{Base, LabelSet, NAME, settled},
};

/// Labels of all points of one resource and scope.
pub(super) struct CommonLabels {
    resource: Arc<ResourceLabels>,
    /// `job`, `instance` and the scope's: they win over attributes.
    fixed: Base,
    /// Those and the resource's attributes.
    all: Base,
}

/// Labels of one point, but for the metric's name.
pub(super) struct PointLabels<'a> {
    own: Vec<Pair<'a>>,
    common: &'a Base,
}

impl CommonLabels {
    pub(super) fn new(resource: Arc<ResourceLabels>, scope: &Scope) -> Self {
        let fixed = || resource.target.iter().cloned().chain(scope_labels(scope));
        let all = joined(resource.attributes.iter().cloned()).into_iter().chain(fixed()).collect();
        Self { fixed: Base::new(fixed().collect()), all: Base::new(all), resource }
    }

    /// The labels of a point with these attributes; see [`Self::with_own`].
    pub(super) fn of_point<'a>(
        &'a self,
        mut attributes: Repeated<'a>,
    ) -> Result<Option<PointLabels<'a>>, Malformed> {
        let mut given = Vec::new();
        while let Some(fields) = attributes.next()? {
            let attribute = KeyValue::read(fields)?;
            given.push((attribute.key, text_of(&attribute)?));
        }
        Ok(self.with_own(given))
    }

    /// The labels of a point with these attributes, or `None` where a key makes no label name.
    ///
    /// A resource's attribute replaces a point's own of the same key, the first where a point repeats itself. Keys that
    /// make one label name are joined in their order, wherever they come from.
    pub(super) fn with_own<'a>(
        &'a self,
        attributes: impl IntoIterator<Item = (&'a str, Cow<'a, str>)>,
    ) -> Option<PointLabels<'a>> {
        let mut own: Vec<Attribute<'a>> = Vec::new();
        let mut replaced: Vec<&str> = Vec::new();
        for (key, value) in attributes {
            if self.resource.has_key(key) && !replaced.contains(&key) {
                replaced.push(key);
                continue;
            }
            if value.is_empty() {
                continue;
            }
            own.push(Attribute { key: key.into(), label: label_name(key)?, value });
        }
        let mut common = &self.all;
        if own.iter().any(|a| self.resource.has_label(&a.label)) {
            own.splice(0..0, self.resource.attributes.iter().cloned());
            common = &self.fixed;
        }
        own.sort_by(|a, b| a.key.cmp(&b.key));
        let mut own = joined(own);
        own.retain(|(name, _)| !self.fixed.has(name));
        Some(PointLabels { own, common })
    }
}

impl PointLabels<'_> {
    /// The label set of the series `name`, with `le` or `quantile` where it has one.
    pub(super) fn of_series(&self, name: &str, extra: Option<(&str, &str)>) -> LabelSet {
        let own = self.own.iter().map(|(name, value)| (&**name, &**value));
        let mut labels: Vec<(&str, &str)> = own.chain([(NAME, name)]).chain(extra).collect();
        settled(&mut labels);
        self.common.with(&labels)
    }
}

/// `otel_scope_name`, `otel_scope_version`, and each attribute under `otel_scope_` and its key.
fn scope_labels(scope: &Scope) -> impl Iterator<Item = Pair<'_>> {
    let others =
        scope.attributes.iter().filter(|a| !["name", "version", "schema_url"].contains(&a.key.as_str()));
    let others = others.filter_map(|a| {
        let name = label_name(&format!("otel_scope_{}", a.key))?.into_owned();
        Some((name.into(), text(a.value())))
    });
    let own: [Pair<'_>; 2] = [
        ("otel_scope_name".into(), scope.name.as_str().into()),
        ("otel_scope_version".into(), scope.version.as_str().into()),
    ];
    own.into_iter().chain(others)
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
            (vec![], vec![("a", "1"), ("a", "2")], "g{a=1;2} 1@5"),
            (vec![("a", "r")], vec![("a", "1"), ("b", "2"), ("a", "3")], "g{a=r;3,b=2} 1@5"),
            (vec![("a", "")], vec![("a", "1"), ("a", "2")], "g{a=2} 1@5"),
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
