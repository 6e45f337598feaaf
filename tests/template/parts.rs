//! What sets the functions off, what becomes of what fails, and what raises an alarm.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};
use siphon_tests::repository;

use crate::{FUNCTIONS, resources, set, template, texts};

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
