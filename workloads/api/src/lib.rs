//! The interfaces between the workloads, and to their users: requests, responses, events.
//!
//! Types that end with `In` come from a caller and hold nothing that was checked yet; types that
//! end with `Out` go to one. A public type is also what the workload behind the gateway answers,
//! so that the gateway passes bodies on without reading them.

pub mod accounts;
pub mod conversations;
pub mod error;
pub mod events;
pub mod internal;
mod query;
pub mod turns;
pub mod usage;
pub mod webhooks;

/// Header with the caller's key for a mutating request (draft-ietf-httpapi-idempotency-key-header-07).
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Header with the id of the last event of a stream that was seen (WHATWG HTML section 9.2.4).
pub const LAST_EVENT_ID: &str = "last-event-id";

/// Header with the id of a request, made by the gateway where the caller gave none.
pub const REQUEST_ID: &str = "x-request-id";
