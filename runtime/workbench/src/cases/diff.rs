//! Two texts by lines: what is gone, what is new.

/// Beyond this many pairs of lines they are not compared one by one: a table of them would take too much memory.
const MOST_PAIRS: usize = 1 << 22;

/// The lines of both texts: `- ` in front of those of the first alone, `+ ` of the second alone, two spaces of both.
pub fn diff(expected: &str, came: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), came.lines().collect());
    let mut lines = Vec::new();
    let (mut i, mut j) = (0, 0);
    if old.len().saturating_mul(new.len()) <= MOST_PAIRS {
        let common = common(&old, &new);
        while i < old.len() && j < new.len() {
            if old[i] == new[j] {
                lines.push(format!("  {}", old[i]));
                (i, j) = (i + 1, j + 1);
            } else if common[i + 1][j] >= common[i][j + 1] {
                lines.push(format!("- {}", old[i]));
                i += 1;
            } else {
                lines.push(format!("+ {}", new[j]));
                j += 1;
            }
        }
    }
    lines.extend(old[i..].iter().map(|line| format!("- {line}")));
    lines.extend(new[j..].iter().map(|line| format!("+ {line}")));
    lines
}

/// How many lines are common to what follows each pair of places.
fn common(old: &[&str], new: &[&str]) -> Vec<Vec<u32>> {
    let mut table = vec![vec![0; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            table[i][j] =
                if old[i] == new[j] { table[i + 1][j + 1] + 1 } else { table[i + 1][j].max(table[i][j + 1]) };
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_have_stands_between_what_one_has() {
        assert_eq!(diff("a\nb\nc\n", "a\nx\nc\nd\n"), ["  a", "- b", "+ x", "  c", "+ d"]);
        assert_eq!(diff("", "a\n"), ["+ a"]);
        assert!(diff("a\n", "").iter().all(|line| line == "- a"));
    }

    #[test]
    fn texts_of_many_lines_are_told_one_after_the_other() {
        let (old, new) = ("a\n".repeat(3000), "b\n".repeat(3000));
        let lines = diff(&old, &new);
        assert_eq!((lines.len(), lines[0].as_str(), lines[5999].as_str()), (6000, "- a", "+ b"));
    }
}
