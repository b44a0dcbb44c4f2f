//! Reading options as any type that serde knows, with every error where it belongs.

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::{Entry, Node, Options, OptionsError, Value};

type Result<T> = std::result::Result<T, OptionsError>;

pub(super) fn read<T: DeserializeOwned>(options: &Options) -> Result<T> {
    T::deserialize(TableReader(options)).map_err(|error| error.or_span(options.span.as_ref()))
}

struct TableReader<'a>(&'a Options);

impl<'de> Deserializer<'de> for TableReader<'_> {
    type Error = OptionsError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_map(Entries { rest: &self.0.entries, current: None })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Entries<'a> {
    rest: &'a [Entry],
    current: Option<&'a Entry>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = OptionsError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let Some((entry, rest)) = self.rest.split_first() else { return Ok(None) };
        self.rest = rest;
        self.current = Some(entry);
        let key = seed.deserialize(StrDeserializer::new(&entry.key.name));
        key.map(Some).map_err(|error: OptionsError| error.or_span(entry.key.span.as_ref()))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        let entry = self.current.take().ok_or_else(|| OptionsError::custom("a value without a key"))?;
        let value = seed.deserialize(NodeReader(&entry.node));
        value.map_err(|error: OptionsError| error.about(&entry.node).within_key(&entry.key.name))
    }
}

struct Items<'a>(std::iter::Enumerate<std::slice::Iter<'a, Node>>);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = OptionsError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let Some((index, node)) = self.0.next() else { return Ok(None) };
        let item = seed.deserialize(NodeReader(node)).map(Some);
        item.map_err(|error: OptionsError| error.about(node).within_item(index))
    }
}

struct NodeReader<'a>(&'a Node);

impl NodeReader<'_> {
    fn visit<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value> {
        match &self.0.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Int(value) => visit_int(*value, visitor),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::String(text) => visitor.visit_str(text),
            Value::Array(items) => visitor.visit_seq(Items(items.iter().enumerate())),
            Value::Table(options) => TableReader(options).deserialize_any(visitor),
        }
    }

    /// Text from the environment may stand for a number, `true` or `false`.
    fn visit_scalar<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value> {
        let Value::String(text) = &self.0.value else { return self.visit(visitor) };
        if !self.0.from_environment {
            return self.visit(visitor);
        }
        if let Ok(value) = text.parse() {
            visitor.visit_bool(value)
        } else if let Ok(value) = text.parse() {
            visit_int(value, visitor)
        } else if let Ok(value) = text.parse() {
            visitor.visit_f64(value)
        } else {
            visitor.visit_str(text)
        }
    }

    fn visit_enum<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value> {
        match &self.0.value {
            Value::String(name) => visitor.visit_enum(Variant { name, value: None }),
            Value::Table(options) => match options.entries() {
                [entry] => visitor
                    .visit_enum(Variant { name: &entry.key.name, value: Some(&entry.node) })
                    .map_err(|error| error.or_span(entry.key.span.as_ref())),
                _ => Err(OptionsError::invalid("expected a table with one key")),
            },
            other => Err(Error::invalid_type(unexpected(other), &"text or a table")),
        }
    }
}

fn unexpected(value: &Value) -> Unexpected<'_> {
    match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(value) => Unexpected::Bool(*value),
        Value::Int(value) => i64::try_from(*value).map_or(Unexpected::Other("a number"), Unexpected::Signed),
        Value::Float(value) => Unexpected::Float(*value),
        Value::String(text) => Unexpected::Str(text),
        Value::Array(_) => Unexpected::Seq,
        Value::Table(_) => Unexpected::Map,
    }
}

fn visit_int<'de, V: Visitor<'de>>(value: i128, visitor: V) -> Result<V::Value> {
    if let Ok(value) = i64::try_from(value) {
        visitor.visit_i64(value)
    } else if let Ok(value) = u64::try_from(value) {
        visitor.visit_u64(value)
    } else {
        visitor.visit_i128(value)
    }
}

macro_rules! scalars {
    ($($method:ident)*) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            self.visit_scalar(visitor).map_err(|error| error.about(self.0))
        }
    )* };
}

impl<'de> Deserializer<'de> for NodeReader<'_> {
    type Error = OptionsError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.visit(visitor).map_err(|error| error.about(self.0))
    }

    scalars! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32
        deserialize_f64
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.visit_enum(visitor).map_err(|error| error.about(self.0))
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// A variant by name, with the value that a table gave it.
struct Variant<'a> {
    name: &'a str,
    value: Option<&'a Node>,
}

impl Variant<'_> {
    fn value(&self) -> Result<NodeReader<'_>> {
        let name = self.name;
        self.value.map(NodeReader).ok_or_else(|| {
            OptionsError::invalid(format!("`{name}` needs a value"))
                .with_hint(format!("write `{{ {name} = ... }}`"))
        })
    }
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = OptionsError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self)> {
        Ok((seed.deserialize(StrDeserializer::<OptionsError>::new(self.name))?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = OptionsError;

    fn unit_variant(self) -> Result<()> {
        match self.value {
            None => Ok(()),
            Some(node) => {
                let error = OptionsError::invalid("this takes no value");
                Err(error.with_hint(format!("write \"{}\"", self.name)).about(node).within_key(self.name))
            }
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        let NodeReader(node) = self.value()?;
        seed.deserialize(NodeReader(node)).map_err(|error| error.about(node).within_key(self.name))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.value()?.deserialize_any(visitor).map_err(|error| error.within_key(self.name))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value> {
        self.value()?.deserialize_any(visitor).map_err(|error| error.within_key(self.name))
    }
}
