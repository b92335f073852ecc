//! Brings what the gateway tells of requests into the document store.

use chatbot_contract::requests::Request;
use chatbot_runtime::events::Handler;

use crate::documents::{Documents, Error, Retention};

/// Writes requests, each with its own id, so that what is told again changes nothing.
pub struct Requests<D> {
    /// Where they are kept.
    pub documents: D,
    /// How long they are kept.
    pub retention: Retention,
}

impl<D: Documents> Handler for Requests<D> {
    type Item = Request;
    type Error = Error;

    async fn handle(&self, requests: &[Request]) -> Result<(), Error> {
        self.documents.note(requests, self.retention).await
    }
}
