use super::{super::testing::shown_series, *};
use crate::{
    scrapes::{Recorder, Sealed},
    series::{NAME, Series},
};

const OM: Format = Format::OpenMetrics;

fn target() -> Target {
    Target { job: "app".to_owned(), instance: "127.0.0.1:9090".to_owned(), attributes: Vec::new() }
}

/// A scrape every second; one without a text failed.
fn sealed(recorder: &mut Recorder, from: i64, texts: &[Option<(Format, &str)>]) -> Vec<u8> {
    for (at, text) in (from..).zip(texts) {
        let outcome = match text {
            Some((format, text)) => Outcome::Text(*format, text.as_bytes().to_vec()),
            None => Outcome::Failed,
        };
        recorder.add(Scrape { at: UnixMillis(at * 1000), duration_us: 1500, outcome });
    }
    let Sealed { payload, .. } = recorder.seal().unwrap();
    payload
}

fn scraped(payload: &[u8], options: &Options, sets: &mut LabelSets) -> Scraped {
    ScrapeTranslator::new(options, None).translate(payload, sets).unwrap()
}

/// The series but for those of reports and `target_info`, without the labels that all have; then what was dropped.
fn shown(payload: &[u8]) -> Vec<String> {
    let mut sets = LabelSets::default();
    let mut made = scraped(payload, &Options::default(), &mut sets).translation;
    let is_report = |name: &str| name == "target_info" || report::SERIES.iter().any(|(own, ..)| *own == name);
    let series = made.batch.by_series().filter_map(|series| {
        let labels = sets.get(series.id)?;
        (!is_report(labels.get(NAME)?)).then(|| shown_series(series, labels))
    });
    let dropped = made.dropped.iter().map(|drop| format!("{}: {}", drop.reason, drop.points));
    let common = [
        "instance=127.0.0.1:9090",
        "job=app",
        &format!("otel_scope_name={}", target::SCOPE),
        "server_port=9090",
        "service_instance_id=127.0.0.1:9090",
        "service_name=app",
        "url_scheme=http",
    ];
    let without = |line: String| {
        common.iter().fold(line, |line, label| {
            line.replace(&format!(",{label}"), "").replace(&format!("{label},"), "").replace(label, "")
        })
    };
    series.map(without).collect::<Vec<_>>().into_iter().chain(dropped).collect()
}

fn one(format: Format, text: &str) -> Vec<String> {
    shown(&sealed(&mut Recorder::new(target()), 1, &[Some((format, text))]))
}

/// The values of a series of the report, by scrape; a marker is −1.
fn reported(payload: &[u8], name: &str) -> Vec<f64> {
    let mut sets = LabelSets::default();
    let mut made = scraped(payload, &Options::default(), &mut sets).translation;
    let is_it = |series: &Series<'_>| sets.get(series.id).unwrap().get(NAME) == Some(name);
    let value = |value: f64| if value.to_bits() == STALE.to_bits() { -1.0 } else { value };
    let series = made.batch.by_series().filter(is_it);
    series.flat_map(|series| series.samples.iter().map(|(_, s)| value(s.value)).collect::<Vec<_>>()).collect()
}

