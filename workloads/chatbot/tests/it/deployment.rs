//! Deployments of this build's binary.

use std::sync::Arc;

use chatbot_testkit::deployment::{Deployment, Setup};
use chatbot_testkit::documents::Documents;
use chatbot_testkit::kafka::Kafka;

/// All workloads, and nothing that need not be there.
pub(crate) fn setup() -> Setup {
    Setup::of(env!("CARGO_BIN_EXE_chatbot").into())
}

pub(crate) async fn start() -> Deployment {
    started(setup()).await
}

/// One that tells events.
pub(crate) async fn start_with_kafka(kafka: Arc<Kafka>) -> Deployment {
    started(Setup {
        kafka: Some(kafka),
        ..setup()
    })
    .await
}

/// One that archives, with a Kafka or without one.
pub(crate) async fn start_with_documents(
    kafka: Option<Arc<Kafka>>,
    documents: Arc<Documents>,
) -> Deployment {
    started(Setup {
        kafka,
        documents: Some(documents),
        ..setup()
    })
    .await
}

/// One that sends mails to an SMTP server at this port.
pub(crate) async fn start_with_mail(port: u16) -> Deployment {
    started(Setup {
        mail: Some(port),
        ..setup()
    })
    .await
}

async fn started(setup: Setup) -> Deployment {
    Deployment::start(setup).await.unwrap()
}
