//! What the terminal shows: notices that stay, and below them a block that is drawn anew, or plain lines where there is
//! no terminal.

use std::{
    io::{IsTerminal as _, Write},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crate::lock;

/// Between two plain lines.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

pub(crate) struct Terminal {
    verbose: bool,
    screen: Mutex<Screen>,
}

struct Screen {
    out: Box<dyn Write + Send>,
    /// Whether the block can be drawn over.
    live: bool,
    block: Vec<String>,
    last_plain: Option<Instant>,
}

impl Terminal {
    /// On stderr if `json`, because the last line of stdout is then the summary.
    pub(crate) fn new(json: bool, verbose: bool) -> Arc<Self> {
        let live = if json { std::io::stderr().is_terminal() } else { std::io::stdout().is_terminal() };
        let out: Box<dyn Write + Send> =
            if json { Box::new(std::io::stderr()) } else { Box::new(std::io::stdout()) };
        Self::over(out, live, verbose)
    }

    fn over(out: Box<dyn Write + Send>, live: bool, verbose: bool) -> Arc<Self> {
        let screen = Screen { out, live, block: Vec::new(), last_plain: None };
        Arc::new(Self { verbose, screen: Mutex::new(screen) })
    }

    #[cfg(test)]
    pub(crate) fn silent() -> Arc<Self> {
        Self::over(Box::new(std::io::sink()), false, false)
    }

    /// A text that stays.
    pub(crate) fn say(&self, text: &str) {
        lock(&self.screen).print(text);
    }

    /// Something that went wrong: on stderr.
    pub(crate) fn warn(&self, text: &str) {
        let mut screen = lock(&self.screen);
        screen.erase();
        eprintln!("! {text}");
        screen.redraw();
    }

    /// Shown if asked for.
    pub(crate) fn detail(&self, text: &str) {
        if self.verbose {
            lock(&self.screen).print(text);
        }
    }

    /// Where things stand: a block that is drawn over, or now and then a plain line.
    pub(crate) fn status(&self, block: Vec<String>, plain: &str) {
        let mut screen = lock(&self.screen);
        if screen.live {
            screen.erase();
            screen.block = block;
            screen.redraw();
        } else if screen.last_plain.is_none_or(|last| last.elapsed() >= PLAIN_EVERY) {
            screen.last_plain = Some(Instant::now());
            screen.print(plain);
        }
    }

    /// Leaves the block as it is and draws no more of it.
    pub(crate) fn settle(&self) {
        lock(&self.screen).block.clear();
    }
}

// A terminal that is gone must not stop the run: what can't be written is let go.
impl Screen {
    fn print(&mut self, text: &str) {
        self.erase();
        let _ = writeln!(self.out, "{text}");
        self.redraw();
    }

    fn erase(&mut self) {
        if !self.block.is_empty() {
            let _ = write!(self.out, "\x1b[{}A\x1b[J", self.block.len());
            let _ = self.out.flush();
        }
    }

    fn redraw(&mut self) {
        for line in &self.block {
            let _ = writeln!(self.out, "{line}");
        }
        let _ = self.out.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            lock(&self.0).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Paper {
        fn text(&self) -> String {
            String::from_utf8(lock(&self.0).clone()).unwrap()
        }
    }

    #[test]
    fn a_block_is_drawn_over_and_notices_stay_above_it() {
        let paper = Paper::default();
        let terminal = Terminal::over(Box::new(paper.clone()), true, false);
        terminal.status(vec!["a".into(), "b".into()], "");
        terminal.say("notice");
        terminal.detail("not asked for");
        assert_eq!(paper.text(), "a\nb\n\x1b[2A\x1b[Jnotice\na\nb\n");
    }

    #[test]
    fn without_a_terminal_lines_are_plain_and_rare() {
        let paper = Paper::default();
        let terminal = Terminal::over(Box::new(paper.clone()), false, true);
        terminal.status(vec!["a".into()], "plain");
        terminal.status(vec!["a".into()], "too soon");
        terminal.detail("asked for");
        assert_eq!(paper.text(), "plain\nasked for\n");
    }
}
