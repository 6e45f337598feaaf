"""Works on the AWS account that AWS_ENDPOINT_URL stands for, with AWS's own SDK. Prints JSON.

Usage:
  account.py create               a cluster with three tasks that have an agent and one that has none, and a queue
  account.py receive QUEUE_URL    all messages of the queue, deleted from it
  account.py traces TRACE_ID...   the segment documents of the traces
  account.py secret TEXT...       a secret that had each of these texts, the last one now; its ARN
"""

import json
import sys

import boto3


def create():
    ecs, ec2 = boto3.client("ecs"), boto3.client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
    ecs.create_cluster(clusterName="shop")

    def run(family, containers, count):
        ecs.register_task_definition(
            family=family,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="512",
            memory="1024",
            containerDefinitions=[{"name": name, "image": name, "memory": 256} for name in containers],
        )
        return ecs.run_task(
            cluster="shop",
            taskDefinition=family,
            count=count,
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": {"subnets": [subnet], "securityGroups": [group]}},
        )["tasks"]

    # moto describes a task's first container only.
    with_agent = run("frontend", ["siphon-agent", "app"], 3)
    without_agent = run("batch", ["job"], 1)
    queue = boto3.client("sqs").create_queue(QueueName="shards")
    return {
        "cluster": with_agent[0]["clusterArn"],
        "queue_url": queue["QueueUrl"],
        "with_agent": [{"arn": task["taskArn"], "address": address(task)} for task in with_agent],
        "without_agent": [task["taskArn"] for task in without_agent],
    }


def address(task):
    details = task["attachments"][0]["details"]
    return next(detail["value"] for detail in details if detail["name"] == "privateIPv4Address")


def receive(queue_url):
    sqs = boto3.client("sqs")
    messages = []
    while batch := sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages"):
        for message in batch:
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        messages += batch
    return messages


def traces(*ids):
    found = boto3.client("xray").batch_get_traces(TraceIds=list(ids))["Traces"]
    return {trace["Id"]: [json.loads(segment["Document"]) for segment in trace["Segments"]] for trace in found}


def secret(first, *later):
    secrets = boto3.client("secretsmanager")
    arn = secrets.create_secret(Name="siphon", SecretString=first)["ARN"]
    for text in later:
        secrets.put_secret_value(SecretId=arn, SecretString=text)
    return arn


command, *arguments = sys.argv[1:]
print(json.dumps({"create": create, "receive": receive, "traces": traces, "secret": secret}[command](*arguments)))
