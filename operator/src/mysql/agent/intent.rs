//! Where the agent reads the bootstrap intent: the Kubernetes API, or a file where there is none.

use std::path::PathBuf;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};

use super::settings::Settings;
use super::{Error, io};
use crate::mysql::intent::Intent;

/// Where the intent stands.
#[derive(Clone)]
pub(super) enum Source {
    /// A ConfigMap.
    Cluster {
        api: Box<Api<ConfigMap>>,
        name: String,
    },
    /// A file.
    File(PathBuf),
}

impl Source {
    pub(super) fn new(settings: &Settings) -> Result<Self, Error> {
        match (&settings.intent, &settings.intent_file) {
            (Some(name), _) => {
                // By address, from the environment: the API server's name would need a resolver.
                let config = kube::Config::incluster_env().map_err(|_| Error::NoCluster)?;
                let client = Client::try_from(config).map_err(Error::kubernetes)?;
                Ok(Self::Cluster {
                    api: Box::new(Api::namespaced(client, &settings.namespace)),
                    name: name.clone(),
                })
            }
            (None, Some(path)) => Ok(Self::File(path.clone())),
            (None, None) => Err(Error::NoIntentSource),
        }
    }

    /// Reads it; `None` while there is none.
    pub(super) async fn read(&self) -> Result<Option<Intent>, Error> {
        match self {
            Self::Cluster { api, name } => {
                let found = api.get_opt(name).await.map_err(Error::kubernetes)?;
                found
                    .and_then(|object| object.data)
                    .map(|data| Intent::read(&data).map_err(Error::Intent))
                    .transpose()
            }
            Self::File(path) => match std::fs::read(path) {
                Ok(text) => serde_json::from_slice(&text)
                    .map(Some)
                    .map_err(|source| io("read the intent")(source.into())),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(io("read the intent")(error)),
            },
        }
    }
}
