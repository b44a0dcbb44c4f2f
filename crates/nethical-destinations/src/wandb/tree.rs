//! Nested names with values that stay as they were written: a configuration, or a summary.

use super::json;

/// Names in the order in which they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tree(Vec<(String, Node)>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    /// A JSON text.
    Value(String),
    Inner(Tree),
}

/// What is nested deeper is left out: no reader of JSON would take it.
const DEEPEST: usize = 128;

impl Tree {
    /// Sets what stands at `path`. A value on the way gives way to what is below it.
    pub(crate) fn set(&mut self, path: &[String], value: impl Into<String>) {
        if path.len() <= DEEPEST {
            self.set_below(path, value);
        }
    }

    fn set_below(&mut self, path: &[String], value: impl Into<String>) {
        let Some((first, rest)) = path.split_first() else { return };
        let index = self.0.iter().position(|(name, _)| name == first).unwrap_or_else(|| {
            self.0.push((first.clone(), Node::Inner(Self::default())));
            self.0.len() - 1
        });
        let Some((_, node)) = self.0.get_mut(index) else { return };
        if rest.is_empty() {
            *node = Node::Value(value.into());
            return;
        }
        if let Node::Value(_) = node {
            *node = Node::Inner(Self::default());
        }
        if let Node::Inner(inner) = node {
            inner.set_below(rest, value);
        }
    }

    /// Removes what stands at `path`.
    pub(crate) fn remove(&mut self, path: &[String]) {
        let Some((first, rest)) = path.split_first() else { return };
        if rest.is_empty() {
            self.0.retain(|(name, _)| name != first);
        } else if let Some((_, Node::Inner(inner))) = self.0.iter_mut().find(|(name, _)| name == first) {
            inner.remove(rest);
        }
    }

    /// Appends it as a JSON object.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (index, (name, node)) in self.0.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            json::text(name, out);
            out.push(b':');
            node.write(out);
        }
        out.push(b'}');
    }

    /// The names at the top with their values as JSON.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, String)> {
        self.0.iter().map(|(name, node)| {
            let mut out = Vec::new();
            node.write(&mut out);
            (name.as_str(), String::from_utf8(out).unwrap_or_default())
        })
    }
}

impl Node {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Value(text) => out.extend_from_slice(text.as_bytes()),
            Self::Inner(tree) => tree.write(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('/').map(str::to_owned).collect()
    }

    #[test]
    fn values_are_set_replaced_and_removed_at_any_depth() {
        let mut tree = Tree::default();
        for (at, value) in
            [("lr", "0.1"), ("net/depth", "3"), ("net/act", "\"relu\""), ("lr", "0.2"), ("a", "1")]
        {
            tree.set(&path(at), value);
        }
        tree.set(&path("a/b"), "NaN");
        tree.remove(&path("net/depth"));
        tree.remove(&path("none/of/it"));
        tree.set(&vec!["deep".to_owned(); 100_000], "1");
        let mut out = Vec::new();
        tree.write(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"lr":0.2,"net":{"act":"relu"},"a":{"b":NaN}}"#);
    }
}
