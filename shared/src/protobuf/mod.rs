//! Protobuf on the wire (<https://protobuf.dev/programming-guides/encoding/>), for what is read or written so often that
//! messages in between would cost too much.

pub(crate) mod read;
pub(crate) mod write;
