//! The cluster under test, and what the environment says about it.

use std::path::PathBuf;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};

use crate::{Error, Result};

/// Namespace and Helm release of the operator.
pub const OPERATOR_NAMESPACE: &str = "chatbot-system";
/// Name of the operator's Helm release, its Deployment and its Lease.
pub const OPERATOR: &str = "chatbot-operator";

/// The cluster under test.
#[derive(Clone)]
pub struct Cluster {
    /// The API server.
    pub client: Client,
    /// What the environment says.
    pub settings: Settings,
}

/// What the environment says.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `CHATBOT_E2E_IMAGE`: image of the workloads.
    pub image: String,
    /// `CHATBOT_E2E_NEXT_IMAGE`: image that an update rolls to.
    pub next_image: String,
    /// `CHATBOT_E2E_MODEL_IMAGE`: image of the stand-in for Groq.
    pub model_image: String,
    /// `CHATBOT_E2E_HOST`: address of this machine that pods reach.
    pub host: String,
    /// `CHATBOT_STATE`: folder of a cluster from packages, with a folder for each node.
    pub state: PathBuf,
    /// `NEXTEST_RUN_ID`, shortened: what tests of one run share is named after it.
    pub run: String,
}

impl Settings {
    /// Reads the environment.
    #[must_use]
    pub fn from_environment() -> Self {
        let or = |name: &str, default: &str| {
            std::env::var(name)
                .ok()
                .filter(|value| !value.is_empty())
                .unwrap_or_else(|| default.to_owned())
        };
        Self {
            image: or("CHATBOT_E2E_IMAGE", "chatbot:dev"),
            next_image: or("CHATBOT_E2E_NEXT_IMAGE", "chatbot:dev-next"),
            model_image: or("CHATBOT_E2E_MODEL_IMAGE", "groq-mock:dev"),
            host: or("CHATBOT_E2E_HOST", "198.18.0.1"),
            state: PathBuf::from(or("CHATBOT_STATE", "/var/lib/chatbot-dev")),
            run: or("NEXTEST_RUN_ID", &std::process::id().to_string())
                .chars()
                .take(8)
                .collect(),
        }
    }
}

impl Cluster {
    /// Connects to the cluster of `KUBECONFIG`, or of `make cluster`, and sees that the operator is there.
    ///
    /// # Errors
    /// There is no cluster, or no operator in it.
    pub async fn connect() -> Result<Self> {
        // Another test of the same process may have installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let settings = Settings::from_environment();
        let made = settings.state.join("kubeconfig");
        let config = if std::env::var_os("KUBECONFIG").is_none() && made.exists() {
            let file = Kubeconfig::read_from(made).map_err(no_cluster)?;
            Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
                .await
                .map_err(no_cluster)?
        } else {
            Config::infer().await.map_err(no_cluster)?
        };
        let client = Client::try_from(config).map_err(no_cluster)?;
        let cluster = Self { client, settings };
        let operator: Api<Deployment> = Api::namespaced(cluster.client.clone(), OPERATOR_NAMESPACE);
        match operator.get_opt(OPERATOR).await.map_err(no_cluster)? {
            Some(_) => Ok(cluster),
            None => Err(Error::Setup(format!(
                "the operator is not installed: there is no Deployment {OPERATOR} in namespace {OPERATOR_NAMESPACE}; run `make deploy`"
            ))),
        }
    }

    /// An address of a node that is reached from here.
    ///
    /// # Errors
    /// No node has one.
    pub async fn node_address(&self) -> Result<String> {
        let nodes: Api<Node> = Api::all(self.client.clone());
        let nodes = nodes
            .list(&ListParams::default())
            .await
            .map_err(Error::kubernetes("list the nodes"))?;
        nodes
            .items
            .into_iter()
            .filter_map(|node| node.status?.addresses)
            .flatten()
            .find(|address| address.type_ == "InternalIP")
            .map(|address| address.address)
            .ok_or_else(|| Error::Setup("no node has an InternalIP".to_owned()))
    }
}

fn no_cluster(error: impl std::error::Error) -> Error {
    Error::Setup(format!(
        "there is no cluster: {}; run `make up`, or set KUBECONFIG",
        crate::error::chain(&error)
    ))
}
