//! Pure builders of Kubernetes objects that several components share: one file per kind.
//!
//! Nothing here reads the cluster. Callers give names and labels; namespace, common labels and
//! the owner are added when the object is applied.

pub mod account;
pub mod agent;
pub mod budget;
pub mod config;
pub mod deployment;
pub mod env;
pub mod network_policy;
pub mod pod;
pub mod service;
pub mod stateful_set;