#[test]
fn a_target_is_a_resource_of_the_task() {
    let task = br#"{"TaskARN":"arn:aws:ecs:eu-west-1:1:task/c/t1","Family":"shop"}"#;
    let identity = Identity::from_task(task, "").unwrap();
    let mut far = target();
    (far.instance, far.attributes) =
        ("10.0.0.7:80".to_owned(), vec![("container.name".to_owned(), "web".to_owned())]);
    let payload = sealed(&mut Recorder::new(far), 1, &[Some((Format::Text, "a{b=\"c\"} 2\n"))]);
    let (mut sets, options) = (LabelSets::default(), Options::default());
    let mut translator = ScrapeTranslator::new(&options, Some(&identity));
    let mut made = translator.translate(&payload, &mut sets).unwrap().translation;
    let lines: Vec<_> = made.batch.by_series().map(|s| shown_series(s, sets.get(s.id).unwrap())).collect();
    let identity =
        "aws_ecs_task_arn=arn:aws:ecs:eu-west-1:1:task/c/t1,aws_ecs_task_family=shop,aws_ecs_task_id=t1";
    let cloud = "cloud_account_id=1,cloud_platform=aws_ecs,cloud_provider=aws,cloud_region=eu-west-1,container_name=web";
    let server = "server_address=10.0.0.7,server_port=80";
    let own = |own: &str| {
        format!(
            "{{{identity},{own}{cloud},instance=10.0.0.7:80,job=app,otel_scope_name={},{server},\
            service_instance_id=10.0.0.7:80,service_name=app,url_scheme=http}}",
            target::SCOPE
        )
    };
    let mut want: Vec<_> = [
        ("up", "1"),
        ("scrape_duration_seconds", "0.0015"),
        ("scrape_samples_scraped", "1"),
        ("scrape_samples_post_metric_relabeling", "1"),
        ("scrape_series_added", "1"),
    ]
    .map(|(name, value)| format!("{name}{} {value}@1000", own("")))
    .into();
    want.push(format!(
        "target_info{{{identity},{cloud},instance=10.0.0.7:80,job=app,{server},url_scheme=http}} 1@1000"
    ));
    want.push(format!("a{} 2@1000", own("b=c,")));
    assert_eq!(lines, want);
}

#[test]
fn names_and_bounds_are_those_that_the_detour_over_otlp_gives() {
    let text = "# TYPE requests counter\nrequests{code=\"1\"} 1\n# TYPE done_total counter\ndone_total 2\n\
        # TYPE h histogram\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 4\n\
        # TYPE s summary\ns{quantile=\"0.50\"} 5\ns_sum 6\ns_count 7\n# TYPE g gauge\ng__x{le=\"1.0\"} 8\nu_total 9\n";
    assert_eq!(
        one(Format::Text, text),
        [
            "requests_total{code=1} 1@1000",
            "done_total{} 2@1000",
            "h_bucket{le=1} 1@1000",
            "h_bucket{le=+Inf} 2@1000",
            "h_sum{} 3@1000",
            "h_count{} 4@1000",
            "s{quantile=0.5} 5@1000",
            "s_sum{} 6@1000",
            "s_count{} 7@1000",
            "g_x{le=1.0} 8@1000",
            "u_total{} 9@1000",
        ]
    );
    let open_metrics = "# TYPE d_seconds counter\n# UNIT d_seconds seconds\nd_seconds_total 1 # {trace_id=\"t\"} 0.5\n\
        # TYPE i info\ni_info{v=\"1\"} 1\n# TYPE st stateset\nst{st=\"a\"} 0\n\
        # TYPE gh gaugehistogram\ngh_bucket{le=\"1.0\"} 2\ngh_gsum 3\ngh_gcount 4 # {} 1\n# EOF\n";
    assert_eq!(
        one(OM, open_metrics),
        [
            "d_seconds_total{} 1@1000 # 0.5",
            "i_info{v=1} 1@1000",
            "st{st=a} 0@1000",
            "gh_bucket{le=1.0} 2@1000",
            "gh_gsum{} 3@1000",
            "gh_gcount{} 4@1000",
        ]
    );
}

#[test]
fn labels_of_the_target_give_way_to_those_that_prometheus_gives() {
    let text = "a{job=\"j\",instance=\"i\",_b=\"1\",c__d=\"2\",e=\"\",otel_scope_name=\"s\"} 1\n\
        b{job=\"j\",exported_job=\"k\"} 2\n";
    assert_eq!(
        one(Format::Text, text),
        [
            "a{c_d=2,exported_instance=i,exported_job=j,key_b=1,otel_scope_name=s} 1@1000",
            "b{exported_exported_job=j,exported_job=k} 2@1000",
        ]
    );
    assert_eq!(one(Format::Text, "a{____=\"1\"} 1\n_ 1\n"), ["label_name: 1", "metric_name: 1"]);
    let created = "# TYPE jobs_created counter\njobs_created 1\n";
    assert_eq!(one(Format::Text, created), ["jobs_created_total{} 1@1000"], "a metric of that name");
}

