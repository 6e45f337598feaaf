"""What CloudFormation is given: template.yaml after the SAM transform, as JSON.

Usage: transform.py TEMPLATE
"""

import json
import os
import sys
from pathlib import Path

from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

os.environ["AWS_DEFAULT_REGION"] = "eu-west-1"


class NoManagedPolicies:
    """The template names none, so none need be fetched."""

    @staticmethod
    def load():
        return {}


template = yaml_parse(Path(sys.argv[1]).read_text())
for resource in template["Resources"].values():
    if resource["Type"] == "AWS::Serverless::Function":
        resource["Properties"]["CodeUri"] = "s3://bucket/code.zip"  # as after `sam package`
parameters = {
    "PrometheusWorkspaceId": "ws-12345678-abcd-1234-abcd-123456789012",
    "VpcSubnets": "subnet-11111111",
    "VpcSecurityGroups": "sg-11111111",
}
print(json.dumps(transform(template, parameters, NoManagedPolicies)))
