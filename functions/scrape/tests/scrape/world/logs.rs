//! What is logged.

use std::{cell::RefCell, io, rc::Rc, sync::Once};

use tracing_subscriber::filter::LevelFilter;

thread_local! {
    /// What this thread logs, while a test listens.
    static LISTENER: RefCell<Option<Logs>> = const { RefCell::new(None) };
}

/// Holds the lines that this thread logs from its making on, as JSON.
#[derive(Clone, Default)]
pub(crate) struct Logs(Rc<RefCell<Vec<u8>>>);

/// Ends the listening when it is dropped.
pub(crate) struct Listening;

impl Logs {
    /// Logs go here until the guard is dropped.
    pub(crate) fn start() -> (Self, Listening) {
        subscribe();
        let logs = Self::default();
        LISTENER.set(Some(logs.clone()));
        (logs, Listening)
    }

    /// All of it.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.borrow()).into_owned()
    }

    /// The fields of the lines that say this.
    pub(crate) fn that_say(&self, message: &str) -> Vec<serde_json::Value> {
        let text = self.0.borrow();
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let fields =
            lines.map(|line| serde_json::from_slice::<serde_json::Value>(line).unwrap()["fields"].take());
        fields.filter(|fields| fields["message"] == message).collect()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        LISTENER.set(None);
    }
}

/// One subscriber for all threads: whether a line is logged at all is decided once for the process, and with one for
/// each thread a thread that has none could decide it.
fn subscribe() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_max_level(LevelFilter::TRACE)
            .with_writer(|| ToListener)
            .finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
        tracing::callsite::rebuild_interest_cache();
    });
}

struct ToListener;

impl io::Write for ToListener {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LISTENER.with_borrow(|listener| {
            listener.iter().for_each(|logs| logs.0.borrow_mut().extend_from_slice(bytes))
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
