//! `template.yaml`, as CloudFormation gets it after the SAM transform: the roles allow what the functions do and no
//! more, and the parts fit together.
#![allow(clippy::indexing_slicing, reason = "JSON that lacks a field gives null, and the assertion fails")]

use std::{collections::BTreeSet, fs, sync::OnceLock};

use serde_json::{Value, json};
use siphon_tests::{
    python::{self, Python},
    repository,
};

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

/// What a policy field holds, be it one text or a list.
fn texts(value: &Value) -> BTreeSet<String> {
    let list = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    list.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

fn statements(role: &Value) -> impl Iterator<Item = &Value> {
    let policies = role["Properties"]["Policies"].as_array().into_iter().flatten();
    policies.flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().into_iter().flatten())
}

fn allowed(role: &Value) -> BTreeSet<String> {
    statements(role).filter(|s| s["Effect"] == "Allow").flat_map(|s| texts(&s["Action"])).collect()
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

#[test]
fn each_function_may_do_what_it_does_and_no_more() {
    let Some(template) = template() else { return };
    let roles = &template["Resources"];
    assert_eq!(
        allowed(&roles["EnumerateRole"]),
        set([
            "ecs:DescribeTasks",
            "ecs:ListClusters",
            "ecs:ListTasks",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
            "sqs:SendMessage",
        ])
    );
    assert_eq!(
        allowed(&roles["ScrapeRole"]),
        set([
            "aps:RemoteWrite",
            "ec2:AssignPrivateIpAddresses",
            "ec2:CreateNetworkInterface",
            "ec2:DeleteNetworkInterface",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSubnets",
            "ec2:UnassignPrivateIpAddresses",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
            "xray:GetSamplingRules",
            "xray:GetSamplingTargets",
            "xray:PutTraceSegments",
        ])
    );
    assert_eq!(resources(template, "AWS::IAM::Role").count(), 3, "the third one starts the schedule");
}

#[test]
fn spans_may_be_written_only_where_they_are_what_traces_go_as() {
    let Some(template) = template() else { return };
    let scrape = &template["Resources"]["ScrapeFunction"]["Properties"]["Environment"]["Variables"];
    assert_eq!(scrape["SIPHON_TRACES_EXPORTER"], json!({ "Ref": "TracesExporter" }));
    let conditional = statements(&template["Resources"]["ScrapeRole"]).filter_map(|s| s["Fn::If"].as_array());
    let [statement] = &conditional.collect::<Vec<_>>()[..] else { panic!("one conditional statement") };
    assert_eq!((&statement[0], &statement[2]), (&json!("ExportsSpans"), &json!({ "Ref": "AWS::NoValue" })));
    assert_eq!(texts(&statement[1]["Action"]), set(["xray:PutSpans", "xray:PutSpansForIndexing"]));
}

#[test]
fn a_role_reaches_all_resources_only_where_aws_knows_none() {
    let Some(template) = template() else { return };
    let mut wide = BTreeSet::new();
    for (name, role) in resources(template, "AWS::IAM::Role") {
        assert_eq!(role["Properties"]["ManagedPolicyArns"], Value::Null, "{name}");
        for statement in statements(role).filter(|statement| statement["Effect"] == "Allow") {
            let actions = texts(&statement["Action"]);
            assert!(actions.iter().all(|action| !action.contains('*')), "{name}: {statement}");
            if texts(&statement["Resource"]).contains("*") && statement["Condition"].is_null() {
                wide.extend(actions.into_iter().filter(|action| !action.starts_with("ec2:")));
            }
        }
    }
    assert_eq!(
        wide,
        set([
            "ecs:ListClusters",
            "xray:GetSamplingRules",
            "xray:GetSamplingTargets",
            "xray:PutTraceSegments"
        ])
    );
}

#[test]
fn the_functions_code_itself_never_touches_the_vpc() {
    let Some(template) = template() else { return };
    let role = &template["Resources"]["ScrapeRole"];
    let ec2: BTreeSet<_> = allowed(role).into_iter().filter(|action| action.starts_with("ec2:")).collect();
    let deny = statements(role).find(|statement| statement["Effect"] == "Deny").unwrap();
    assert_eq!(texts(&deny["Action"]), ec2);
    assert!(deny["Condition"]["ArnLike"]["lambda:SourceFunctionArn"].is_object(), "{deny}");
}

#[test]
fn tasks_are_read_in_the_chosen_clusters_only() {
    let Some(template) = template() else { return };
    for action in ["ecs:ListTasks", "ecs:DescribeTasks"] {
        let role = &template["Resources"]["EnumerateRole"];
        let statement =
            statements(role).find(|statement| texts(&statement["Action"]).contains(action)).unwrap();
        let clusters = &statement["Condition"]["ArnLike"]["ecs:cluster"]["Fn::If"];
        assert_eq!(clusters[0], "AllClusters", "{action}");
        assert_eq!(clusters[2], json!({ "Ref": "Clusters" }), "{action}");
    }
}

#[test]
fn a_shard_outlives_its_scrape_and_a_failed_one_is_seen() {
    let Some(template) = template() else { return };
    let resources = &template["Resources"];
    let seconds = |value: &Value| value.as_u64().unwrap();
    let queue = &resources["ShardQueue"]["Properties"];
    let visibility = seconds(&queue["VisibilityTimeout"]);
    assert!(visibility >= 6 * seconds(&resources["ScrapeFunction"]["Properties"]["Timeout"]));
    // A failed shard comes into sight again and is moved: it must not expire before.
    let receives = seconds(&queue["RedrivePolicy"]["maxReceiveCount"]);
    assert!(seconds(&queue["MessageRetentionPeriod"]) > receives * visibility);
    assert_eq!(
        queue["RedrivePolicy"]["deadLetterTargetArn"],
        json!({ "Fn::GetAtt": ["FailedShards", "Arn"] })
    );

    let mapping = &resources["ScrapeFunctionShard"]["Properties"];
    assert_eq!(mapping["BatchSize"], 1);
    assert_eq!(mapping["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
    assert!(mapping["ScalingConfig"]["MaximumConcurrency"].is_object());
}

#[test]
fn a_lost_tick_is_not_made_up_for() {
    let Some(template) = template() else { return };
    let (_, schedule) = resources(template, "AWS::Scheduler::Schedule").next().unwrap();
    let retry = &schedule["Properties"]["Target"]["RetryPolicy"];
    assert_eq!(retry, &json!({ "MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0 }));
    assert_eq!(
        schedule["Properties"]["Name"],
        Value::Null,
        "a name would keep a second stack out of the account"
    );
}

#[test]
fn the_generated_key_is_32_bytes_as_hex() {
    let Some(template) = template() else { return };
    let generate = &template["Resources"]["AgentKey"]["Properties"]["GenerateSecretString"];
    let excluded = generate["ExcludeCharacters"].as_str().unwrap();
    let digits: String = ('0'..='9').chain('a'..='z').filter(|c| !excluded.contains(*c)).collect();
    assert_eq!(digits, "0123456789abcdef");
    assert_eq!(generate["PasswordLength"], 64);
    assert_eq!(
        (&generate["ExcludeUppercase"], &generate["ExcludePunctuation"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(generate["IncludeSpace"], false);
}

#[test]
fn each_function_is_built_from_its_own_package_for_the_chosen_processor() {
    let Some(template) = template() else { return };
    assert_eq!(template["Parameters"]["Architecture"]["Default"], "arm64");
    for (function, folder) in [("EnumerateFunction", "enumerate"), ("ScrapeFunction", "scrape")] {
        let function = &template["Resources"][function];
        let properties = &function["Properties"];
        assert_eq!(properties["Runtime"], "provided.al2023");
        assert_eq!(properties["Architectures"], json!([{ "Ref": "Architecture" }]));
        assert_eq!(function["Metadata"]["BuildMethod"], "rust-cargolambda");
        let binary = function["Metadata"]["BuildProperties"]["Binary"].as_str().unwrap();
        let manifest = repository().join("functions").join(folder).join("Cargo.toml");
        assert!(fs::read_to_string(manifest).unwrap().contains(&format!("name = \"{binary}\"")));
    }
}

#[test]
fn every_variable_that_is_set_is_one_that_the_function_reads() {
    let Some(template) = template() else { return };
    for (function, folder) in [("EnumerateFunction", "enumerate"), ("ScrapeFunction", "scrape")] {
        let settings = repository().join("functions").join(folder).join("src/settings.rs");
        let settings = fs::read_to_string(settings).unwrap();
        let variables = &template["Resources"][function]["Properties"]["Environment"]["Variables"];
        for name in variables.as_object().unwrap().keys() {
            assert!(settings.contains(&format!("\"{name}\"")), "{function}: {name}");
        }
    }
}
