//! Comma-separated values (RFC 4180).

use std::io::{self, Write};

/// One line.
pub(super) fn line(out: &mut impl Write, fields: impl IntoIterator<Item = String>) -> io::Result<()> {
    let quoted = |field: String| {
        let plain = !field.contains(['"', ',', '\n', '\r']);
        if plain { field } else { format!("\"{}\"", field.replace('"', "\"\"")) }
    };
    let fields: Vec<_> = fields.into_iter().map(quoted).collect();
    writeln!(out, "{}", fields.join(","))
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_special_is_quoted() {
        let mut out = Vec::new();
        super::line(&mut out, ["a", "b,c", "d\"e", ""].map(str::to_owned)).unwrap();
        assert_eq!(out, b"a,\"b,c\",\"d\"\"e\",\n");
    }
}
