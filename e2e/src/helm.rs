//! Helm, as a person uses it.

use std::path::PathBuf;

use serde_json::Value;

use crate::cluster::{OPERATOR, OPERATOR_NAMESPACE};
use crate::{Cluster, Error, Result, command};

/// A Helm release.
pub struct Release<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Folder of its chart, below `charts/`.
    pub chart: &'a str,
    kubeconfig: String,
}

impl<'a> Release<'a> {
    /// A release that may exist or not.
    #[must_use]
    pub fn new(cluster: &Cluster, name: &'a str, namespace: &'a str, chart: &'a str) -> Self {
        let kubeconfig = std::env::var("KUBECONFIG").unwrap_or_else(|_| {
            cluster
                .settings
                .state
                .join("kubeconfig")
                .display()
                .to_string()
        });
        Self {
            name,
            namespace,
            chart,
            kubeconfig,
        }
    }

    /// The operator's release.
    #[must_use]
    pub fn operator(cluster: &Cluster) -> Self {
        Self::new(cluster, OPERATOR, OPERATOR_NAMESPACE, "chatbot-operator")
    }

    /// Installs it, or brings it to these values alone, and waits until its pods are ready.
    ///
    /// # Errors
    /// Helm fails.
    pub async fn apply(&self, values: &Value) -> Result<String> {
        let chart = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../charts")
            .join(self.chart);
        let chart = chart.to_string_lossy();
        let arguments = [
            "upgrade",
            "--install",
            self.name,
            &chart,
            "--reset-values",
            "--wait",
            "--timeout",
            "180s",
            "--values",
            "-",
        ];
        self.helm(&arguments, &values.to_string()).await
    }

    /// The values that it was given.
    ///
    /// # Errors
    /// Helm fails.
    pub async fn values(&self) -> Result<Value> {
        let text = self
            .helm(&["get", "values", self.name, "-o", "json"], "")
            .await?;
        serde_json::from_str(&text)
            .map_err(|error| Error::Wrong(format!("helm printed no JSON: {error}: {text}")))
    }

    /// Uninstalls it and waits until what it made is gone.
    ///
    /// # Errors
    /// Helm fails.
    pub async fn uninstall(&self) -> Result<String> {
        self.helm(&["uninstall", self.name, "--wait", "--timeout", "120s"], "")
            .await
    }

    async fn helm(&self, arguments: &[&str], input: &str) -> Result<String> {
        let place = [
            "--namespace",
            self.namespace,
            "--kubeconfig",
            &self.kubeconfig,
        ];
        let arguments: Vec<&str> = arguments.iter().copied().chain(place).collect();
        command::run_with_input("helm", &arguments, input).await
    }
}
