//! The kind of place a span comes from.

use super::attributes::{find, text};
use crate::otlp::view::values::Attribute;

/// The origin that a resource tells, if it is a place that X-Ray has a name for.
pub(super) fn origin(resource: &[Attribute<'_>]) -> Option<&'static str> {
    if find(resource, "cloud.provider").is_some_and(|provider| text(provider) != "aws") {
        return None;
    }
    match text(find(resource, "cloud.platform")?) {
        "aws_app_runner" => Some("AWS::AppRunner::Service"),
        "aws_eks" => Some("AWS::EKS::Container"),
        "aws_elastic_beanstalk" => Some("AWS::ElasticBeanstalk::Environment"),
        "aws_ec2" => Some("AWS::EC2::Instance"),
        "aws_ecs" => Some(match find(resource, "aws.ecs.launchtype").map(text) {
            Some("ec2") => "AWS::ECS::EC2",
            Some("fargate") => "AWS::ECS::Fargate",
            _ => "AWS::ECS::Container",
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::attributes::tests::pairs;
    use super::*;

    #[test]
    fn the_platform_decides_within_aws() {
        let ecs = ("cloud.platform", "aws_ecs");
        for (texts, expected) in [
            (&[][..], None),
            (&[ecs], Some("AWS::ECS::Container")),
            (&[ecs, ("aws.ecs.launchtype", "fargate")], Some("AWS::ECS::Fargate")),
            (&[ecs, ("aws.ecs.launchtype", "ec2")], Some("AWS::ECS::EC2")),
            (&[ecs, ("aws.ecs.launchtype", "external")], Some("AWS::ECS::Container")),
            (&[ecs, ("cloud.provider", "")], None),
            (&[ecs, ("cloud.provider", "gcp")], None),
            (&[("cloud.platform", "aws_lambda"), ("cloud.provider", "aws")], None),
            (&[("cloud.platform", "aws_eks"), ("cloud.provider", "aws")], Some("AWS::EKS::Container")),
        ] {
            assert_eq!(origin(&pairs(texts)), expected, "{texts:?}");
        }
    }
}
