//! What each function may do.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{FUNCTIONS, resources, set, template, texts};

/// The statements of a role or of a policy resource; of one that hangs on a condition, the statement alone.
fn statements(resource: &Value) -> impl Iterator<Item = &Value> {
    let inline = resource["Properties"]["Policies"].as_array().into_iter().flatten();
    let documents = inline.map(|policy| &policy["PolicyDocument"]);
    let documents = documents.chain([&resource["Properties"]["PolicyDocument"]]);
    let all = documents.flat_map(|document| document["Statement"].as_array().into_iter().flatten());
    all.map(|statement| match &statement["Fn::If"] {
        Value::Array(cases) => &cases[1],
        _ => statement,
    })
}

/// Those of the role of this name, its own and those of policies that name it.
fn statements_of<'a>(template: &'a Value, role: &'a str) -> impl Iterator<Item = &'a Value> {
    let policies = resources(template, "AWS::IAM::Policy").map(|(_, policy)| policy);
    let named = policies.filter(move |policy| {
        policy["Properties"]["Roles"].as_array().is_some_and(|roles| roles.contains(&json!({ "Ref": role })))
    });
    [&template["Resources"][role]].into_iter().chain(named).flat_map(statements)
}

fn allowed(template: &Value, role: &str) -> BTreeSet<String> {
    statements_of(template, role)
        .filter(|s| s["Effect"] == "Allow")
        .flat_map(|s| texts(&s["Action"]))
        .collect()
}

/// What a function that pulls agents may do, whatever invokes it.
const PULL: [&str; 15] = [
    "aps:RemoteWrite",
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "secretsmanager:GetSecretValue",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutSpans",
    "xray:PutSpansForIndexing",
    "xray:PutTraceSegments",
];

