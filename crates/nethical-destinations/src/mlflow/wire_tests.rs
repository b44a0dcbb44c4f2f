use nethical_core::event::{Family, Level, Pairs, RunUpdate, Timestamp};

use super::*;

fn update(run: &str, change: RunChange) -> Event {
    RunUpdate { run: run.to_owned(), time: 1_000, change }.to_event().unwrap()
}

fn metrics(run: &str, values: &[(&str, f64)], step: Option<i64>) -> Event {
    RunUpdate::metrics_event(run, Timestamp::from_millisecond(1_000).unwrap(), values, step)
}

fn tags(run: &str, pairs: &[(&str, &str)]) -> Event {
    let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    update(run, RunChange::Tags(pairs.collect()))
}

fn chunks(plan: &RunPlan) -> Vec<(Kind, usize)> {
    let chunk = |step: &Step| match step {
        Step::Log(chunk) => Some((chunk.kind, chunk.items.len())),
        _ => None,
    };
    plan.steps.iter().filter_map(chunk).collect()
}

#[test]
fn points_of_many_calls_go_together_and_params_alone() {
    let params: Pairs<Value> = (0..250).map(|number| (format!("p{number}"), number.into())).collect();
    let mut events = vec![update("r", RunChange::Params(params))];
    events.extend((0..1_500).map(|step| metrics("r", &[("loss", 0.5), ("acc", 1.0)], Some(step))));
    events.insert(700, tags("r", &[("team", "x")]));
    events.push(update("r", RunChange::End { status: RunStatus::Completed }));
    let (plans, refused) = plan(&events);
    assert!(refused.is_empty() && plans.len() == 1);
    let (params, metrics, tags) = (Kind::Params, Kind::Metrics, Kind::Tags);
    let wanted = [
        (params, 100),
        (params, 100),
        (params, 50),
        (tags, 1),
        (metrics, 1_000),
        (metrics, 1_000),
        (metrics, 1_000),
    ];
    assert_eq!(chunks(&plans[0]), wanted);
    assert!(matches!(plans[0].steps.last(), Some(Step::End { event: 1_502, .. })));
}

#[test]
fn bodies_are_as_the_server_reads_them() {
    let events = [
        metrics("r", &[("loss", 0.1), ("x\"y", f64::NAN)], None),
        metrics("r", &[("up", f64::INFINITY), ("down", f64::NEG_INFINITY)], Some(-7)),
    ];
    let (plans, _) = plan(&events);
    let Some(Step::Log(chunk)) = plans[0].steps.first() else { panic!("{plans:?}") };
    assert_eq!(
        chunk.body("r1"),
        concat!(
            r#"{"run_id":"r1","metrics":[{"key":"loss","value":0.1,"timestamp":1000,"step":0},"#,
            r#"{"key":"x\"y","value":"NaN","timestamp":1000,"step":0},"#,
            r#"{"key":"up","value":"Infinity","timestamp":1000,"step":-7},"#,
            r#"{"key":"down","value":"-Infinity","timestamp":1000,"step":-7}]}"#
        )
    );
}

#[test]
fn numbers_that_would_end_the_batch_never_go_out() {
    for (raw, sent) in
        [("1e400", "\"NaN\""), ("true", "\"NaN\""), ("\"nan\"", "\"NaN\""), ("5e-324", "5e-324")]
    {
        assert_eq!(number(&RawValue::from_string(raw.to_owned()).unwrap()), sent);
    }
}

#[test]
fn a_name_never_stands_twice_in_a_request() {
    let events = [
        tags("r", &[("a", "1"), ("b", "1")]),
        tags("r", &[("a", "2")]),
        tags("r", &[("a", "3"), ("b", "2")]),
    ];
    let (plans, _) = plan(&events);
    assert_eq!(chunks(&plans[0]), [(Kind::Tags, 2), (Kind::Tags, 1), (Kind::Tags, 2)]);
}

#[test]
fn no_request_is_larger_than_the_limit() {
    let long = "é".repeat(8_000);
    let many: Vec<_> = (0..200).map(|number| (format!("t{number}"), long.clone())).collect();
    let (plans, _) = plan(&[update("r", RunChange::Tags(Pairs(many)))]);
    let mut sent = 0;
    for step in &plans[0].steps {
        let Step::Log(chunk) = step else { panic!("{step:?}") };
        assert!(chunk.body("r").len() < 1_000_000);
        sent += chunk.items.len();
    }
    assert_eq!(sent, 200);
}

#[test]
fn runs_are_kept_apart_and_in_order() {
    let events = [
        update("a", RunChange::Start(RunStart { experiment: "e".into(), ..RunStart::default() })),
        metrics("b", &[("loss", 1.0)], None),
        metrics("a", &[("loss", 1.0)], None),
        update("a", RunChange::End { status: RunStatus::Failed }),
        update("a", RunChange::Resume {}),
        metrics("a", &[("loss", 2.0)], None),
        Event::new(events_id(), Timestamp::now(), Level::Info, Family::Runs, b"{}"),
    ];
    let (plans, refused) = plan(&events);
    assert_eq!(refused[0].index, 6);
    assert_eq!(plans.iter().map(|plan| plan.run.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let order: Vec<_> = plans[0].steps.iter().flat_map(Step::events).collect();
    assert_eq!(order, [0, 2, 3, 4, 5]);
}

fn events_id() -> nethical_core::event::EventId {
    nethical_core::event::EventId::new()
}

#[test]
fn a_run_is_created_with_its_key_and_name() {
    let tags = [(USER, "ann"), (RUN_NAME, "other"), (RUN_KEY, "that of the run it is a copy of")];
    let tags = Pairs(tags.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec());
    let start = RunStart { experiment: "e".into(), name: Some("n".repeat(300)), tags };
    let body = create_run("7", "local-1", &start, 5);
    assert_eq!(body["user_id"], "ann");
    let name = body["run_name"].as_str().unwrap();
    assert_eq!(name.chars().count(), limits::RUN_NAME);
    let tags = body["tags"].as_array().unwrap();
    assert_eq!(tags[0], json!({ "key": RUN_KEY, "value": "local-1" }));
    assert_eq!(tags.iter().filter(|tag| tag["key"] == RUN_KEY).count(), 1);
    assert_eq!(
        tags.iter().filter(|tag| tag["key"] == RUN_NAME).map(|tag| &tag["value"]).collect::<Vec<_>>(),
        [name]
    );
}

#[test]
fn addresses_hold_only_what_they_may() {
    assert_eq!(percent("a b/é?.txt"), "a%20b%2F%C3%A9%3F.txt");
}
