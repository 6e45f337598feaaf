//! A resource: its labels and its `target_info`.

use std::borrow::Cow;

use foldhash::HashSet;

use super::{
    attributes::{Attribute, Pair, joined, text},
    filter::ResourceFilter,
    labels::{label_name, target_label_name},
};
use crate::{
    otlp::{KeyValue, Resource},
    series::{LabelSet, NAME},
};

/// The series that tells of a resource, and, of a scraped text, the metric whose labels are attributes of the target's.
pub(crate) const TARGET_INFO: &str = "target_info";

const SERVICE_NAME: &str = "service.name";
const SERVICE_NAMESPACE: &str = "service.namespace";
const SERVICE_INSTANCE_ID: &str = "service.instance.id";

/// The labels that tell a target from the others.
const TARGET: [&str; 2] = ["job", "instance"];

/// What a resource gives to the labels of its points.
pub(super) struct ResourceLabels {
    /// Those that become labels and have a value and a label name, each key once, sorted by key.
    pub(super) attributes: Vec<Attribute<'static>>,
    /// `job` and `instance`, as far as the resource has them.
    pub(super) target: Vec<Pair<'static>>,
    /// The series that tells the resource's attributes: none where nothing would be told, or where nothing could be
    /// joined to it.
    pub(super) target_info: Option<LabelSet>,
    keys: HashSet<String>,
    labels: HashSet<String>,
}

impl ResourceLabels {
    pub(super) fn new(resource: Resource, filter: &ResourceFilter) -> Self {
        let mut given = resource.attributes;
        let target = target(&given);
        let target_info = target_info(&given, &target);
        let has_instance = target.iter().any(|(name, _)| name == "instance");
        given.retain(|attribute| filter.admits(&attribute.key, has_instance));
        let mut attributes: Vec<_> = given.iter().filter_map(owned_attribute).collect();
        attributes.sort_by(|a, b| a.key.cmp(&b.key));
        attributes.dedup_by(|later, kept| {
            let same = later.key == kept.key;
            if same {
                std::mem::swap(later, kept);
            }
            same
        });
        attributes.retain(|a| !a.value.is_empty());
        Self {
            target_info,
            target,
            labels: attributes.iter().map(|a| a.label.clone().into_owned()).collect(),
            attributes,
            keys: given.into_iter().map(|a| a.key).collect(),
        }
    }

    /// Whether an attribute of this key, be it empty, is among those that become labels.
    pub(super) fn has_key(&self, key: &str) -> bool {
        self.keys.contains(key)
    }

    /// Whether an attribute of the resource makes this label.
    pub(super) fn has_label(&self, label: &str) -> bool {
        self.labels.contains(label)
    }
}

fn owned_attribute(given: &KeyValue) -> Option<Attribute<'static>> {
    let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
    let label = owned(label_name(&given.key)?);
    Some(Attribute { key: given.key.clone().into(), label, value: owned(text(given.value())) })
}