#[test]
fn each_function_may_do_what_it_does_and_no_more() {
    let Some(template) = template() else { return };
    assert_eq!(
        allowed(template, "EnumerateRole"),
        set([
            "ecs:DescribeTasks",
            "ecs:ListClusters",
            "ecs:ListTasks",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
            "sqs:SendMessage",
        ])
    );
    let queue = set(["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]);
    assert_eq!(allowed(template, "ScrapeRole"), &set(PULL) | &queue);
    assert_eq!(allowed(template, "DrainRole"), set(PULL));
    for (function, role) in FUNCTIONS.map(|(function, role, _)| (function, role)) {
        let wanted = json!({ "Fn::GetAtt": [role, "Arn"] });
        assert_eq!(template["Resources"][function]["Properties"]["Role"], wanted);
    }
    assert_eq!(resources(template, "AWS::IAM::Role").count(), 4, "the fourth one starts the schedule");
}

#[test]
fn spans_may_be_written_only_where_they_are_what_traces_go_as() {
    let Some(template) = template() else { return };
    for function in ["ScrapeFunction", "DrainFunction"] {
        let variables = &template["Resources"][function]["Properties"]["Environment"]["Variables"];
        assert_eq!(variables["SIPHON_TRACES_EXPORTER"], json!({ "Ref": "TracesExporter" }));
    }
    let document = &template["Resources"]["PullPolicy"]["Properties"]["PolicyDocument"];
    let conditional = document["Statement"].as_array().into_iter().flatten();
    let conditional = conditional.filter_map(|statement| statement["Fn::If"].as_array());
    let [statement] = &conditional.collect::<Vec<_>>()[..] else { panic!("one conditional statement") };
    assert_eq!((&statement[0], &statement[2]), (&json!("ExportsSpans"), &json!({ "Ref": "AWS::NoValue" })));
    assert_eq!(texts(&statement[1]["Action"]), set(["xray:PutSpans", "xray:PutSpansForIndexing"]));
}

/// What may be done on `Resource: "*"`, each with the reason why it can't be narrowed.
const EVERYWHERE: [(&str, &str); 13] = [
    ("ecs:ListClusters", "knows neither resources nor conditions"),
    ("ecs:ListTasks", "is not made on a task; a condition narrows it to the clusters"),
    ("xray:PutTraceSegments", "knows no resources"),
    ("xray:GetSamplingRules", "knows no resources"),
    ("xray:GetSamplingTargets", "knows no resources"),
    ("xray:PutSpans", "knows no resources"),
    ("xray:PutSpansForIndexing", "knows no resources"),
    (
        "ec2:AssignPrivateIpAddresses",
        "AWS demands it for a function in a VPC, and the function's own code is denied it",
    ),
    ("ec2:CreateNetworkInterface", "likewise"),
    ("ec2:DeleteNetworkInterface", "likewise"),
    ("ec2:DescribeNetworkInterfaces", "likewise"),
    ("ec2:DescribeSubnets", "likewise"),
    ("ec2:UnassignPrivateIpAddresses", "likewise"),
];

#[test]
fn a_role_reaches_all_resources_only_where_there_is_a_reason() {
    let Some(template) = template() else { return };
    let mut wide = BTreeSet::new();
    let roles = resources(template, "AWS::IAM::Role");
    for (name, resource) in roles.chain(resources(template, "AWS::IAM::Policy")) {
        assert_eq!(resource["Properties"]["ManagedPolicyArns"], Value::Null, "{name}");
        for statement in statements(resource).filter(|statement| statement["Effect"] == "Allow") {
            let actions = texts(&statement["Action"]);
            assert!(actions.iter().all(|action| !action.contains('*')), "{name}: {statement}");
            assert_eq!(
                (&statement["NotAction"], &statement["NotResource"]),
                (&Value::Null, &Value::Null),
                "{name}"
            );
            if texts(&statement["Resource"]).contains("*") {
                wide.extend(actions);
            }
        }
    }
    assert_eq!(wide, set(EVERYWHERE.map(|(action, _)| action)));
}

#[test]
fn samples_go_to_the_one_workspace_and_the_key_comes_from_the_one_secret() {
    let Some(template) = template() else { return };
    let workspace = json!({
        "Fn::Sub": "arn:${AWS::Partition}:aps:${AWS::Region}:${AWS::AccountId}:workspace/${PrometheusWorkspaceId}"
    });
    for role in ["ScrapeRole", "DrainRole"] {
        for (action, resource) in [
            ("aps:RemoteWrite", &workspace),
            ("secretsmanager:GetSecretValue", &json!({ "Ref": "AgentKey" })),
        ] {
            let on = statements_of(template, role).filter(|s| texts(&s["Action"]).contains(action));
            let on: Vec<_> = on.map(|statement| &statement["Resource"]).collect();
            assert_eq!(on, [resource], "{role}: {action}");
        }
    }
    for function in ["ScrapeFunction", "DrainFunction"] {
        let variables = &template["Resources"][function]["Properties"]["Environment"]["Variables"];
        let url = variables["AWS_PROMETHEUS_ENDPOINT"]["Fn::Sub"].as_str().unwrap();
        assert!(url.contains("/workspaces/${PrometheusWorkspaceId}/"), "{url}");
        assert_eq!(variables["SIPHON_KEY_SECRET_ARN"], json!({ "Ref": "AgentKey" }));
    }
    assert!(
        !template.to_string().contains("{{resolve:secretsmanager"),
        "it would show in a function's configuration"
    );
}

#[test]
fn the_functions_code_itself_never_touches_the_vpc() {
    let Some(template) = template() else { return };
    for role in ["ScrapeRole", "DrainRole"] {
        let ec2 = allowed(template, role).into_iter().filter(|action| action.starts_with("ec2:"));
        let deny = statements_of(template, role).find(|statement| statement["Effect"] == "Deny").unwrap();
        assert_eq!(texts(&deny["Action"]), ec2.collect(), "{role}");
        assert!(deny["Condition"]["ArnLike"]["lambda:SourceFunctionArn"].is_object(), "{deny}");
    }
    for function in ["ScrapeFunction", "DrainFunction"] {
        let depends = texts(&template["Resources"][function]["DependsOn"]);
        assert!(
            depends.contains("PullPolicy"),
            "{function} can't be attached to the VPC before: {depends:?}"
        );
    }
}

#[test]
fn tasks_are_read_in_the_chosen_clusters_only() {
    let Some(template) = template() else { return };
    for action in ["ecs:ListTasks", "ecs:DescribeTasks"] {
        let mut statements = statements_of(template, "EnumerateRole");
        let statement = statements.find(|statement| texts(&statement["Action"]).contains(action)).unwrap();
        let clusters = &statement["Condition"]["ArnLike"]["ecs:cluster"]["Fn::If"];
        assert_eq!(clusters[0], "AllClusters", "{action}");
        assert_eq!(clusters[2], json!({ "Ref": "Clusters" }), "{action}");
    }
    let accepted = template["Parameters"]["Clusters"]["AllowedPattern"].as_str().unwrap();
    let is_arn_or_empty = accepted.starts_with("^(arn:") && accepted.ends_with(")?$");
    assert!(is_arn_or_empty, "conditions and events compare ARNs, which a name never equals: {accepted}");
}
