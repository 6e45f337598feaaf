//! A document that is too large for X-Ray, made to fit: what goes first, and what stays to the last.
//!
//! | order | what goes |
//! |---|---|
//! | 1 | frames of a stack trace beyond the first 50, the innermost |
//! | 2 | of each text in metadata what comes after 16,000 characters; then 4,000; then 1,000 |
//! | 3 | entries of metadata that take 256 bytes or more, the largest first, as many as needed |
//! | 4 | the attributes of links, then links from the last on, as many as needed |
//! | 5 | of the texts of an SQL statement what comes after 16,000 characters; then 4,000; then 1,000 |
//! | 6 | of an exception's message what comes after 16,000 characters; then 4,000; then 1,000; of its type, and of the texts of frames, after 250 |
//! | 7 | frames beyond the first 10, then all; exceptions from the last on but for the first, as many as needed |
//! | 8 | of the texts about a call to AWS what comes after 250 characters, and tables beyond the first 10 |
//! | 9 | the other entries of metadata, likewise |
//! | 10 | annotations, the largest first, as many as needed |
//!
//! Identity, times, name, status, `http`, `user`, and where it ran stay; they are short, but for what a resource may
//! tell at any length. Each place that lost something is named in the metadata, in the namespace `siphon` under
//! `truncated`; an exception's lost frames are counted by its field `truncated`, as X-Ray's schema has it.

use std::borrow::Cow;

use super::batch::MAX_DOCUMENT_BYTES;
use super::document::{Exception, Segment};
use super::json::{Json, length, plain_length};

/// Characters of a text that is no prose.
const SHORT: usize = 250;
/// Characters of a key by which a place is named.
const KEY: usize = 100;
const TABLES: usize = 10;

/// Takes something away: all that the step is about, or as much as frees the given number of bytes. False if there
/// is nothing left to take.
type Step = for<'s, 'a> fn(&'s mut Segment<'a>, usize) -> bool;

const STEPS: [Step; 19] = [
    frames::<50>,
    metadata::<16_000>,
    metadata::<4_000>,
    metadata::<1_000>,
    |segment, bytes| segment.metadata.drop_largest(bytes, 256),
    links,
    sql::<16_000>,
    sql::<4_000>,
    sql::<1_000>,
    messages::<16_000>,
    messages::<4_000>,
    messages::<1_000>,
    exception_texts,
    frames::<10>,
    frames::<0>,
    exceptions,
    aws,
    |segment, bytes| segment.metadata.drop_largest(bytes, 0),
    annotations,
];

/// Shortens the segment of which `text` is the document until the document fits; leaves the new one in `text`.
/// False if it can't be made to fit.
pub(super) fn shorten(segment: &mut Segment<'_>, text: &mut Vec<u8>) -> bool {
    for step in STEPS {
        while let over @ 1.. = plain_length(text).saturating_sub(MAX_DOCUMENT_BYTES)
            && step(segment, over)
        {
            text.clear();
            segment.write(text);
        }
    }
    plain_length(text) <= MAX_DOCUMENT_BYTES
}

/// The first `most` characters, if there are more.
pub(super) fn cut(text: &str, most: usize) -> Option<&str> {
    if text.len() <= most {
        return None; // characters have at least one byte
    }
    let (end, _) = text.char_indices().nth(most)?;
    text.get(..end)
}

/// Which of things with these sizes go, so that `bytes` are freed: the largest, but none under `least`; among equals
/// the first.
pub(super) fn largest(sizes: impl Iterator<Item = usize>, bytes: usize, least: usize) -> Vec<bool> {
    let mut order: Vec<(usize, usize)> = sizes.enumerate().collect();
    let mut goes = vec![false; order.len()];
    order.sort_by_key(|&(at, size)| (std::cmp::Reverse(size), at));
    let mut freed = 0;
    for (at, size) in order {
        if freed >= bytes || size < least {
            break;
        }
        freed += size;
        if let Some(goes) = goes.get_mut(at) {
            *goes = true;
        }
    }
    goes
}

/// The name of a place: what it is in and its key, or the beginning of that.
pub(super) fn place(within: &str, key: &str) -> String {
    format!("{within}{}", cut(key, KEY).unwrap_or(key))
}

/// Takes from the end of `list` what frees `bytes`, but leaves the first `least`.
fn drop_last<T: Json>(list: &mut Vec<T>, least: usize, bytes: usize) -> bool {
    let before = list.len();
    let mut freed = 0;
    while list.len() > least && freed < bytes {
        freed += list.pop().map_or(0, |item| length(&item));
    }
    list.len() < before
}

fn cut_text(text: &mut &str, most: usize) -> bool {
    let short = cut(text, most);
    *text = short.unwrap_or(text);
    short.is_some()
}