#[test]
fn what_a_target_tells_of_itself_is_its_resource() {
    let text = "# TYPE target_info gauge\ntarget_info{service_version=\"2\",job=\"x\"} 1\na 1\n";
    let mut recorder = Recorder::new(target());
    let payload =
        sealed(&mut recorder, 1, &[Some((Format::Text, text)), None, Some((Format::Text, "a 2\n"))]);
    assert_eq!(shown(&payload), ["a{service_version=2} 1@1000 stale@2000", "a{} 2@3000"]);
    assert_eq!(reported(&payload, "up"), [1.0, 0.0, -1.0, 1.0], "it keeps its labels while it is down");
    assert_eq!(reported(&payload, "target_info"), [1.0, 1.0, -1.0, 1.0]);
}

#[test]
fn a_series_that_is_gone_gets_a_marker_and_one_that_gives_times_does_not() {
    let mut recorder = Recorder::new(target());
    let first = sealed(&mut recorder, 1, &[Some((Format::Text, "a 1\nb 1\nt 1 500\n"))]);
    let second = sealed(
        &mut recorder,
        2,
        &[Some((Format::Text, "b 2\nc 1\nt 1 500\n")), Some((Format::Text, "a 3\nc 3\nt 2 600\nt 1 500\n"))],
    );
    assert_eq!(shown(&first), ["a{} 1@1000", "b{} 1@1000", "t{} 1@500"]);
    assert_eq!(
        shown(&second),
        [
            "a{} stale@2000 3@3000",
            "b{} 2@2000 stale@3000",
            "t{} 2@600",
            "c{} 1@2000 3@3000",
            "out_of_order: 1"
        ]
    );
    assert_eq!(reported(&first, "scrape_series_added"), [3.0]);
    assert_eq!(reported(&second, "scrape_series_added"), [1.0, 1.0]);
    let nothing = sealed(&mut recorder, 4, &[Some((Format::Text, ""))]);
    assert_eq!(shown(&nothing), ["a{} stale@4000", "c{} stale@4000"]);
    assert_eq!(reported(&nothing, "up"), [1.0]);
}

#[test]
fn all_series_end_once_when_a_target_fails_or_goes() {
    let mut recorder = Recorder::new(target());
    sealed(&mut recorder, 1, &[Some((Format::Text, "a 1\n"))]);
    let down = sealed(&mut recorder, 2, &[None, None]);
    assert_eq!(shown(&down), ["a{} stale@2000"]);
    assert_eq!(reported(&down, "up"), [0.0, 0.0]);
    let still = sealed(&mut recorder, 4, &[None, Some((Format::Text, "a 2\n"))]);
    assert_eq!(shown(&still), ["a{} 2@5000"]);
    assert_eq!(reported(&still, "scrape_series_added"), [0.0, 0.0], "as Prometheus counts");
    recorder.add(Scrape { at: UnixMillis(9), duration_us: 0, outcome: Outcome::Gone });
    let gone = recorder.seal().unwrap().payload;
    assert_eq!(shown(&gone), ["a{} stale@9"]);
    for name in ["up", "scrape_duration_seconds", "target_info"] {
        assert_eq!(reported(&gone, name), [-1.0], "{name}");
    }
    let mut never_up = Recorder::new(target());
    sealed(&mut never_up, 1, &[None]);
    never_up.add(Scrape { at: UnixMillis(9), duration_us: 0, outcome: Outcome::Gone });
    assert_eq!(reported(&never_up.seal().unwrap().payload, "up"), [-1.0]);
}

#[test]
fn a_bad_line_fails_its_scrape_and_no_other() {
    let texts = ["a 1\nb 1\n", "a 2\nb{c=\"1\",c=\"2\"} 2\n", "a 3\nb x\n", "a 4\n"];
    let payload = sealed(&mut Recorder::new(target()), 1, &texts.map(|text| Some((Format::Text, text))));
    assert_eq!(shown(&payload), ["a{} 1@1000 stale@2000 4@4000", "b{} 1@1000 stale@2000", "exposition: 2"]);
    assert_eq!(reported(&payload, "up"), [1.0, 0.0, 0.0, 1.0]);
    assert_eq!(reported(&payload, "scrape_samples_scraped"), [2.0, 1.0, 1.0, 1.0]);
    let unreadable = scraped(&payload, &Options::default(), &mut LabelSets::default()).unreadable;
    let texts: Vec<_> = unreadable.iter().map(ToString::to_string).collect();
    assert!(
        texts[0].contains("127.0.0.1:9090 of job app")
            && texts[0].contains("line 2: a label name comes twice")
    );
    assert!(texts[1].contains("line 2: a value is no number"), "{texts:?}");
}

