//! A `serde` deserializer over the tree that notes where each error arose.

use commutator_plugins::secret;
use serde::{
    Deserializer,
    de::{
        DeserializeSeed, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
        VariantAccess, Visitor,
    },
    forward_to_deserialize_any,
};

use super::{
    de_hole::Hole,
    message::{At, DeError, MAPPING, What},
    secret_file::Files,
    tree::{Entry, Kind, Node, NodeId, Scalar, Status, Tree},
};

/// What the deserializer reads from.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) tree: &'a Tree,
    pub(super) secrets: &'a Files,
}

impl<'a> Reader<'a> {
    /// Deserialises a node, or what stands in for it.
    pub(super) fn read<'de, S: DeserializeSeed<'de>>(
        self,
        id: NodeId,
        seed: S,
    ) -> Result<S::Value, DeError> {
        match self.tree.nodes[id].status {
            Status::Hole(level) => seed.deserialize(Hole::new(level)).map_err(|error| DeError {
                at: Some(At::Hole(id)),
                ..error
            }),
            Status::Live | Status::Absent => seed
                .deserialize(NodeDe { reader: self, id })
                .map_err(|error| error.or_at(At::Node(id))),
        }
    }

    fn is_there(self, id: NodeId) -> bool {
        self.tree.nodes[id].status != Status::Absent
    }
}

#[derive(Clone, Copy)]
struct NodeDe<'a> {
    reader: Reader<'a>,
    id: NodeId,
}

impl<'a> NodeDe<'a> {
    fn node(self) -> &'a Node {
        &self.reader.tree.nodes[self.id]
    }

    fn text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match &self.node().kind {
            // Where text is wanted, a variable that happens to hold digits is text.
            Kind::Scalar {
                text,
                expanded: Some(_),
                ..
            } => visitor.visit_str(text),
            _ => self.deserialize_any(visitor),
        }
    }

    fn secret<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        let Kind::Scalar {
            text,
            expanded,
            value,
            ..
        } = &self.node().kind
        else {
            return Err(DeError::invalid_type(Unexpected::Map, &visitor));
        };
        let expanded = expanded.as_ref().filter(|e| !e.used.is_empty());
        let written = expanded.map_or(text, |expanded| &expanded.written);
        if written.starts_with("file:") {
            let path = text.strip_prefix("file:").unwrap_or(text);
            let secret = self.reader.secrets.secret(path).map_err(DeError::custom)?;
            return visitor.visit_bytes(secret.as_bytes());
        }
        match expanded {
            Some(expanded) if expanded.by_default => Err(DeError::new(What::SecretLiteral)),
            Some(_) if text.is_empty() => Err(DeError::custom("the secret is empty")),
            Some(_) => visitor.visit_bytes(text.as_bytes()),
            None if *value == Scalar::Null => {
                Err(DeError::invalid_type(Unexpected::Unit, &visitor))
            }
            None => Err(DeError::new(What::SecretLiteral)),
        }
    }
}

