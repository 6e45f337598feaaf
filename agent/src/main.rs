//! The sidecar's process: reads the settings, runs, and says how it ended.

use std::{io::Write, process::ExitCode};

use log::{LevelFilter, error};
use siphon_agent::{
    health,
    logging::{self, print_error},
    run,
    settings::{self, Settings},
};

const USAGE: &str = "usage: siphon-agent            run the sidecar; settings come from the environment
       siphon-agent health     exit 0 if the agent on this machine is healthy, else 1
       siphon-agent --version";

/// The settings, or the command line, are refused.
const BAD_USE: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => serve(),
        ["health"] => check(),
        ["--version"] => print(concat!("siphon-agent ", env!("CARGO_PKG_VERSION"))),
        ["--help"] => print(USAGE),
        _ => refuse(USAGE),
    }
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn serve() -> ExitCode {
    let settings = match Settings::read(environment) {
        Ok(settings) => settings,
        Err(errors) => {
            // Text, unless that one setting is read well enough to say otherwise.
            let format = environment("SIPHON_LOG_FORMAT").and_then(|format| format.parse().ok());
            logging::init(LevelFilter::Error, format.unwrap_or_default());
            error!("{errors}");
            return ExitCode::from(BAD_USE);
        }
    };
    logging::init(settings.log_level, settings.log_format);
    match run(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn check() -> ExitCode {
    match settings::read_pull_address(environment).map(health::check) {
        Ok(Ok(line)) => print(&line),
        Ok(Err(line)) => fail(line),
        Err(errors) => fail(errors),
    }
}

fn print(line: &str) -> ExitCode {
    let _ = writeln!(std::io::stdout(), "{line}");
    ExitCode::SUCCESS
}

fn fail(error: impl std::fmt::Display) -> ExitCode {
    print_error(&format!("siphon-agent: {error}"));
    ExitCode::FAILURE
}

fn refuse(error: impl std::fmt::Display) -> ExitCode {
    print_error(&format!("siphon-agent: {error}"));
    ExitCode::from(BAD_USE)
}
