//! What all spans of a resource have in common, worked out once.

use super::Options;
use super::annotations::ResourceAttributes;
use super::attributes::{find, item, text};
use super::json::{Json, Object, Written};
use super::origin::origin;
use super::place::Place;
use crate::otlp::view::values::{Attribute, Value};

/// A resource, ready for its spans.
#[derive(Debug)]
pub(super) struct Resource<'a> {
    /// `service.name`, or empty.
    pub(super) service_name: &'a str,
    /// `telemetry.sdk.language`, or empty.
    pub(super) language: &'a str,
    /// The service's block.
    pub(super) service: Option<Written>,
    pub(super) origin: Option<&'static str>,
    /// None in another cloud than AWS.
    pub(super) place: Option<Place>,
    pub(super) attributes: ResourceAttributes<'a>,
}

impl<'a> Resource<'a> {
    /// Reads the attributes of a resource.
    pub(super) fn of(attributes: &[Attribute<'a>], options: &Options) -> Self {
        let get = |key| find(attributes, key).map(text).unwrap_or_default();
        Self {
            service_name: get("service.name"),
            language: get("telemetry.sdk.language"),
            service: version(attributes).map(|version| Written::of(&Service(version))),
            origin: origin(attributes),
            place: Place::of(attributes, &options.log_groups),
            attributes: ResourceAttributes::new(attributes, options),
        }
    }
}

/// The service's block, by its version.
struct Service<'a>(&'a str);

impl Json for Service<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        Object::begin(out).some("version", Some(self.0).filter(|version| !version.is_empty())).end();
    }
}

/// The service's own version, else its image's tag: the first of several, or the only one of older conventions.
fn version<'a>(attributes: &[Attribute<'a>]) -> Option<&'a str> {
    if let Some(own) = find(attributes, "service.version") {
        return Some(text(own));
    }
    if let Some(Value::Array(tags)) =
        find(attributes, "container.image.tags").and_then(|tags| tags.value.as_ref())
        && let Some(first) = tags.first()
    {
        return Some(item(first));
    }
    find(attributes, "container.image.tag").map(text)
}

#[cfg(test)]
mod tests {
    use super::super::{attributes::tests::pair, json::json};
    use super::*;

    #[test]
    fn the_version_is_the_services_or_else_the_images() {
        let (own, tag) = (pair("service.version", "1"), pair("container.image.tag", "3"));
        let tags = |tags| pair("container.image.tags", tags);
        for (resource, expected) in [
            (vec![], None),
            (vec![own.clone(), tag.clone()], Some(r#"{"version":"1"}"#)),
            (vec![tag.clone(), tags(vec!["2", "x"])], Some(r#"{"version":"2"}"#)),
            (vec![tag.clone(), tags(vec![])], Some(r#"{"version":"3"}"#)),
            (vec![tag, pair("service.version", "")], Some("{}")),
            (vec![pair("service.version", 1)], Some("{}")),
        ] {
            let found = Resource::of(&resource, &Options::default());
            assert_eq!(found.service.map(|block| json(&block)).as_deref(), expected, "{resource:?}");
        }
    }
}
