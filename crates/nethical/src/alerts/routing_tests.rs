use super::*;

/// `name:kind`, with `!` where it is down and `^` where it takes only errors and above.
fn targets<'a>(words: &'a str) -> Vec<Target<'a>> {
    let target = |word: &'a str| {
        let (is_up, level) =
            (!word.contains('!'), if word.contains('^') { Level::Error } else { Level::Debug });
        let (name, kind) = word.trim_end_matches(['!', '^']).split_once(':').unwrap();
        Target { name, kind, level, is_up }
    };
    words.split_whitespace().map(target).collect()
}

fn alert(severity: Severity) -> Alert {
    let mut alert = Alert::new(severity, "t", "m").with_label("team", "ml");
    alert.source = "gpu-7".to_owned();
    alert
}

fn to(severity: Severity, routes: &[Route], words: &str) -> String {
    route(&alert(severity), routes, &targets(words)).to.join(" ")
}

#[test]
fn the_default_for_every_severity_and_every_set_of_destinations() {
    let table = [
        // destinations, then who gets critical, error, warning, info
        ("", ["", "", "", ""]),
        ("a:slack", ["a", "a", "a", "a"]),
        ("a:discord", ["a", "a", "a", "a"]),
        ("a:http", ["a", "a", "a", "a"]),
        ("a:slack b:discord", ["a b", "a b", "a", "b"]),
        ("a:slack b:http", ["a b", "a b", "a", "a b"]),
        ("a:discord b:http", ["a b", "a b", "a b", "a"]),
        ("a:slack b:slack c:discord", ["a b c", "a b c", "a b", "c"]),
        ("a:slack b:discord c:http d:jsonl", ["a b c d", "a b c d", "a", "b"]),
        // down: the others serve beside it
        ("a:slack! b:discord c:http", ["a b c", "a b c", "a b c", "b"]),
        ("a:slack b:discord! c:http", ["a b c", "a b c", "a", "b a c"]),
        // a level of one's own
        ("a:slack^ b:discord", ["a b", "a b", "b", "b"]),
        ("a:slack b:discord^", ["a b", "a b", "a", "a"]),
        // nobody wants it, so everybody gets it
        ("a:slack^ b:http^", ["a b", "a b", "a b", "a b"]),
    ];
    let severities = [Severity::Critical, Severity::Error, Severity::Warning, Severity::Info];
    for (words, wanted) in table {
        let got = severities.map(|severity| to(severity, &[], words));
        assert_eq!(got, wanted, "{words:?}");
    }
}

fn routes() -> Vec<Route> {
    let to = |names: &str| names.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let labels = |value: &str| BTreeMap::from([("team".to_owned(), value.to_owned())]);
    vec![
        Route {
            severity: vec![Severity::Critical],
            to: to("pager"),
            fallback: to("mail"),
            ..Route::default()
        },
        Route { labels: labels("m*"), to: to("ml"), and_continue: true, ..Route::default() },
        Route { source: Some("gpu-*".to_owned()), to: to("ops ml"), ..Route::default() },
        Route { to: to("rest"), ..Route::default() },
    ]
}

#[test]
fn the_first_route_that_takes_it_says_where_unless_it_goes_on() {
    let all = "pager:http mail:http ml:slack ops:slack rest:jsonl";
    assert_eq!(to(Severity::Critical, &routes(), all), "pager");
    assert_eq!(to(Severity::Warning, &routes(), all), "ml ops");
    let mut other = alert(Severity::Warning);
    other.labels.clear();
    other.source = "db".to_owned();
    assert_eq!(route(&other, &routes(), &targets(all)).to, ["rest"]);
    assert_eq!(route(&other, &routes()[..3], &targets(all)).to, ["ml", "ops"], "the default: every slack");
}

#[test]
fn what_is_down_or_not_there_has_a_fallback() {
    for words in ["pager:http! mail:http other:http", "mail:http other:http"] {
        let ways = route(&alert(Severity::Critical), &routes(), &targets(words));
        assert!(ways.to.contains(&"mail".to_owned()) && !ways.to.contains(&"other".to_owned()), "{ways:?}");
    }
    let ways = route(&alert(Severity::Critical), &routes(), &targets("pager:http mail:http"));
    assert_eq!(
        (ways.to, ways.fallback),
        (vec!["pager".to_owned()], vec!["mail".to_owned()]),
        "it may fail later"
    );
    assert_eq!(to(Severity::Critical, &routes(), "other:http"), "other", "neither is there");
}

#[test]
fn stars_stand_for_any_text() {
    for (pattern, text, wanted) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("*", "", true),
        ("a*", "abc", true),
        ("*c", "abc", true),
        ("a*c", "abc", true),
        ("a*c", "ac", true),
        ("a*b*c", "a1b2b3c", true),
        ("a*b*c", "acb", false),
        ("a*a", "a", false),
        ("*é*", "caféx", true),
    ] {
        assert_eq!(glob(pattern, text), wanted, "{pattern} {text}");
    }
}
