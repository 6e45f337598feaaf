//! How many spans in a second of processor time one core turns from OTLP bytes into segment documents, and into
//! requests for the OTLP endpoint:
//! `cargo run --release -p siphon-core --example xray_rate -- REQUEST.pb [SECONDS]`
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::error::Error;
use std::time::{Duration, Instant};

use bytes::Bytes;
use prost::Message;
use siphon_core::otlp::TraceRequest;
use siphon_core::xray::{self, Options, otlp};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("name the file of an ExportTraceServiceRequest, protobuf")?;
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

    let payload = Bytes::from(bytes.clone());
    let as_they_are = rate(time, || {
        let read = otlp::read(&payload, None, &otlp::Limits::default())?;
        std::hint::black_box(otlp::body(&read.spans)?);
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
    let rates =
        [("decoding", decoding), ("translation", translation), ("both", both), ("as they are", as_they_are)];
    for (what, requests) in rates {
        #[expect(clippy::cast_precision_loss, reason = "a handful of spans")]
        let spans = requests * spans as f64;
        println!("{what:>12}: {spans:>10.0} spans/s");
    }
    Ok(())
}

/// How often in a second of processor time `step` can be taken: the best of many short runs, since other work on the
/// machine only slows.
fn rate(time: Duration, mut step: impl FnMut() -> Result<(), Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    const STEPS: u32 = 500;
    let (start, mut best) = (Instant::now(), 0.0_f64);
    while start.elapsed() < time {
        let before = processor_time()?;
        for _ in 0..STEPS {
            step()?;
        }
        best = best.max(f64::from(STEPS) / (processor_time()? - before).as_secs_f64());
    }
    Ok(best)
}

/// What this thread has used of a processor, as Linux counts it.
fn processor_time() -> Result<Duration, Box<dyn Error>> {
    let counts = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = counts.split(' ').next().ok_or("schedstat is empty")?;
    Ok(Duration::from_nanos(nanos.parse()?))
}
