//! Makes up a value of whatever type is wanted, in place of one that is wrong or missing.
//!
//! What comes out is thrown away: it only lets `serde` go on, so that it finds the next mistake.

use commutator_plugins::secret;
use serde::{
    Deserializer,
    de::{
        DeserializeSeed, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
        Visitor,
    },
    forward_to_deserialize_any,
};

use super::message::DeError;

/// Texts to try: most types with a syntax of their own accept one of them.
const TEXTS: [&str; 5] = ["x", "1s", "1KiB", "127.0.0.1:1", "http://x.test/"];

/// How many levels there are to try.
pub(super) const LEVELS: u8 = TEXTS.len() as u8;

/// A recursive type whose first variant holds itself has no end.
const MAX_DEPTH: u8 = 8;

#[derive(Clone, Copy)]
pub(super) struct Hole {
    /// Which values to make up.
    level: u8,
    depth: u8,
}

impl Hole {
    pub(super) fn new(level: u8) -> Self {
        Self { level, depth: 0 }
    }

    fn deeper(self) -> Result<Self, DeError> {
        if self.depth >= MAX_DEPTH {
            return Err(DeError::custom("no value can be made up"));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }

    fn text(self) -> &'static str {
        TEXTS[usize::from(self.level) % TEXTS.len()]
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
            visitor.visit_u64(u64::from(self.level.is_multiple_of(2)))
        })*
    };
}

macro_rules! texts {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
            visitor.visit_str(self.text())
        })*
    };
}

impl<'de> Deserializer<'de> for Hole {
    type Error = DeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        visitor.visit_unit()
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        visitor.visit_bool(self.level % 2 == 1)
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        // Thresholds and shares lie between zero and one.
        visitor.visit_f64(if self.level.is_multiple_of(2) {
            0.5
        } else {
            1.0
        })
    }

    texts! { deserialize_char deserialize_str deserialize_string deserialize_identifier }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        visitor.visit_none()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        if name == secret::NEWTYPE {
            visitor.visit_bytes(self.text().as_bytes())
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        // Some lists must not be empty.
        let left = usize::from(self.level % 2 == 1);
        visitor.visit_seq(Repeat {
            hole: self.deeper()?,
            left,
        })
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        visitor.visit_seq(Repeat {
            hole: self.deeper()?,
            left: len,
        })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_struct("", &[], visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        // All fields, or at the last level none: then those with defaults take them.
        let fields = if self.level + 1 == LEVELS {
            &[]
        } else {
            fields
        };
        visitor.visit_map(Fields {
            hole: self.deeper()?,
            fields: fields.iter(),
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        let at = usize::from(self.level).min(variants.len().saturating_sub(1));
        let name = variants.get(at).copied().unwrap_or_default();
        visitor.visit_enum(Variant {
            hole: self.deeper()?,
            name,
        })
    }

    forward_to_deserialize_any! { bytes byte_buf unit unit_struct ignored_any }
}

struct Repeat {
    hole: Hole,
    left: usize,
}

impl<'de> SeqAccess<'de> for Repeat {
    type Error = DeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DeError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(self.hole).map(Some)
    }
}

struct Fields {
    hole: Hole,
    fields: std::slice::Iter<'static, &'static str>,
}

impl<'de> MapAccess<'de> for Fields {
    type Error = DeError;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DeError> {
        match self.fields.next() {
            Some(name) => seed.deserialize((*name).into_deserializer()).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, DeError> {
        seed.deserialize(self.hole)
    }
}

struct Variant {
    hole: Hole,
    name: &'static str,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = DeError;
    type Variant = Hole;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Hole), DeError> {
        let name: serde::de::value::StrDeserializer<'_, DeError> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self.hole))
    }
}

impl<'de> VariantAccess<'de> for Hole {
    type Error = DeError;

    fn unit_variant(self) -> Result<(), DeError> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, DeError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        self.deserialize_struct("", fields, visitor)
    }
}