#[test]
fn a_series_that_comes_twice_counts_once() {
    let text = "a 1\na 1\na 2\nb 1 5\nb 1 6\n# TYPE c counter\nc 1\nc_total 1\n";
    assert_eq!(
        one(Format::Text, text),
        ["a{} 1@1000", "b{} 1@5 1@6", "c_total{} 1@1000", "duplicate_sample: 1"]
    );
}

#[test]
fn what_counts_tells_since_when_and_exemplars_come_once() {
    let text = "# TYPE c counter\nc_total{a=\"b\"} 1 # {trace_id=\"t\"} 0.5\nc_created{a=\"b\"} 0.5\nc_total 2\n\
        # TYPE h histogram\nh_bucket{a=\"b\",le=\"+Inf\"} 3 # {x=\"LONG\"} 1 0.7\nh_count{a=\"b\"} 3\nh_sum{a=\"b\"} 1\n\
        h_created{a=\"b\"} 9\n# TYPE g gauge\ng_created 1\n# EOF\n"
        .replace("LONG", &"x".repeat(128));
    let payload = sealed(&mut Recorder::new(target()), 1, &[Some((OM, &text)), Some((OM, &text))]);
    let mut sets = LabelSets::default();
    let mut made = scraped(&payload, &Options::default(), &mut sets).translation;
    let told = |series: Series<'_>| {
        let name = sets.get(series.id).unwrap().get(NAME).unwrap().to_owned();
        let starts: Vec<_> =
            series.samples.iter().map(|(_, s)| s.start.known().map_or(0, |at| at.0)).collect();
        let exemplars: Vec<_> =
            series.exemplars.iter().map(|(_, e)| (e.labels.len(), e.value, e.at.0)).collect();
        (name, starts, exemplars)
    };
    let told: Vec<_> = made.batch.by_series().map(told).skip(6).collect();
    let series = |name: &str, starts: [i64; 2], exemplars| (name.to_owned(), starts.to_vec(), exemplars);
    assert_eq!(
        told,
        [
            series("c_total", [500, 500], vec![(1, 0.5, 1000)]),
            series("c_total", [0, 0], vec![]),
            series("h_bucket", [0, 0], vec![(0, 1.0, 700)]),
            series("h_count", [0, 0], vec![]),
            series("h_sum", [0, 0], vec![]),
            series("g_created", [0, 0], vec![]),
        ]
    );
}

#[test]
fn a_series_tells_its_kind_its_description_and_its_unit() {
    let text = "# TYPE d_seconds gauge\n# UNIT d_seconds seconds\n# HELP d_seconds A \\\"b\\\".\nd_seconds 1\nu 1\n# EOF\n";
    let payload = sealed(&mut Recorder::new(target()), 1, &[Some((OM, text))]);
    let mut sets = LabelSets::default();
    let mut made = scraped(&payload, &Options::default(), &mut sets).translation;
    let ids: Vec<_> = made.batch.by_series().map(|series| series.id).collect();
    let told: Vec<_> = ids
        .iter()
        .map(|id| {
            let metadata = sets.metadata(*id).unwrap();
            format!("{:?} [{}] {}", metadata.kind, metadata.unit, metadata.help)
        })
        .collect();
    assert_eq!(told[0], "Gauge [] The scraping was successful");
    assert_eq!(told[6..], ["Gauge [seconds] A \"b\".", "Unknown [] "]);
}

#[test]
fn without_suffixes_names_stay_as_they_are() {
    let text = "# TYPE a counter\na__b 1\n# TYPE c counter\nc 1\n";
    let payload = sealed(&mut Recorder::new(target()), 1, &[Some((Format::Text, text))]);
    let (mut sets, options) = (LabelSets::default(), Options { suffixes: false, ..Options::default() });
    let mut made = scraped(&payload, &options, &mut sets).translation;
    let name = |series: Series<'_>| sets.get(series.id).unwrap().get(NAME).unwrap().to_owned();
    assert_eq!(made.batch.by_series().map(name).skip(6).collect::<Vec<_>>(), ["a__b", "c"]);
}
