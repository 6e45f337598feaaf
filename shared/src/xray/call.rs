//! The call to AWS that a span made: the rest of the `aws` block.

use super::attributes::{Attributes, item, text};
use super::document::AwsCall;
use super::keys::Key;
use crate::otlp::view::values::Value;

/// The call, with the account that it went to or else the own one.
///
/// Where two keys of one meaning both carry a value, the one named first here counts.
pub(super) fn call<'a>(own_account: Option<&'a str>, attributes: Attributes<'a>) -> AwsCall<'a> {
    let get = |key| attributes.last_text(key);
    let either = |first, second| get(first).or_else(|| get(second));
    let operation = if attributes.has(Key::AwsOperation) { Key::AwsOperation } else { Key::RpcMethod };
    let (table_name, table_names) = tables(attributes);
    AwsCall {
        account_id: match attributes.last(Key::AwsAccountId) {
            Some(own) if own.value.is_some() => Some(text(own)).filter(|text| !text.is_empty()),
            _ => own_account,
        },
        operation: get(operation),
        region: get(Key::AwsRegion),
        request_id: either(Key::AwsRequestId, Key::AwsRequestIdCamel),
        queue_url: match attributes.has(Key::MessagingUrl) {
            true => get(Key::MessagingUrl),
            false => either(Key::AwsQueueUrl, Key::AwsQueueUrlDotted),
        },
        table_name,
        table_names,
    }
}

/// DynamoDB's table, or its tables if there are several.
fn tables<'a>(attributes: Attributes<'a>) -> (Option<&'a str>, Vec<&'a str>) {
    let one = |name: &'a str| (Some(name).filter(|name| !name.is_empty()), Vec::new());
    let other =
        || attributes.last_text(Key::AwsTableName).or_else(|| attributes.last_text(Key::AwsTableNameDotted));
    match attributes.last(Key::DynamoDbTableNames).and_then(|names| names.value.as_ref()) {
        Some(Value::String(name)) => one(name),
        Some(Value::Array(names)) => match names.as_slice() {
            [] => (other(), Vec::new()),
            [name] => one(item(name)),
            names => (None, names.iter().map(item).collect()),
        },
        _ => (other(), Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::attributes::tests::{attributes, pair};
    use super::super::document::Aws;
    use super::super::json::json;
    use super::*;
    use crate::otlp::view::values::Attribute;

    #[test]
    fn the_call_follows_from_the_span() {
        let of = |pairs: &[Attribute<'_>]| {
            let aws = Aws { place: b"P", call: call(Some("own"), attributes(pairs)) };
            json(&aws).replacen('P', "", 1).replacen("{,", "{", 1).replace(r#""account_id":"own""#, "A")
        };
        for (pairs, expected) in [
            (vec![pair("rpc.method", "Get")], r#"{A,"operation":"Get"}"#),
            (vec![pair("rpc.method", "Get"), pair("aws.operation", "Put")], r#"{A,"operation":"Put"}"#),
            (vec![pair("rpc.method", "Get"), pair("aws.operation", 1)], "{A}"),
            (vec![pair("aws.account_id", "7")], r#"{"account_id":"7"}"#),
            (vec![pair("aws.account_id", 7)], "{}"),
            (vec![Attribute { key: "aws.account_id", value: None }], "{A}"),
            (vec![pair("aws.requestId", "b"), pair("aws.request_id", "a")], r#"{A,"request_id":"a"}"#),
            (vec![pair("aws.queue.url", "b"), pair("messaging.url", "m")], r#"{A,"queue_url":"m"}"#),
            (vec![pair("aws.table.name", "t")], r#"{A,"table_name":"t"}"#),
            (
                vec![pair("aws.table.name", "t"), pair("aws.dynamodb.table_names", vec!["u"])],
                r#"{A,"table_name":"u"}"#,
            ),
            (
                vec![pair("aws.table.name", "t"), pair("aws.dynamodb.table_names", vec!["u", "v"])],
                r#"{A,"table_names":["u","v"]}"#,
            ),
            (vec![pair("aws.dynamodb.table_names", "w")], r#"{A,"table_name":"w"}"#),
        ] {
            assert_eq!(of(&pairs), expected, "{pairs:?}");
        }
    }
}
