//! Names for runs that were given none.

const HOW: [&str; 32] = [
    "amber", "brisk", "calm", "clear", "crisp", "deep", "eager", "early", "fair", "fleet", "gentle",
    "golden", "grand", "keen", "light", "lively", "mellow", "mild", "neat", "noble", "patient", "plain",
    "quiet", "rapid", "ready", "sharp", "silver", "steady", "still", "swift", "warm", "wide",
];
const WHAT: [&str; 32] = [
    "alder", "birch", "brook", "cedar", "cliff", "cloud", "comet", "crane", "delta", "dune", "ember",
    "falcon", "fern", "field", "finch", "fjord", "grove", "harbor", "heron", "island", "lark", "maple",
    "meadow", "otter", "pine", "reef", "ridge", "river", "robin", "stone", "tide", "willow",
];

/// A name that is easy to say, always the same for the same run: `calm-heron-417`.
pub(super) fn of(run: &str) -> String {
    // The end of an id is its random part.
    let mix = run
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |mix, byte| (mix ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let pick = |words: &[&'static str; 32], shift: u32| {
        words.get((mix >> shift) as usize % 32).copied().unwrap_or_default()
    };
    format!("{}-{}-{}", pick(&HOW, 8), pick(&WHAT, 24), (mix >> 40) % 1_000)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_run_keeps_its_name_and_others_have_others() {
        let names: std::collections::HashSet<_> =
            (0..100).map(|number| super::of(&format!("run-{number}"))).collect();
        assert!(names.len() > 95, "{names:?}");
        assert!(names.contains(&super::of("run-7")));
    }
}
