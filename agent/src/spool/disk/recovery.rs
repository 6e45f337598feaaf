//! What an agent finds in a file that another one has left.

use std::{fs::File, io, path::Path};

use log::{error, warn};

use super::{
    area::{Area, START},
    frame::{DiskFrame, FRAME_BYTES},
    head::Head,
};
use crate::spool::{Tally, ring::Saved};

/// The frames that were found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The bytes of those that stay.
    pub(super) used: usize,
    /// What stays.
    pub(super) saved: Saved,
    /// What the head knows of and is not there any more.
    pub(super) torn: Tally,
    /// What came before its agent knew its task, which is not known to be this one.
    pub(super) unowned: Tally,
}

/// The newest head of a file, and the frames behind it. What can't be understood is as good as empty.
pub(super) fn read(file: File, path: &Path) -> io::Result<(Head, Found, Area)> {
    let bytes = file.metadata()?.len();
    let head = Head::load(&file).filter(|head| head.capacity as u64 <= bytes.saturating_sub(START));
    let Some(head) = head else {
        if bytes > 0 {
            error!(file:% = path.display(), bytes; "the spool's file is damaged: it begins anew, and what it held is lost");
        }
        return Ok((Head::default(), Found::default(), Area { file, capacity: 0 }));
    };
    let area = Area { file, capacity: head.capacity };
    let found = find(&area, &head);
    if found.torn.total() > 0 {
        error!(file:% = path.display(), records = found.torn.total(); "the spool's file is damaged: its newest records are lost");
    }
    if found.unowned.total() > 0 {
        warn!(file:% = path.display(), records = found.unowned.total(); "the agent before this one did not know its task yet: what it had buffered is left out");
    }
    Ok((head, found, area))
}

/// Reads the frames' fixed parts from the head's start on, up to the first that is not the next one as it was written.
/// Payloads are read when they are handed out.
fn find(area: &Area, head: &Head) -> Found {
    let mut found = Found { saved: Saved { by_kind: Tally::default(), ..head.saved }, ..Found::default() };
    let (mut offset, mut sequence, mut known) = (0, head.saved.oldest, Tally::default());
    while let Some(frame) = next(area, head, offset, sequence) {
        let kind = frame.header.kind;
        offset += frame.bytes();
        known.add(kind, u64::from(sequence < head.saved.next));
        if sequence < head.owned_end {
            found.used = offset;
            found.saved.by_kind.add(kind, 1);
        } else {
            found.unowned.add(kind, 1);
        }
        sequence += 1;
    }
    found.torn = head.saved.by_kind.less(known);
    found.saved.next = head.saved.oldest + found.saved.by_kind.total();
    found.saved.handed_out_end = head.saved.handed_out_end.min(found.saved.next);
    found
}

/// The frame at `offset`, if it is whole and the one of this sequence.
///
/// Behind the newest frame may lie what an agent before the last one wrote, with the very sequence that comes next. So
/// what the head does not know of yet must be of the life that wrote the head.
fn next(area: &Area, head: &Head, offset: usize, sequence: u64) -> Option<DiskFrame> {
    let room = area.capacity.checked_sub(offset)?;
    if room < FRAME_BYTES {
        return None;
    }
    let mut bytes = [0; FRAME_BYTES];
    area.read(area.behind(head.start, offset), &mut bytes).ok()?;
    let frame = DiskFrame::decode(&bytes)?;
    let is_next = frame.header.sequence == sequence
        && (sequence < head.saved.next || frame.life == head.life)
        && frame.bytes() <= room;
    is_next.then_some(frame)
}
