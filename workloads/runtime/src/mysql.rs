//! The way to MySQL: finds the server that takes writes, and runs units of work until they are done.
//!
//! A [`Database`] belongs to one schema. With [`Topology::Group`] it asks the servers themselves
//! who is primary and believes only a server that says so of itself; with
//! [`Topology::Single`] the first host is the server. It keeps one pool, for that server, and drops
//! it as soon as the server refuses a write, loses a connection, or is no longer the primary.
//!
//! A unit of work is one transaction, given as a closure, and is tried again *as a whole* until
//! [`Config::deadline`] while errors come that another attempt can cure ([`Category::is_transient`]).
//! When a connection breaks during the commit nobody knows whether the transaction was kept.
//! Trying again is still right, because every unit that changes something writes (or checks) a row
//! that belongs to the request — its idempotency key, its attempt number — inside the same
//! transaction: an attempt after a commit that did happen finds that row and changes nothing more.
//! What only reads is tried again in the same way, and needs no transaction ([`Database::read`]).
//!
//! Sessions run at READ COMMITTED. Units order themselves by locking the row they are about
//! (`… FOR UPDATE`), and what they read after that must be what the previous owner of the lock
//! committed; at REPEATABLE READ it would be a snapshot that may be older than the lock. It also
//! takes no gap locks, which group replication does not know, and which make needless deadlocks.
//!
//! In a group, `group_replication_consistency = BEFORE_ON_PRIMARY_FAILOVER`: a new primary answers
//! only after it has applied everything that was acknowledged before, so nothing read is stale.

mod config;
mod database;
mod error;
mod migrate;
mod primary;
mod watch;

pub use config::{Config, Tls, Topology};
pub use database::{Abort, Database, Done, Tx};
pub use error::{Category, Error};
pub use migrate::migrate;
