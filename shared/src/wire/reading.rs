//! A reading: the two answers of the task metadata endpoint that one tick gives, in one payload.

use bytes::{BufMut, Bytes};

/// What `/task` and `/task/stats` answered at one tick, as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The body of `/task`, JSON.
    pub task: Bytes,
    /// The body of `/task/stats`, JSON.
    pub stats: Bytes,
}

/// A payload of kind `ecs` does not hold two bodies.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("ECS reading: {payload_bytes} bytes can't hold a task answer of {task_bytes} bytes and its length")]
pub struct ReadingError {
    payload_bytes: usize,
    task_bytes: usize,
}

impl Reading {
    /// Length of the task answer (4 bytes, little endian), task answer, stats answer.
    #[must_use]
    pub fn encode(task: &[u8], stats: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(4 + task.len() + stats.len());
        out.put_u32_le(u32::try_from(task.len()).unwrap_or(u32::MAX));
        out.extend_from_slice(task);
        out.extend_from_slice(stats);
        out
    }

    /// Splits a payload without copying.
    ///
    /// # Errors
    /// [`ReadingError`] if the payload is shorter than it says.
    pub fn decode(mut payload: Bytes) -> Result<Self, ReadingError> {
        let payload_bytes = payload.len();
        let Some(length) = payload.first_chunk::<4>() else {
            return Err(ReadingError { payload_bytes, task_bytes: 0 });
        };
        let task_bytes = u32::from_le_bytes(*length) as usize;
        let mut rest = payload.split_off(4);
        if rest.len() < task_bytes {
            return Err(ReadingError { payload_bytes, task_bytes });
        }
        let stats = rest.split_off(task_bytes);
        Ok(Self { task: rest, stats })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_split_where_it_was_joined() {
        let payload = Bytes::from(Reading::encode(b"{1}", b"{22}"));
        let reading = Reading::decode(payload.clone()).unwrap();
        assert_eq!((&reading.task[..], &reading.stats[..]), (&b"{1}"[..], &b"{22}"[..]));
        assert!(Reading::decode(payload.slice(..6)).is_err());
        assert!(Reading::decode(Bytes::from_static(b"\x01")).is_err());
        assert!(Reading::decode(Bytes::from_static(b"\xff\xff\xff\xffx")).is_err());
    }
}
