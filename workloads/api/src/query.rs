//! Parameters of queries: a parser's own words tell nobody what to write.

use std::str::FromStr;

use jiff::civil::Date;
use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer};

/// A day (RFC 3339 `full-date`).
pub(crate) fn day<'de, D: Deserializer<'de>>(text: D) -> Result<Option<Date>, D::Error> {
    read(text, "is no day: write it as 2026-11-01")
}

/// A number that is not negative.
pub(crate) fn number<'de, D: Deserializer<'de>>(text: D) -> Result<Option<u32>, D::Error> {
    read(text, "is no number: write it as 50")
}

fn read<'de, D: Deserializer<'de>, T: FromStr>(
    text: D,
    problem: &str,
) -> Result<Option<T>, D::Error> {
    let text = String::deserialize(text)?;
    let wrong = |_| D::Error::custom(format_args!("`{text}` {problem}"));
    text.parse().map(Some).map_err(wrong)
}
