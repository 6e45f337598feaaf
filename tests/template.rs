//! `template.yaml`, as CloudFormation gets it after the SAM transform: the roles allow what the functions do and no
//! more, and the parts fit together. The settings and metrics of all of it are in the documentation.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "what is missing fails the test")]

use std::{collections::BTreeSet, fs, sync::OnceLock};

use serde_json::{Value, json};
use siphon_core::units::UnixMillis;
use siphon_enumerate::{listing::Listed, report::Report};
use siphon_scrape::report::Tally;
use siphon_tests::{
    python::{self, Python},
    repository,
};

/// Each function with its role and the folder of its code.
const FUNCTIONS: [(&str, &str, &str); 3] = [
    ("EnumerateFunction", "EnumerateRole", "enumerate"),
    ("ScrapeFunction", "ScrapeRole", "scrape"),
    ("DrainFunction", "DrainRole", "scrape"),
];

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

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
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
fn a_stopping_task_invokes_its_drain_at_once_and_not_when_it_is_too_late() {
    let Some(template) = template() else { return };
    let (name, rule) = resources(template, "AWS::Events::Rule").next().unwrap();
    let rule = &rule["Properties"];
    let detail = &rule["EventPattern"]["detail"];
    assert_eq!(rule["EventPattern"]["source"], json!(["aws.ecs"]));
    assert_eq!(rule["EventPattern"]["detail-type"], json!(["ECS Task State Change"]));
    assert_eq!(detail["desiredStatus"], json!(["STOPPED"]));
    assert_eq!(texts(&detail["lastStatus"]), set(["RUNNING", "DEACTIVATING", "STOPPING"]));
    assert_eq!(detail["containers"]["name"], json!([{ "Ref": "AgentContainerName" }]));
    let clusters = &detail["clusterArn"]["Fn::If"];
    assert_eq!((&clusters[0], &clusters[2]), (&json!("AllClusters"), &json!({ "Ref": "Clusters" })));
    assert_eq!(clusters[1], json!([{ "exists": true }]));

    let target = &rule["Targets"][0];
    assert_eq!(target["Arn"], json!({ "Fn::GetAtt": ["DrainFunction", "Arn"] }));
    assert_eq!(target["RetryPolicy"]["MaximumEventAgeInSeconds"], 120, "{name}");
    let invoke = &template["Resources"]["DrainFunctionEventInvokeConfig"]["Properties"];
    assert_eq!(invoke["MaximumEventAgeInSeconds"], 120);
    let timeout = template["Resources"]["DrainFunction"]["Properties"]["Timeout"].as_u64();
    assert!(timeout >= Some(2 * 120), "an application's stopTimeout and then the agent's");
}

#[test]
fn both_functions_that_pull_translate_alike() {
    let Some(template) = template() else { return };
    let variables = |function: &str| {
        let variables = &template["Resources"][function]["Properties"]["Environment"]["Variables"];
        variables.as_object().cloned().unwrap()
    };
    let mut drain = variables("DrainFunction");
    // Shards say it of their targets; events must be looked at.
    for name in ["SIPHON_AGENT_CONTAINER", "SIPHON_AGENT_PORT"] {
        assert_eq!(drain.remove(name).as_ref(), variables("EnumerateFunction").get(name), "{name}");
    }
    assert_eq!(drain, variables("ScrapeFunction"));
}

/// The metrics that an alarm looks at, with their namespaces.
fn metrics(alarm: &Value) -> BTreeSet<(String, String)> {
    let of = |metric: &Value| {
        let text = |name: &str| metric[name].as_str().map(str::to_owned);
        Some((text("Namespace")?, text("MetricName")?))
    };
    let list = alarm["Metrics"].as_array().into_iter().flatten();
    list.filter_map(|metric| of(&metric["MetricStat"]["Metric"])).chain(of(alarm)).collect()
}

