//! The order in which a reader expects names that have numbers in them: `2ms` before `10ms`.

/// A piece of a name: numbers stand in the order of their values, before texts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Piece {
    /// Digits.
    Number(u64),
    /// Text between digits.
    Text(String),
}

/// Sort key of a name.
pub fn natural(name: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for c in name.chars() {
        match (c.to_digit(10), pieces.last_mut()) {
            (Some(d), Some(Piece::Number(n))) => *n = n.saturating_mul(10).saturating_add(u64::from(d)),
            (Some(d), _) => pieces.push(Piece::Number(u64::from(d))),
            (None, Some(Piece::Text(text))) => text.push(c),
            (None, _) => pieces.push(Piece::Text(c.to_string())),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_by_numeric_value() {
        let mut names = ["a:10ms", "b", "a:2ms", "a", "a:2ms,x=3"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["a", "a:2ms", "a:2ms,x=3", "a:10ms", "b"]);
    }
}