fn cut_some(text: &mut Option<&str>, most: usize) -> bool {
    text.as_mut().is_some_and(|text| cut_text(text, most))
}

fn cut_cow(text: &mut Cow<'_, str>, most: usize) -> bool {
    let Some(end) = cut(text, most).map(str::len) else { return false };
    match text {
        Cow::Borrowed(text) => cut_text(text, most),
        Cow::Owned(text) => {
            text.truncate(end);
            true
        }
    }
}

/// Marks the places that lost something. False if there is none.
fn mark<const N: usize>(segment: &mut Segment<'_>, places: [(&str, bool); N]) -> bool {
    for (place, _) in places.iter().filter(|(_, is_cut)| *is_cut) {
        segment.metadata.mark(place);
    }
    places.iter().any(|(_, is_cut)| *is_cut)
}

fn list_of<'s, 'a>(segment: &'s mut Segment<'a>) -> Option<&'s mut Vec<Exception<'a>>> {
    segment.cause.as_mut().map(|cause| &mut cause.exceptions)
}

fn frames<const MOST: usize>(segment: &mut Segment<'_>, _: usize) -> bool {
    let mut any = false;
    for exception in list_of(segment).into_iter().flatten() {
        let lost = exception.stack.len().saturating_sub(MOST);
        exception.stack.truncate(MOST);
        exception.truncated += lost as u64;
        any |= lost > 0;
    }
    mark(segment, [("cause.exceptions.stack", any)])
}

fn metadata<const MOST: usize>(segment: &mut Segment<'_>, _: usize) -> bool {
    segment.metadata.cut_texts(MOST)
}

fn messages<const MOST: usize>(segment: &mut Segment<'_>, _: usize) -> bool {
    let mut any = false;
    for exception in list_of(segment).into_iter().flatten() {
        any |= cut_cow(&mut exception.message, MOST);
    }
    mark(segment, [("cause.exceptions.message", any)])
}

fn exception_texts(segment: &mut Segment<'_>, _: usize) -> bool {
    let (mut kinds, mut stacks) = (false, false);
    for exception in list_of(segment).into_iter().flatten() {
        kinds |= cut_text(&mut exception.kind, SHORT);
        for frame in &mut exception.stack {
            stacks |= cut_text(&mut frame.path, SHORT) | cut_text(&mut frame.label, SHORT);
        }
    }
    let of_frames = ("cause.exceptions.stack", stacks);
    mark(segment, [("cause.exceptions.type", kinds), of_frames])
}

/// An exception whose cause goes has none that the document knows.
fn exceptions(segment: &mut Segment<'_>, bytes: usize) -> bool {
    let Some(exceptions) = list_of(segment) else { return false };
    let any = drop_last(exceptions, 1, bytes);
    if any && let Some(last) = exceptions.last_mut() {
        last.cause = None;
    }
    mark(segment, [("cause.exceptions", any)])
}

fn links(segment: &mut Segment<'_>, bytes: usize) -> bool {
    let mut attributes = false;
    for link in &mut segment.links {
        attributes |= link.attributes.take().is_some();
    }
    let any = attributes || drop_last(&mut segment.links, 0, bytes);
    mark(segment, [("links", any)])
}

fn sql<const MOST: usize>(segment: &mut Segment<'_>, _: usize) -> bool {
    let Some(sql) = &mut segment.sql else { return false };
    let query = cut_some(&mut sql.sanitized_query, MOST);
    let url = cut_text(&mut sql.url, MOST);
    let connection = cut(&sql.connection_string, MOST).map(str::len);
    sql.connection_string.truncate(connection.unwrap_or(usize::MAX));
    let connection = ("sql.connection_string", connection.is_some());
    mark(segment, [("sql.sanitized_query", query), ("sql.url", url), connection])
}

fn aws(segment: &mut Segment<'_>, _: usize) -> bool {
    let Some(call) = segment.aws.as_mut().map(|aws| &mut aws.call) else { return false };
    let mut any = call.table_names.len() > TABLES;
    call.table_names.truncate(TABLES);
    for name in &mut call.table_names {
        any |= cut_text(name, SHORT);
    }
    for text in [
        &mut call.account_id,
        &mut call.operation,
        &mut call.region,
        &mut call.request_id,
        &mut call.queue_url,
        &mut call.table_name,
    ] {
        any |= cut_some(text, SHORT);
    }
    mark(segment, [("aws", any)])
}

fn annotations(segment: &mut Segment<'_>, bytes: usize) -> bool {
    let lost = segment.annotations.drop_largest(bytes);
    for key in &lost {
        segment.metadata.mark(&place("annotations.", key));
    }
    !lost.is_empty()
}