#[test]
fn what_is_lost_or_stuck_raises_an_alarm_that_notifies_where_there_is_a_topic() {
    let Some(template) = template() else { return };
    let mut watched = BTreeSet::new();
    for (name, alarm) in resources(template, "AWS::CloudWatch::Alarm") {
        let alarm = &alarm["Properties"];
        watched.extend(metrics(alarm));
        let topic =
            json!({ "Fn::If": ["Notifies", [{ "Ref": "AlarmTopicArn" }], { "Ref": "AWS::NoValue" }] });
        assert_eq!((&alarm["AlarmActions"], &alarm["OKActions"]), (&topic, &topic), "{name}");
        assert_eq!(
            (&alarm["TreatMissingData"], &alarm["Threshold"]),
            (&json!("notBreaching"), &json!(0)),
            "{name}"
        );
        for metric in alarm["Metrics"].as_array().into_iter().flatten() {
            let (id, expression) = (metric["Id"].as_str().unwrap(), &alarm["Metrics"][0]["Expression"]);
            let is_added = expression.as_str().unwrap().split(" + ").any(|term| term == id);
            assert_eq!(is_added, metric["ReturnData"] == false, "{name}: {id}");
        }
    }
    let report = fs::read_to_string(repository().join("functions/scrape/src/report.rs")).unwrap();
    let own = watched.iter().filter(|(namespace, _)| namespace == siphon_core::emf::NAMESPACE);
    let own: BTreeSet<_> = own.map(|(_, metric)| metric.clone()).collect();
    assert_eq!(
        own,
        set([
            "AcksFailed",
            "AgentsFailed",
            "LedgerUnbalanced",
            "RecordsBad",
            "SamplesDropped",
            "SamplesRejected",
            "SegmentsRejected",
            "SpansDropped",
            "SpansRejected",
            "WritesFailed",
        ])
    );
    for metric in own {
        assert!(report.contains(&format!("\"{metric}\"")), "nobody prints {metric}");
    }
    assert!(watched.contains(&("AWS/SQS".to_owned(), "ApproximateNumberOfMessagesVisible".to_owned())));
    let dead = &template["Resources"]["FailedShardsAlarm"]["Properties"]["Dimensions"][0]["Value"];
    assert_eq!(dead, &json!({ "Fn::GetAtt": ["FailedShards", "QueueName"] }));
    assert_eq!(template["Parameters"]["AlarmTopicArn"]["Default"], "");
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
    let invoke = &template["Resources"]["EnumerateFunctionEventInvokeConfig"]["Properties"];
    assert_eq!(
        (&invoke["MaximumEventAgeInSeconds"], &invoke["MaximumRetryAttempts"]),
        (&json!(60), &json!(0)),
        "nor where the function was throttled or failed"
    );
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
    for (function, _, folder) in FUNCTIONS {
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

/// The settings that the code of these files names, their tests left out.
fn settings(files: &[&str]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in files {
        let code = fs::read_to_string(repository().join(file)).unwrap();
        let code = code.split("#[cfg(test)]").next().unwrap();
        names.extend(code.split('"').filter(|text| is_setting(text)).map(str::to_owned));
    }
    names
}

/// Those of the function in this folder; what all functions read alike is in the core.
fn settings_of_function(folder: &str) -> BTreeSet<String> {
    settings(&[&format!("functions/{folder}/src/settings.rs"), "shared/src/shard.rs"])
}

/// Whether that is the name of a setting: `SIPHON_…`, or one that ADOT has.
fn is_setting(text: &str) -> bool {
    let is_name = text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    is_name && (text.starts_with("SIPHON_") || text.starts_with("AWS_PROMETHEUS_"))
}

/// The first column of the table below a heading.
fn listed(page: &str, heading: &str) -> BTreeSet<String> {
    let page = fs::read_to_string(repository().join(page)).unwrap();
    let lines = page.lines().skip_while(|line| *line != heading).skip(1);
    let rows = lines.take_while(|line| !line.starts_with('#')).filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split('`').next().unwrap().to_owned()).collect()
}

#[test]
fn the_readme_lists_every_setting_and_no_other() {
    let agent = ["agent/src/settings.rs", "agent/src/receivers/statsd/settings.rs", "agent/src/net/tls.rs"];
    assert_eq!(listed("README.md", "### Agent"), settings(&agent));
    for folder in ["enumerate", "scrape"] {
        let read = settings_of_function(folder);
        assert_eq!(listed("README.md", &format!("### {folder}")), read);
    }
}

/// The metrics that a function's line makes.
fn printed(line: &str) -> BTreeSet<String> {
    let line: Value = serde_json::from_str(line).unwrap();
    let metrics = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().cloned().unwrap();
    metrics.iter().map(|metric| metric["Name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_metric_of_the_functions_is_explained() {
    let tally = Tally { freshness: vec![1], ..Tally::default() };
    assert_eq!(listed("docs/metrics.md", "## scrape"), printed(&tally.line(UnixMillis(0))));
    let report = Report { at: UnixMillis(0), listed: Listed::default(), targets: 0, shards: 0 };
    assert_eq!(listed("docs/metrics.md", "## enumerate"), printed(&report.line()));
}

fn variables<'a>(template: &'a Value, function: &str) -> &'a serde_json::Map<String, Value> {
    let properties = &template["Resources"][function]["Properties"];
    properties["Environment"]["Variables"].as_object().unwrap()
}

/// What a stack leaves to the functions' defaults: keys come from the secret, shards say where agents listen, and the
/// others are nobody's business until something is looked into.
const NO_PARAMETER: [(&str, &[&str]); 3] = [
    ("EnumerateFunction", &["SIPHON_LOG_LEVEL", "SIPHON_SHARD_TASKS"]),
    (
        "ScrapeFunction",
        &[
            "SIPHON_AGENT_CONTAINER",
            "SIPHON_AGENT_PORT",
            "SIPHON_CONCURRENT_AGENTS",
            "SIPHON_KEY",
            "SIPHON_LOG_LEVEL",
            "SIPHON_PAGE_MAX_BYTES",
        ],
    ),
    (
        "DrainFunction",
        &["SIPHON_CONCURRENT_AGENTS", "SIPHON_KEY", "SIPHON_LOG_LEVEL", "SIPHON_PAGE_MAX_BYTES"],
    ),
];

#[test]
fn what_a_function_reads_is_what_it_is_given_but_for_a_few() {
    let Some(template) = template() else { return };
    for ((function, _, folder), (_, left_out)) in FUNCTIONS.into_iter().zip(NO_PARAMETER) {
        let read = settings_of_function(folder);
        let given = variables(template, function).keys().cloned();
        let left_out = left_out.iter().map(|name| (*name).to_owned());
        assert_eq!(given.chain(left_out).collect::<BTreeSet<_>>(), read, "{function}");
    }
}

#[test]
fn parameters_have_the_defaults_of_the_settings_that_they_give() {
    let Some(template) = template() else { return };
    let required = |name: &str| match name {
        "SIPHON_KEY_SECRET_ARN" => {
            Some("arn:aws:secretsmanager:eu-west-1:123456789012:secret:key".to_owned())
        }
        "AWS_PROMETHEUS_ENDPOINT" => Some("https://aps-workspaces.eu-west-1.amazonaws.com/write".to_owned()),
        "SIPHON_QUEUE_URL" => Some("https://sqs.eu-west-1.amazonaws.com/123456789012/shards".to_owned()),
        _ => None,
    };
    for (function, _, folder) in FUNCTIONS {
        let default = |name: &str| {
            let parameter = variables(template, function).get(name)?["Ref"].as_str()?;
            match &template["Parameters"][parameter]["Default"] {
                Value::String(text) => Some(text.clone()),
                number => Some(number.to_string()),
            }
        };
        let read = |look_up: &dyn Fn(&str) -> Option<String>| match folder {
            "scrape" => format!("{:?}", siphon_scrape::settings::Config::read(look_up).unwrap()),
            _ => format!("{:?}", siphon_enumerate::settings::Config::read(look_up).unwrap()),
        };
        let [with, without] = [read(&|name| required(name).or_else(|| default(name))), read(&required)];
        assert_eq!(with, without, "{function}");
    }
}
