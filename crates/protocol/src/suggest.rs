//! The nearest known word to one that is not known: the one place that says "did you mean".

/// The word of `known` that `word` was most likely meant to be, if any is near enough.
///
/// Case, hyphens and underscores do not count; beyond that, one slip (a letter too many, missing,
/// wrong or swapped with its neighbour) is allowed for every three letters. Of equally near words
/// the first wins.
#[must_use]
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let typed = plain(word);
    let slips = typed.chars().count().div_ceil(3);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&typed, &plain(candidate)), candidate))
        .filter(|(distance, _)| *distance <= slips)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The longest word that is compared: what people mistype is short, and the comparison is quadratic.
const MAX_COMPARED: usize = 64;

fn plain(word: &str) -> String {
    let letters = word.chars().filter(|c| !matches!(c, '-' | '_'));
    letters.take(MAX_COMPARED).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_word_that_was_meant() {
        let known = ["command", "capabilities", "port", "stop", "desiredCapacity"];
        let check = |word: &str, expected: Option<&str>| {
            assert_eq!(nearest(word, known), expected, "{word}");
        };
        check("comand", Some("command"));
        check("prot", Some("port"));
        check("Port", Some("port"));
        check("desired-capacity", Some("desiredCapacity"));
        check("desired", None);
        check("xyz", None);
        check("", None);
        check(&"x".repeat(100_000), None);
    }

    #[test]
    fn of_equally_near_words_the_first_wins() {
        assert_eq!(nearest("mix", ["min", "max"]), Some("min"));
    }
}