impl<'de> Deserializer<'de> for NodeDe<'_> {
    type Error = DeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match &self.node().kind {
            Kind::Scalar { value, text, .. } => match value {
                Scalar::Null => visitor.visit_unit(),
                Scalar::Bool(value) => visitor.visit_bool(*value),
                Scalar::Int(value) => match u64::try_from(*value) {
                    Ok(value) => visitor.visit_u64(value),
                    Err(_) => visitor.visit_i64(*value),
                },
                Scalar::Big(value) => visitor.visit_u64(*value),
                Scalar::Float(value) if value.is_finite() => visitor.visit_f64(*value),
                Scalar::Float(_) => Err(DeError::custom("not a finite number")),
                Scalar::Str => visitor.visit_str(text),
            },
            Kind::Seq(items) => visitor.visit_seq(Items {
                reader: self.reader,
                items: items.iter(),
            }),
            Kind::Map(entries) => visitor.visit_map(Entries {
                reader: self.reader,
                map: self.id,
                entries: entries.iter(),
                phantom: 0,
                next: None,
            }),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.text(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.text(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.text(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match &self.node().kind {
            Kind::Scalar {
                value: Scalar::Null,
                ..
            } => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        if name == secret::NEWTYPE {
            self.secret(visitor)
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        // `serde` would take a list for the fields in their order.
        match &self.node().kind {
            Kind::Seq(_) => Err(DeError::new(What::Type {
                expected: MAPPING.into(),
            })),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        match &self.node().kind {
            Kind::Scalar {
                value: Scalar::Null,
                ..
            }
            | Kind::Seq(_) => Err(DeError::new(What::Type {
                expected: one_of(variants),
            })),
            Kind::Scalar { text, .. } => visitor.visit_enum(Word(text)),
            Kind::Map(entries) => {
                let mut live = entries.iter().filter(|e| self.reader.is_there(e.value));
                let Some(entry) = live.next() else {
                    return Err(DeError::new(What::Type {
                        expected: one_of(variants),
                    }));
                };
                if let Some(second) = live.next() {
                    let message = format!(
                        "`{}` beside `{}`, where only one is allowed",
                        second.key, entry.key
                    );
                    return Err(DeError::custom(message).or_at(At::Key(second.value)));
                }
                visitor.visit_enum(Tagged {
                    reader: self.reader,
                    entry,
                })
            }
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

fn one_of(variants: &[&str]) -> String {
    let list: Vec<String> = variants.iter().map(|v| format!("`{v}`")).collect();
    format!("one of {}", list.join(", "))
}

struct Items<'a> {
    reader: Reader<'a>,
    items: std::slice::Iter<'a, NodeId>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = DeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DeError> {
        match self.items.by_ref().find(|id| self.reader.is_there(**id)) {
            Some(id) => self.reader.read(*id, seed).map(Some),
            None => Ok(None),
        }
    }
}

/// The entries of a mapping, then what is made up for its missing fields.
struct Entries<'a> {
    reader: Reader<'a>,
    map: NodeId,
    entries: std::slice::Iter<'a, Entry>,
    phantom: usize,
    next: Option<NodeId>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = DeError;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DeError> {
        let reader = self.reader;
        if let Some(entry) = self.entries.by_ref().find(|e| reader.is_there(e.value)) {
            self.next = Some(entry.value);
            return seed
                .deserialize(KeyDe(&entry.key))
                .map(Some)
                .map_err(|error| error.or_at(At::Key(entry.value)));
        }
        self.next = None;
        match reader.tree.nodes[self.map].phantoms.get(self.phantom) {
            Some((name, _)) => seed
                .deserialize(KeyDe(name))
                .map(Some)
                .map_err(|error| error.or_at(At::Phantom(self.map, self.phantom))),
            None => Ok(None),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, DeError> {
        if let Some(id) = self.next {
            return self.reader.read(id, seed);
        }
        let at = self.phantom;
        self.phantom += 1;
        let level = self.reader.tree.nodes[self.map].phantoms[at].1;
        seed.deserialize(Hole::new(level)).map_err(|error| DeError {
            at: Some(At::Phantom(self.map, at)),
            ..error
        })
    }
}

/// A key: a field name, a string, or for maps with other keys what the string reads as.
struct KeyDe<'a>(&'a str);

macro_rules! number_keys {
    ($($method:ident $visit:ident $type:ty,)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
            match self.0.parse::<$type>() {
                Ok(number) => visitor.$visit(number),
                Err(_) => Err(DeError::custom(format!(
                    "the key `{}` is not a whole number, or out of range", self.0
                ))),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for KeyDe<'_> {
    type Error = DeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        visitor.visit_str(self.0)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        visitor.visit_enum(Word(self.0))
    }

    number_keys! {
        deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16, deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64, deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32, deserialize_i64 visit_i64 i64,
    }

    forward_to_deserialize_any! {
        bool i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map
        struct identifier ignored_any
    }
}

/// An enum written as one word.
struct Word<'a>(&'a str);

impl<'a, 'de> EnumAccess<'de> for Word<'a> {
    type Error = DeError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), DeError> {
        let variant = seed.deserialize(self.0.into_deserializer())?;
        Ok((variant, self))
    }
}

impl Word<'_> {
    fn needs_settings(&self) -> DeError {
        DeError::custom(commutator_plugins::problem::with_hint(
            format!("`{}` needs a value", self.0),
            format!("write `{}: ...`, with `{{}}` to take the defaults", self.0),
        ))
    }
}

impl<'de> VariantAccess<'de> for Word<'_> {
    type Error = DeError;

    fn unit_variant(self) -> Result<(), DeError> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, _: S) -> Result<S::Value, DeError> {
        Err(self.needs_settings())
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, DeError> {
        Err(self.needs_settings())
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, DeError> {
        Err(self.needs_settings())
    }
}

/// An enum written `name: value`.
struct Tagged<'a> {
    reader: Reader<'a>,
    entry: &'a Entry,
}

impl<'de> EnumAccess<'de> for Tagged<'_> {
    type Error = DeError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), DeError> {
        let name: serde::de::value::StrDeserializer<'_, DeError> =
            self.entry.key.as_str().into_deserializer();
        let variant = seed
            .deserialize(name)
            .map_err(|error| error.or_at(At::Key(self.entry.value)))?;
        Ok((variant, self))
    }
}

/// Hands a visitor to [`Reader::read`], which wants a seed.
struct Visit<V>(V, Shape);

impl<'de> VariantAccess<'de> for Tagged<'_> {
    type Error = DeError;

    fn unit_variant(self) -> Result<(), DeError> {
        let node = &self.reader.tree.nodes[self.entry.value];
        match &node.kind {
            Kind::Scalar {
                value: Scalar::Null,
                ..
            } => Ok(()),
            _ if node.status != Status::Live => Ok(()),
            _ => Err(DeError::custom(commutator_plugins::problem::with_hint(
                format!("`{}` takes no value", self.entry.key),
                format!("write just `{}`", self.entry.key),
            ))
            .or_at(At::Node(self.entry.value))),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, DeError> {
        self.reader.read(self.entry.value, seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, DeError> {
        self.reader
            .read(self.entry.value, Visit(visitor, Shape::Tuple(len)))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        self.reader
            .read(self.entry.value, Visit(visitor, Shape::Struct(fields)))
    }
}

enum Shape {
    Tuple(usize),
    Struct(&'static [&'static str]),
}

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for Visit<V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        match self.1 {
            Shape::Tuple(len) => deserializer.deserialize_tuple(len, self.0),
            Shape::Struct(fields) => deserializer.deserialize_struct("", fields, self.0),
        }
    }
}
