//! What people get wrong: `tests/cmd/mistakes.trycmd` has what they read then, word by word.

/// Each mistake: what is wrong, and what the command says.
fn mistakes() -> Vec<(&'static str, &'static str)> {
    let text = include_str!("../cmd/mistakes.trycmd");
    let parts = text.split("```console\n").collect::<Vec<_>>();
    let named = parts.windows(2).map(|pair| {
        let (said, _) = pair[1].split_once("```").unwrap();
        (pair[0].rsplit("```").next().unwrap().trim(), said)
    });
    named.collect()
}

#[test]
fn every_mistake_is_told_with_its_cause_and_the_next_step() {
    let mistakes = mistakes();
    assert!(mistakes.len() >= 20, "{}", mistakes.len());
    for (mistake, said) in mistakes {
        assert!(mistake.ends_with('.'), "{mistake}");
        let cause = ["error: ", "failed  ", "warn    "].iter().any(|word| said.contains(word));
        let step =
            ["help: ", "hint: ", "tip: ", ": use ", ": add ", "must be at most ", "starts with `https://`"];
        assert!(cause && step.iter().any(|word| said.contains(word)), "{mistake} {said}");
        assert!(!said.contains("T0/B0") && !said.contains("s3cret"), "a secret is shown: {said}");
    }
}
