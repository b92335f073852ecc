//! What a user has been answered.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::query;

/// Which days.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct UsageIn {
    /// First day in UTC, `2026-11-01`; 29 days before `to` when absent.
    #[serde(
        default,
        deserialize_with = "query::day",
        skip_serializing_if = "Option::is_none"
    )]
    #[param(value_type = Option<String>, format = Date)]
    pub from: Option<Date>,
    /// Last day in UTC, included, at most 366 days after `from`; today when absent.
    #[serde(
        default,
        deserialize_with = "query::day",
        skip_serializing_if = "Option::is_none"
    )]
    #[param(value_type = Option<String>, format = Date)]
    pub to: Option<Date>,
}

/// What the user was answered in a span of days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageOut {
    /// First day.
    #[schema(value_type = String, format = Date)]
    pub from: Date,
    /// Last day, included.
    #[schema(value_type = String, format = Date)]
    pub to: Date,
    /// One entry for each day and model with an answer, in order of day and model.
    pub data: Vec<DayUsageOut>,
}

/// What the user was answered on one day by one model. An answer counts some seconds after it was stored, and
/// no longer when its conversation is deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DayUsageOut {
    /// Day in UTC.
    #[schema(value_type = String, format = Date)]
    pub day: Date,
    /// Model that wrote the answers.
    pub model: String,
    /// Answered turns.
    pub turns: u64,
    /// Tokens of prompts, of turns for which the model API told them.
    pub prompt_tokens: u64,
    /// Tokens of answers, of turns for which the model API told them.
    pub completion_tokens: u64,
}
