//! The stand-in for Groq, as pods of a test's namespace.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use serde_json::{Value, json};

use crate::{Result, TestNamespace, wait};

/// Name of its Deployment and Service.
const NAME: &str = "groq-mock";
/// Its port.
const PORT: u16 = 8080;
/// The one model that the tests use.
pub const MODEL: &str = "llama-3.3-70b-versatile";
/// Starts the stand-in, which accepts this key only, or any without one, and returns the `llm` part
/// of a spec that uses it.
///
/// # Errors
/// It does not start.
pub async fn start(namespace: &TestNamespace, api_key: Option<&str>) -> Result<Value> {
    let labels = json!({"app": NAME});
    let key: Vec<Value> = api_key
        .iter()
        .map(|key| json!({"name": "GROQ_MOCK_API_KEY", "value": key}))
        .collect();
    namespace
        .apply::<Deployment>(
            NAME,
            json!({"spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "automountServiceAccountToken": false,
                        "securityContext": {
                            "runAsNonRoot": true,
                            "runAsUser": 65532,
                            "seccompProfile": {"type": "RuntimeDefault"},
                        },
                        "containers": [{
                            "name": NAME,
                            "image": namespace.cluster.settings.model_image,
                            "imagePullPolicy": "IfNotPresent",
                            "env": key,
                            "ports": [{"containerPort": PORT}],
                            "readinessProbe": {
                                "httpGet": {"path": "/livez", "port": PORT},
                                "periodSeconds": 1,
                            },
                            "resources": {
                                "requests": {"cpu": "10m", "memory": "16Mi"},
                                "limits": {"cpu": "1", "memory": "64Mi"},
                            },
                            "securityContext": {
                                "allowPrivilegeEscalation": false,
                                "capabilities": {"drop": ["ALL"]},
                            },
                        }],
                    },
                },
            }}),
        )
        .await?;
    namespace
        .apply::<Service>(
            NAME,
            json!({"spec": {"selector": labels, "ports": [{"port": PORT, "targetPort": PORT}]}}),
        )
        .await?;
    let deployments: Api<Deployment> = namespace.api();
    wait::until(
        deployments,
        NAME,
        "the stand-in for Groq",
        wait::SHORT,
        |deployment| {
            let ready =
                deployment.and_then(|deployment| deployment.status.as_ref()?.ready_replicas);
            match ready {
                Some(1..) => Ok(()),
                other => Err(format!("{other:?} ready pods")),
            }
        },
    )
    .await?;
    Ok(json!({
        "provider": "OpenAICompatible",
        "baseUrl": format!("http://{NAME}.{}.svc:{PORT}/openai/v1", namespace.name),
        "model": MODEL,
    }))
}
