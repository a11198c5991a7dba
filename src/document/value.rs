//! From TOML values to the types of the core.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::DeValue;

/// A type that a TOML value can be turned into.
pub trait FromValue: Sized {
    /// The value, or what was expected instead, in words.
    fn from_value(value: &DeValue<'_>) -> Result<Self, String>;
}

/// A type that is written as a string in TOML.
pub trait FromText: Sized {
    /// The value, or what is wrong with the text.
    fn from_text(text: &str) -> Result<Self, String>;
}

impl<T: FromText> FromValue for T {
    fn from_value(value: &DeValue<'_>) -> Result<Self, String> {
        match value.as_str() {
            Some(text) => T::from_text(text),
            None => Err(expected("a string", value)),
        }
    }
}

impl FromText for String {
    fn from_text(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("this must not be empty".to_owned());
        }
        if text.chars().any(char::is_control) {
            return Err("this must be one line without control characters".to_owned());
        }
        Ok(text.to_owned())
    }
}

/// Types whose own parser says well enough what is wrong.
macro_rules! from_str {
    ($($type:ty),* $(,)?) => {$(
        impl FromText for $type {
            fn from_text(text: &str) -> Result<Self, String> {
                text.parse().map_err(|error: <$type as std::str::FromStr>::Err| error.to_string())
            }
        }
    )*};
}

from_str!(
    crate::base::ClusterName,
    crate::base::NodeName,
    crate::base::Architecture,
    crate::base::Sha256,
    crate::base::NodePath,
    crate::base::Numbers,
);

impl FromText for ipnet::IpNet {
    fn from_text(text: &str) -> Result<Self, String> {
        let wrong =
            |_| format!("`{text}` is not an address with a prefix such as 192.168.60.11/24");
        text.parse().map_err(wrong)
    }
}

impl FromText for std::net::IpAddr {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| format!("`{text}` is not an IP address"))
    }
}

impl FromText for crate::base::Role {
    fn from_text(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| {
                format!("`{text}` is not a role; the roles are `etcd`, `postgres`, `proxy`")
            })
    }
}

impl FromText for crate::seed::identity::DeliverySource {
    fn from_text(text: &str) -> Result<Self, String> {
        Self::try_from(text.to_owned()).map_err(|error| error.to_string())
    }
}

macro_rules! from_integer {
    ($($type:ty),*) => {$(
        impl FromValue for $type {
            fn from_value(value: &DeValue<'_>) -> Result<Self, String> {
                let digits = value
                    .as_integer()
                    .ok_or_else(|| expected("a whole number", value))?;
                <$type>::from_str_radix(digits.as_str(), digits.radix())
                    .map_err(|_| format!("expected a whole number from {} to {}", <$type>::MIN, <$type>::MAX))
            }
        }
    )*};
}

from_integer!(u8, u16, u32);

impl FromValue for bool {
    fn from_value(value: &DeValue<'_>) -> Result<Self, String> {
        value
            .as_bool()
            .ok_or_else(|| expected("true or false", value))
    }
}

impl<T: FromValue> FromValue for Vec<T> {
    fn from_value(value: &DeValue<'_>) -> Result<Self, String> {
        let items = value.as_array().ok_or_else(|| expected("a list", value))?;
        items
            .iter()
            .map(|item| T::from_value(item.get_ref()))
            .collect()
    }
}

/// A PostgreSQL parameter's value: text, number or truth, kept as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar(pub String);

impl FromValue for Scalar {
    fn from_value(value: &DeValue<'_>) -> Result<Self, String> {
        match value {
            DeValue::String(text) if !text.chars().any(char::is_control) => {
                Ok(Self(text.to_string()))
            }
            DeValue::Integer(number) if number.radix() == 10 => Ok(Self(number.to_string())),
            DeValue::Float(number) => Ok(Self(number.to_string())),
            DeValue::Boolean(truth) => Ok(Self(if *truth { "on" } else { "off" }.to_owned())),
            other => Err(expected("a string, a number or true/false", other)),
        }
    }
}

/// A table of plain texts, each with its place.
pub type Texts = BTreeMap<String, Spanned<Scalar>>;

/// "expected X, found Y".
pub fn expected(what: &str, found: &DeValue<'_>) -> String {
    let found = match found {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    format!("expected {what}, found {found}")
}
