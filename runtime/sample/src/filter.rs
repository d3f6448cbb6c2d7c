//! Which meters a source polls, and of which instances: Ceilometer's rules, to the letter.
//!
//! Patterns are Python's `fnmatch` on POSIX: `*`, `?`, `[seq]`, `[!seq]`, case matters, nothing is special in front of a
//! dot, and there is no escape but a bracket. A pattern that begins with `!` denies. Deny wins; a list of nothing but denials
//! allows the rest. Matching takes at most (pattern × text) steps, whatever the pattern.
//!
//! `tests/vectors/filters.json` holds what Ceilometer 27.0.0 itself and Python's fnmatch answer; a test compares.

/// A list of patterns, as of `meters` or `resources` of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    patterns: Vec<Pattern>,
}

/// One pattern of a [`Filter`].
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    denies: bool,
    /// Without the `!`.
    glob: Vec<char>,
}

/// Lists that Ceilometer refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterFault {
    /// `Both included and excluded meters specified`.
    #[error(
        "names and `!` exclusions stand together, which Ceilometer refuses: write `*` and the exclusions, or the names alone"
    )]
    Mixed,
    /// `Included meters specified with wildcard`.
    #[error("`*` and names stand together, which Ceilometer refuses: `*` alone has them all")]
    Redundant,
    /// No pattern at all, or an empty one.
    #[error("an empty pattern")]
    Empty,
}

impl Filter {
    /// The filter that selects everything.
    pub fn all() -> Self {
        Self { patterns: vec![Pattern { denies: false, glob: vec!['*'] }] }
    }

    /// The patterns, checked as Ceilometer checks a source's.
    ///
    /// # Errors
    /// [`FilterFault`].
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, FilterFault> {
        let texts: Vec<&str> = patterns.into_iter().collect();
        if texts.is_empty() || texts.contains(&"") {
            return Err(FilterFault::Empty);
        }
        let names = texts.iter().any(|text| !text.starts_with(['!', '*']));
        if names && texts.iter().any(|text| text.starts_with('!')) {
            return Err(FilterFault::Mixed);
        }
        if names && texts.contains(&"*") {
            return Err(FilterFault::Redundant);
        }
        Ok(Self { patterns: texts.into_iter().map(Pattern::new).collect() })
    }

    /// Whether a name passes.
    pub fn selects(&self, name: &str) -> bool {
        self.selects_any(&[name])
    }

    /// Whether something with several names passes: it is denied by any of them, and allowed by any of them.
    pub fn selects_any(&self, names: &[&str]) -> bool {
        let names: Vec<Vec<char>> = names.iter().map(|name| name.chars().collect()).collect();
        let hit = |pattern: &Pattern| names.iter().any(|name| matches(&pattern.glob, name));
        if self.patterns.iter().any(|pattern| pattern.denies && hit(pattern)) {
            return false;
        }
        self.patterns.iter().all(|pattern| pattern.denies)
            || self.patterns.iter().any(|pattern| !pattern.denies && hit(pattern))
    }
}

impl std::fmt::Display for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, pattern) in self.patterns.iter().enumerate() {
            let comma = if number > 0 { ", " } else { "" };
            let deny = if pattern.denies { "!" } else { "" };
            let glob: String = pattern.glob.iter().collect();
            write!(f, "{comma}{deny}{glob}")?;
        }
        Ok(())
    }
}

impl Pattern {
    fn new(text: &str) -> Self {
        let stripped = text.strip_prefix('!');
        Self { denies: stripped.is_some(), glob: stripped.unwrap_or(text).chars().collect() }
    }
}

/// fnmatch. On a mismatch only the last `*` takes one character more, which is enough and keeps it quadratic.
fn matches(glob: &[char], text: &[char]) -> bool {
    let (mut g, mut t) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    loop {
        if glob.get(g) == Some(&'*') {
            last_star = Some((g + 1, t));
            g += 1;
            continue;
        }
        let Some(&character) = text.get(t) else { return g == glob.len() };
        match glob.get(g).map(|_| one(&glob[g..], character)) {
            Some((true, width)) => {
                g += width;
                t += 1;
            }
            Some((false, _)) | None => match last_star {
                Some((after, start)) => {
                    last_star = Some((after, start + 1));
                    g = after;
                    t = start + 1;
                }
                None => return false,
            },
        }
    }
}