fn target_info(given: &[KeyValue], target: &[Pair<'static>]) -> Option<LabelSet> {
    const IN_TARGET: [&str; 3] = [SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_INSTANCE_ID];
    // One that is given twice counts as more to tell, as it does there, though it is told once.
    let in_target = IN_TARGET.into_iter().filter(|key| given.iter().any(|a| a.key == *key)).count();
    if given.len() == in_target {
        return None;
    }
    let mut attributes = Vec::with_capacity(given.len());
    for attribute in given.iter().filter(|a| !IN_TARGET.contains(&a.key.as_str())) {
        let (key, value) = (attribute.key.as_str(), text(attribute.value()));
        if !value.is_empty() {
            attributes.push(Attribute { key: key.into(), label: target_label_name(key)?.into(), value });
        }
    }
    attributes.sort_by(|a, b| a.key.cmp(&b.key));
    let name = (NAME.into(), TARGET_INFO.into());
    let labels: LabelSet =
        joined(attributes).into_iter().chain(target.iter().cloned()).chain([name]).collect();
    let can_be_joined = TARGET.iter().any(|label| labels.get(label).is_some()); // an attribute may be called so
    can_be_joined.then_some(labels)
}

/// `job` is the service's name, after its namespace and a slash where it has one; `instance` is its instance id.
fn target(given: &[KeyValue]) -> Vec<Pair<'static>> {
    let find = |key: &str| given.iter().find(|a| a.key == key).map(|a| text(a.value()));
    let set = |key: &str| find(key).filter(|value| !value.is_empty());
    let job = set(SERVICE_NAME).map(|name| match find(SERVICE_NAMESPACE) {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.into_owned(),
    });
    let instance = set(SERVICE_INSTANCE_ID).map(Cow::into_owned);
    let labels = TARGET.into_iter().zip([job, instance]);
    labels.filter_map(|(name, value)| Some((name.into(), value?.into()))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;

    use super::super::{
        Options, ResourceFilter,
        testing::{gauge, point, request, shown, shown_with},
    };

    /// Its gauge and its `target_info`, with these resource attributes as labels.
    fn with_labels(labels: &str, resource: &[(&str, &str)], own: &[(&str, &str)]) -> Vec<String> {
        let options = Options { resource_labels: labels.parse().unwrap(), ..Options::default() };
        shown_with(&options, &request(resource, None, vec![gauge(vec![point(own)])]).encode_to_vec())
    }

    #[test]
    fn labels_are_those_that_are_admitted_and_target_info_tells_all() {
        let resource = [
            ("service.name", "s"),
            ("service.instance.id", "i"),
            ("aws.ecs.task.id", "t"),
            ("process.pid", "7"),
            ("team", "x"),
        ];
        let target_info = "target_info{aws_ecs_task_id=t,instance=i,job=s,process_pid=7,team=x} 1@5";
        for (labels, want) in [
            (
                "all",
                "g{aws_ecs_task_id=t,instance=i,job=s,process_pid=7,service_instance_id=i,service_name=s,team=x} 1@5",
            ),
            ("curated", "g{aws_ecs_task_id=t,instance=i,job=s,service_name=s} 1@5"),
            ("team", "g{aws_ecs_task_id=t,instance=i,job=s,team=x} 1@5"),
        ] {
            assert_eq!(with_labels(labels, &resource, &[]), [want, target_info], "{labels}");
        }
    }

    #[test]
    fn tasks_and_processes_are_told_apart_whatever_is_left_out() {
        let task = |n| ("aws.ecs.task.id", n);
        assert_ne!(
            with_labels("team", &[task("1"), ("service.instance.id", "host")], &[])[0],
            with_labels("team", &[task("2"), ("service.instance.id", "host")], &[])[0],
        );
        let process = |n| [task("1"), ("service.name", "s"), ("process.pid", n)];
        assert_ne!(with_labels("team", &process("1"), &[])[0], with_labels("team", &process("2"), &[])[0]);
    }

    #[test]
    fn an_attribute_that_is_no_label_leaves_a_points_own_alone() {
        let resource = [("team", "resource")];
        assert_eq!(with_labels("all", &resource, &[("team", "own")]), ["g{team=resource} 1@5"]);
        assert_eq!(with_labels("other", &resource, &[("team", "own")]), ["g{team=own} 1@5"]);
        assert_eq!(with_labels("other", &[("a.b", "r")], &[("a_b", "own")]), ["g{a_b=own} 1@5"]);
    }

    proptest! {
        /// To list every key is the same as to list none.
        #[test]
        fn a_list_of_all_keys_is_all(
            resource in prop::collection::vec(("[a-c._]{1,3}|service.name|aws.ecs.task.id", "[xy]{0,1}"), 0..6),
            own in prop::collection::vec(("[a-c._]{1,3}|job", "[xy]{0,1}"), 0..4),
        ) {
            fn pairs(of: &[(String, String)]) -> Vec<(&str, &str)> {
                of.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
            }
            let request = request(&pairs(&resource), None, vec![gauge(vec![point(&pairs(&own))])]);
            let keys = resource.iter().map(|(key, _)| key.clone()).collect();
            let listed = Options { resource_labels: ResourceFilter::Only(keys), ..Options::default() };
            prop_assert_eq!(shown_with(&listed, &request.encode_to_vec()), shown(&request));
        }
    }

    #[test]
    fn job_and_instance_come_from_the_service() {
        for (resource, want) in [
            (vec![("service.name", "s")], "g{job=s,service_name=s} 1@5"),
            (
                vec![("service.name", "s"), ("service.namespace", "n")],
                "g{job=n/s,service_name=s,service_namespace=n} 1@5",
            ),
            (vec![("service.name", "s"), ("service.namespace", "")], "g{job=/s,service_name=s} 1@5"),
            (vec![("service.name", ""), ("service.namespace", "n")], "g{service_namespace=n} 1@5"),
            (vec![("service.instance.id", "i")], "g{instance=i,service_instance_id=i} 1@5"),
            (vec![("service.instance.id", "")], "g{} 1@5"),
        ] {
            assert_eq!(shown(&request(&resource, None, vec![gauge(vec![point(&[])])])), [want]);
        }
    }

    #[test]
    fn a_resource_that_has_more_to_tell_gets_target_info() {
        let service = ("service.name", "s");
        for (more, want) in [
            (vec![("a.b", "1")], Some("target_info{a_b=1,job=s} 1@5")),
            (vec![("a.b", "1"), ("a_b", "2")], Some("target_info{a_b=1;2,job=s} 1@5")),
            (vec![("a..b", "1"), ("_p", "2")], Some("target_info{_p=2,a__b=1,job=s} 1@5")),
            (vec![("e", "")], Some("target_info{job=s} 1@5")),
            (vec![("...", "1"), ("a", "2")], None),
            (vec![("service.namespace", "n"), ("service.instance.id", "i")], None),
            (vec![("service.name", "t")], Some("target_info{job=s} 1@5")),
            (vec![], None),
        ] {
            let resource: Vec<_> = [service].into_iter().chain(more.iter().copied()).collect();
            let series = shown(&request(&resource, None, vec![gauge(vec![point(&[])])]));
            assert_eq!(series.get(1).map(String::as_str), want, "{more:?}");
        }
        let anonymous = shown(&request(&[("a", "1")], None, vec![gauge(vec![point(&[])])]));
        assert_eq!(anonymous, ["g{a=1} 1@5"], "nothing could be joined to it");
        for own in ["job", "instance"] {
            let named = shown(&request(&[(own, "x")], None, vec![gauge(vec![point(&[])])]));
            assert_eq!(named, [format!("g{{{own}=x}} 1@5"), format!("target_info{{{own}=x}} 1@5")]);
        }
        let nameless = shown(&request(&[("job", ""), ("a", "1")], None, vec![gauge(vec![point(&[])])]));
        assert_eq!(nameless, ["g{a=1} 1@5"]);
        let mut timeless = point(&[]);
        timeless.time_unix_nano = 0;
        let timeless = shown(&request(&[service, ("a", "1")], None, vec![gauge(vec![timeless])]));
        assert_eq!(timeless, ["g{a=1,job=s,service_name=s} 1@0"], "no point has a time");
    }
}
