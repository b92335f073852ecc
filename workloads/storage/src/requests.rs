//! Brings what the gateway tells of requests into the document store.

use chatbot_contract::requests::Request;
use chatbot_runtime::events::Handler;

use crate::documents::{Documents, Error, Retention};

/// What is handled at once: a command to the document store takes so many.
const PAGE: usize = 500;

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
        for requests in requests.chunks(PAGE) {
            self.documents.note(requests, self.retention).await?;
        }
        Ok(())
    }
}
