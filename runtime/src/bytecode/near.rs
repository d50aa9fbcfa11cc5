//! Names that a misspelt name may have meant, for error messages.

/// Names longer than this are neither compared nor suggested.
const MAX_LENGTH: usize = 64;

/// At most this many candidates are looked at.
const MAX_CANDIDATES: usize = 10_000;

/// The candidates within a third of the name's length (at least one, case ignored) in edit distance,
/// nearest first, at most three.
///
/// ```
/// use ion_runtime::bytecode::near::near_names;
/// assert_eq!(near_names("prinln", ["PrintLn", "Print", "Sqrt"]), ["PrintLn", "Print"]);
/// ```
pub fn near_names<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let name = lower(name);
    let allowed = (name.len() / 3).max(1);
    let mut found: Vec<(usize, &str)> = Vec::new();
    if name.is_empty() || name.len() > MAX_LENGTH {
        return Vec::new();
    }
    for candidate in candidates.into_iter().take(MAX_CANDIDATES) {
        if candidate.len() > 4 * MAX_LENGTH || found.iter().any(|&(_, known)| known == candidate) {
            continue;
        }
        let other = lower(candidate);
        if other.len().abs_diff(name.len()) > allowed {
            continue;
        }
        let distance = edit_distance(&name, &other);
        if distance <= allowed {
            found.push((distance, candidate));
            found.sort();
            found.truncate(3);
        }
    }
    found.into_iter().map(|(_, candidate)| candidate).collect()
}

/// The near names as the end of a message: `; did you mean 'a' or 'b'`, or nothing.
pub fn hint<S: AsRef<str>>(names: &[S]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let quoted: Vec<String> =
        names.iter().map(|name| format!("'{}'", name.as_ref().escape_debug())).collect();
    format!("; did you mean {}", quoted.join(" or "))
}

fn lower(text: &str) -> Vec<char> {
    text.chars().take(MAX_LENGTH + 1).flat_map(char::to_lowercase).collect()
}

/// Insertions, deletions, replacements and swaps of neighbours that make `b` of `a`.
fn edit_distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swaps_and_case_are_near() {
        assert_eq!(near_names("mian", ["main", "other"]), ["main"]);
        assert_eq!(near_names("WORKER", ["worker"]), ["worker"]);
        assert!(near_names("x", ["worker"]).is_empty());
        assert!(near_names("", ["a"]).is_empty());
    }

    #[test]
    fn hints_are_a_clause() {
        assert_eq!(hint(&["a", "b"]), "; did you mean 'a' or 'b'");
        assert_eq!(hint::<&str>(&[]), "");
    }
}
