//! Start-up of the scraping function: settings, clients, Lambda's loop.

use std::process::ExitCode;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;
use siphon_scrape::{
    clients,
    handler::{self, Context},
    settings::Config,
    time,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let config = match Config::read(|name| std::env::var(name).ok()) {
        Ok(config) => config,
        Err(errors) => {
            eprintln!("siphon-scrape: {errors}");
            return ExitCode::FAILURE;
        }
    };
    tracing_subscriber::fmt().json().with_max_level(config.log_level).init();
    match run(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error, "the function can't run");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config) -> Result<(), Error> {
    let context = &Context::new(config, &clients::aws().load().await).await?;
    let handle = async |event: LambdaEvent<Value>| {
        let left = time::until(event.context.deadline());
        handler::handle(event.payload, context, left).await.map_err(Error::from)
    };
    lambda_runtime::run(service_fn(handle)).await
}
