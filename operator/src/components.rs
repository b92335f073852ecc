//! The components, except MySQL as the operator runs it: a folder or file each.

pub mod external_mysql;
pub mod identity;
pub mod load_balancer;
pub mod mail_server;
pub mod migration;
pub mod workload;
