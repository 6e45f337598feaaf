//! How many spans a second one core turns from OTLP bytes into segment documents:
//! `cargo run --release -p siphon-core --example xray_rate -- REQUEST.pb [SECONDS]`
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::error::Error;
use std::time::{Duration, Instant};

use prost::Message;
use siphon_core::otlp::TraceRequest;
use siphon_core::xray::{self, Options};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("name the file of an ExportTraceServiceRequest")?;
    let time = Duration::from_secs(arguments.next().map_or(Ok(3), |seconds| seconds.parse())?);
    let bytes = std::fs::read(path)?;
    let options = Options::default();

    let decoding = rate(time, || Ok(TraceRequest::decode(bytes.as_slice()).map(drop)?))?;
    let request = TraceRequest::decode(bytes.as_slice())?;
    let translation = rate(time, || {
        std::hint::black_box(xray::documents(std::hint::black_box(&request), &options));
        Ok(())
    })?;
    let both = rate(time, || {
        let request = TraceRequest::decode(bytes.as_slice())?;
        std::hint::black_box(xray::documents(&request, &options));
        Ok(())
    })?;

    let scopes = request.resource_spans.iter().flat_map(|spans| &spans.scope_spans);
    let spans: usize = scopes.map(|scope| scope.spans.len()).sum();
    let documents = xray::documents(&request, &options).documents;
    let size: usize = documents.iter().map(|document| document.json.len()).sum();
    println!(
        "{spans} spans become {} documents of {} bytes on average",
        documents.len(),
        size / documents.len().max(1)
    );
    for (what, requests) in [("decoding", decoding), ("translation", translation), ("both", both)] {
        #[expect(clippy::cast_precision_loss, reason = "a handful of spans")]
        let spans = requests * spans as f64;
        println!("{what:>12}: {spans:>10.0} spans/s");
    }
    Ok(())
}

/// How often a second `step` can be taken.
fn rate(time: Duration, mut step: impl FnMut() -> Result<(), Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    let start = Instant::now();
    let mut steps = 0_u32;
    while start.elapsed() < time {
        for _ in 0..100 {
            step()?;
            steps += 1;
        }
    }
    Ok(f64::from(steps) / start.elapsed().as_secs_f64())
}
