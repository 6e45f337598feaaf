//! What is logged.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tracing_subscriber::fmt::MakeWriter;

/// Holds the lines that this thread logs from its making on, as JSON.
#[derive(Clone, Default)]
pub(crate) struct Logs(Arc<Mutex<Vec<u8>>>);

impl Logs {
    /// Logs go here until the guard is dropped.
    pub(crate) fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        let logs = Self::default();
        let subscriber = tracing_subscriber::fmt().json().with_writer(logs.clone()).finish();
        (logs, tracing::subscriber::set_default(subscriber))
    }

    /// The fields of the lines that say this.
    pub(crate) fn that_say(&self, message: &str) -> Vec<serde_json::Value> {
        let text = self.0.lock().unwrap();
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let fields =
            lines.map(|line| serde_json::from_slice::<serde_json::Value>(line).unwrap()["fields"].take());
        fields.filter(|fields| fields["message"] == message).collect()
    }
}

impl<'a> MakeWriter<'a> for Logs {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl io::Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
