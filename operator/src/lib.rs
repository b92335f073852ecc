//! Makes a whole chat system of one ChatbotDeployment and keeps it alive.
//!
//! Every engine and workload is a [`component::Component`]; one [`controller`] per component runs
//! the same pipeline: dereference, validate, build, apply, observe, status.

pub mod child;
pub mod component;
pub mod context;
pub mod facts;
pub mod labels;
pub mod live;
pub mod names;
pub mod reason;
pub mod settings;
