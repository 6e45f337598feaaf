//! Start-up of the enumerating function: settings, clients, Lambda's loop.

use std::process::ExitCode;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;
use siphon_enumerate::{
    clients,
    handler::{self, Context},
    settings::Config,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let config = match Config::read(|name| std::env::var(name).ok()) {
        Ok(config) => config,
        Err(errors) => {
            eprintln!("siphon-enumerate: {errors}");
            return ExitCode::FAILURE;
        }
    };
    tracing_subscriber::fmt().json().with_max_level(config.log_level).init();
    let context = &Context::new(config, &clients::aws().load().await);
    let handle = async |_: LambdaEvent<Value>| handler::handle(context).await.map(drop).map_err(Error::from);
    match lambda_runtime::run(service_fn(handle)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the Lambda runtime API can't be used");
            ExitCode::FAILURE
        }
    }
}
