//! What X-Ray limits within a document, whatever its size.
//!
//! The limits are those of the guide and of the JSON schema beside it
//! (<https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html>): 200 characters of a name; 250
//! of `user`, of the texts of an HTTP request, and of an SQL user; 50 annotations, keys of 1 to 500 characters, texts
//! of up to 1,000. The other texts have none. The OpenTelemetry exporter knows none of these, and the texts that it
//! sends stay as they are up to the limit. Beyond it nothing is lost: the whole text is kept as metadata, in the
//! namespace `siphon` under the field's name, and so are the annotations that X-Ray would not index.
//!
//! The characters of a name are another matter: see `rename`.

use std::borrow::Cow;

use super::document::Segment;
use super::metadata::Metadata;
use super::shorten::cut;

const NAME: usize = 200;
const TEXT: usize = 250;

/// Brings the segment within the limits.
pub(super) fn keep(segment: &mut Segment<'_>) {
    let Segment { name, user, http, sql, annotations, metadata, .. } = segment;
    cut_cow(name, NAME, "name", metadata);
    cut_text(user, "user", metadata);
    if let Some(request) = http.as_mut().map(|http| &mut http.request) {
        cut_text(&mut request.method, "http.request.method", metadata);
        cut_text(&mut request.user_agent, "http.request.user_agent", metadata);
        cut_text(&mut request.client_ip, "http.request.client_ip", metadata);
        if let Some(url) = &mut request.url {
            cut_cow(url, TEXT, "http.request.url", metadata);
        }
    }
    if let Some(sql) = sql {
        cut_text(&mut sql.user, "sql.user", metadata);
    }
    if let Some(moved) = annotations.over_limits() {
        metadata.keep_whole("annotations", moved.into());
    }
}

fn cut_text(text: &mut Option<&str>, field: &str, metadata: &mut Metadata<'_>) {
    if let Some(text) = text
        && let Some(short) = cut(text, TEXT)
    {
        metadata.keep_whole(field, (*text).into());
        *text = short;
    }
}

fn cut_cow(text: &mut Cow<'_, str>, most: usize, field: &str, metadata: &mut Metadata<'_>) {
    if let Some(short) = cut(text, most) {
        let short = short.to_owned();
        let whole = std::mem::replace(text, short.into());
        metadata.keep_whole(field, whole.into());
    }
}