/// Whether the pattern's first element takes this character, and how long the element is. It is not a `*`.
fn one(glob: &[char], character: char) -> (bool, usize) {
    match glob[0] {
        '?' => (true, 1),
        '[' => match set(glob) {
            Some((set, width)) => (in_set(set, character), width),
            // A bracket that nothing closes stands for itself.
            None => (character == '[', 1),
        },
        literal => (literal == character, 1),
    }
}

/// The inside of the brackets that the pattern begins with. A `]` at their very start belongs to it.
fn set(glob: &[char]) -> Option<(&[char], usize)> {
    let mut start = 1;
    if glob.get(start) == Some(&'!') {
        start += 1;
    }
    if glob.get(start) == Some(&']') {
        start += 1;
    }
    let end = start + glob.get(start..)?.iter().position(|c| *c == ']')?;
    Some((&glob[1..end], end + 1))
}

fn in_set(set: &[char], character: char) -> bool {
    let (inverted, mut rest) = match set {
        ['!', rest @ ..] => (true, rest),
        _ => (false, set),
    };
    let mut found = false;
    while let [first, more @ ..] = rest {
        rest = match more {
            ['-', last, after @ ..] => {
                found |= (*first..=*last).contains(&character);
                after
            }
            _ => {
                found |= *first == character;
                more
            }
        };
    }
    found != inverted
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn texts(value: &Value) -> Vec<&str> {
        value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
    }

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../tests/vectors/filters.json")).unwrap()
    }

    #[test]
    fn sources_select_what_ceilometer_selects_and_are_refused_where_it_refuses() {
        let vectors = vectors();
        let meters = texts(&vectors["meters"]);
        let sources = vectors["sources"].as_array().unwrap();
        assert!(sources.len() > 30);
        for case in sources {
            let patterns = texts(&case["meters"]);
            let expected = match case["fault"].as_str() {
                Some("Both included and excluded meters specified") => Err(FilterFault::Mixed),
                Some("Included meters specified with wildcard") => Err(FilterFault::Redundant),
                Some(other) => panic!("{other}"),
                None => Ok(texts(&case["selects"])),
            };
            let filter = Filter::new(patterns.iter().copied());
            let got = filter.map(|f| meters.iter().copied().filter(|m| f.selects(m)).collect::<Vec<_>>());
            assert_eq!(got, expected, "{patterns:?}");
        }
    }

    #[test]
    fn patterns_match_what_pythons_fnmatch_matches() {
        let vectors = vectors();
        let all = texts(&vectors["texts"]);
        for case in vectors["patterns"].as_array().unwrap() {
            let pattern = case["pattern"].as_str().unwrap();
            let glob: Vec<char> = pattern.chars().collect();
            let hit = |text: &&str| matches(&glob, &text.chars().collect::<Vec<_>>());
            let got: Vec<_> = all.iter().copied().filter(hit).collect();
            assert_eq!(got, texts(&case["matches"]), "{pattern:?}");
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_exponential_time() {
        let glob: Vec<char> = "*a".repeat(200).chars().chain(['b']).collect();
        assert!(!matches(&glob, &vec!['a'; 5_000]));
    }

    #[test]
    fn an_instance_is_denied_or_allowed_by_either_of_its_names() {
        let filter = Filter::new(["*", "!instance-0000002a"]).unwrap();
        assert!(!filter.selects_any(&["b9c03180", "instance-0000002a"]));
        assert!(filter.selects_any(&["b9c03180", "instance-0000002b"]));
        let filter = Filter::new(["b9c*"]).unwrap();
        assert!(filter.selects_any(&["b9c03180", "web"]));
    }
}
