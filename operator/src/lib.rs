//! Makes a whole chat system of one ChatbotDeployment and keeps it alive.
//!
//! Every engine and workload is a [`component::Component`]; one [`controller`] per component takes
//! it through the same [`pipeline`]: dereference, validate, need, build, apply, observe, status.
//! The network is at the ends; what lies between is pure.

pub mod agent;
pub mod apply;
pub mod authority;
pub mod build;
pub mod child;
pub mod component;
pub mod components;
pub mod context;
pub mod controller;
pub mod database;
pub mod dereference;
pub mod documents;
pub mod engine;
pub mod facts;
pub mod http;
pub mod invalid;
pub mod kafka;
pub mod labels;
pub mod lease;
pub mod live;
pub mod mail;
pub mod metrics;
pub mod mysql;
pub mod names;
pub mod outcome;
pub mod pipeline;
pub mod rbac;
pub mod reason;
pub mod redis;
pub mod refusals;
pub mod reports;
pub mod rollout;
pub mod router;
pub mod run;
pub mod settings;
pub mod status;
pub mod stores;
pub mod summary;
#[cfg(test)]
mod testing;
pub mod watch;
