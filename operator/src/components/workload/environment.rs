//! The settings of a workload: environment variables, and secrets as files.

use std::collections::BTreeMap;

use chatbot_contract::{Workload, environment as names_of, identity, mysql};
use chatbot_crds::{
    GatewaySpec, LlmSpec, Provider, RateLimitSpec, Registration, UserSpec, WebhooksSpec,
};
use ipnet::IpNet;
use k8s_openapi::api::core::v1::EnvVar;
use sha2::{Digest, Sha256};

use super::{SecretFile, uses_kafka};
use crate::apply::hex;
use crate::authority::Authority;
use crate::database::{self, Database};
use crate::documents::connection::Connection as Documents;
use crate::engine::Account;
use crate::facts::Facts;
use crate::kafka::connection::Connection as Kafka;
use crate::mail::Mail;
use crate::names;
use crate::reason::{Problem, Reason};
use crate::redis::connection::Connection;

/// The settings of a workload.
pub(super) struct Environment {
    pub(super) variables: Vec<EnvVar>,
    pub(super) secrets: Vec<SecretFile>,
    /// Changes with the contents of the secrets; the variables are in the pod anyway.
    pub(super) config_hash: String,
}

#[derive(Default)]
struct Builder {
    variables: BTreeMap<&'static str, String>,
    secrets: Vec<SecretFile>,
    hash: Sha256,
}

/// Makes the settings of a workload.
pub(super) fn environment(facts: &Facts, workload: Workload) -> Result<Environment, Problem> {
    let mut builder = Builder::default();
    builder.set(names_of::PUBLIC_URL, public_url(facts));
    builder.identity(facts, names_of::INTERNAL_KEY_FILE, identity::INTERNAL_KEY)?;
    redis(facts, &mut builder)?;
    match workload {
        Workload::Gateway => {
            for (variable, peer) in [
                (names_of::USER_URL, Workload::User),
                (names_of::CHAT_URL, Workload::Chat),
                (names_of::STORAGE_URL, Workload::Storage),
            ] {
                builder.set(variable, url(facts, peer));
            }
            gateway(&facts.spec.gateway, &mut builder);
            let keeps = facts.spec.documents.none.is_none() && facts.spec.kafka.none.is_none();
            builder.set(names_of::LOG_REQUESTS, keeps.to_string());
        }
        Workload::Chat => {
            builder.set(names_of::STORAGE_URL, url(facts, Workload::Storage));
            llm(facts, &mut builder)?;
        }
        Workload::User => {
            builder.identity(facts, names_of::SIGNING_KEYS_FILE, identity::SIGNING_KEYS)?;
            let database = Database::of(facts)?;
            builder.set(names_of::MYSQL_SCHEMA, database.users_schema.clone());
            mysql(facts, &mut builder, database, mysql::USER_ACCOUNT)?;
            user(&facts.spec.user, &mut builder)?;
            mail(facts, &mut builder)?;
        }
        Workload::Storage => {
            builder.identity(facts, names_of::KEY_RING_FILE, identity::KEY_RING)?;
            let database = Database::of(facts)?;
            builder.set(
                names_of::MYSQL_SCHEMA,
                database.conversations_schema.clone(),
            );
            mysql(facts, &mut builder, database, mysql::STORAGE_ACCOUNT)?;
            documents(facts, &mut builder)?;
            if let Some(spec) = &facts.spec.webhooks {
                webhooks(spec, &mut builder)?;
            }
        }
    }
    if uses_kafka(workload) {
        kafka(facts, &mut builder)?;
    }
    Ok(builder.finish())
}

/// Nothing where there is none: no variable is the sign of it.
fn documents(facts: &Facts, builder: &mut Builder) -> Result<(), Problem> {
    let Some(Documents {
        hosts,
        replica_set,
        database,
        tls,
        authority,
        retention_days,
        request_retention_days,
        account,
    }) = Documents::of(facts)?
    else {
        return Ok(());
    };
    builder.set(names_of::DOCUMENTS_HOSTS, hosts);
    if let Some(name) = replica_set {
        builder.set(names_of::DOCUMENTS_REPLICA_SET, name);
    }
    builder.set(names_of::DOCUMENTS_DATABASE, database);
    builder.set(names_of::DOCUMENTS_TLS, tls.to_string());
    builder.authority(names_of::DOCUMENTS_CA_FILE, authority);
    if let Some(days) = retention_days {
        builder.set(names_of::DOCUMENTS_RETENTION_DAYS, days.to_string());
    }
    if let Some(days) = request_retention_days {
        builder.set(names_of::DOCUMENTS_REQUEST_RETENTION_DAYS, days.to_string());
    }
    let password = names_of::DOCUMENTS_PASSWORD_FILE;
    builder.account(names_of::DOCUMENTS_USER, password, account);
    Ok(())
}

/// Nothing where the spec names none: no variable is the sign of it.
fn kafka(facts: &Facts, builder: &mut Builder) -> Result<(), Problem> {
    let Some(Kafka {
        servers,
        mechanism,
        tls,
        authority,
        topic_prefix,
        account,
    }) = Kafka::of(facts)?
    else {
        return Ok(());
    };
    builder.set(names_of::KAFKA_BOOTSTRAP_SERVERS, servers);
    builder.set(names_of::KAFKA_MECHANISM, mechanism.to_owned());
    builder.set(names_of::KAFKA_TLS, tls.to_string());
    builder.authority(names_of::KAFKA_CA_FILE, authority);
    builder.set(names_of::KAFKA_TOPIC_PREFIX, topic_prefix);
    builder.account(names_of::KAFKA_USER, names_of::KAFKA_PASSWORD_FILE, account);
    Ok(())
}

/// The URL under which users come, as tokens name it: it must not change with the nodes or the
/// number of pods, so without a host name it is the one inside the cluster.
fn public_url(facts: &Facts) -> String {
    let load_balancer = &facts.spec.load_balancer;
    let scheme = if load_balancer.tls.is_some() {
        "https"
    } else {
        "http"
    };
    load_balancer.host.as_ref().map_or_else(
        || {
            let service = names::of(&facts.name, names::LOAD_BALANCER);
            format!("{scheme}://{service}.{}.svc", facts.namespace)
        },
        |host| format!("{scheme}://{host}"),
    )
}

fn url(facts: &Facts, workload: Workload) -> String {
    names::workload_url(&facts.name, &facts.namespace, workload)
}

/// The way to MySQL; each workload has a schema and an account of its own.
fn mysql(
    facts: &Facts,
    builder: &mut Builder,
    database: Database,
    account: &str,
) -> Result<(), Problem> {
    let Database {
        hosts,
        topology,
        tls,
        authority,
        users_schema: _,
        conversations_schema: _,
    } = database;
    builder.set(names_of::MYSQL_HOSTS, hosts.join(","));
    builder.set(names_of::MYSQL_TOPOLOGY, topology.to_owned());
    builder.set(names_of::MYSQL_TLS, tls.to_owned());
    builder.authority(names_of::MYSQL_CA_FILE, authority);
    builder.account(
        names_of::MYSQL_USER,
        names_of::MYSQL_PASSWORD_FILE,
        database::account(facts, account)?,
    );
    Ok(())
}

fn llm(facts: &Facts, builder: &mut Builder) -> Result<(), Problem> {
    let LlmSpec {
        provider,
        base_url,
        model,
        fallback_models,
        api_key,
        system_prompt,
        temperature,
        max_completion_tokens,
    } = &facts.spec.llm;
    let provider = match provider {
        Provider::Groq => "groq",
        Provider::OpenAiCompatible => "openai-compatible",
        Provider::Echo => "echo",
    };
    builder.set(names_of::LLM_PROVIDER, provider.to_owned());
    builder.set_if(names_of::LLM_BASE_URL, base_url.clone());
    builder.set_if(names_of::LLM_MODEL, model.clone());
    builder.set_if(names_of::LLM_SYSTEM_PROMPT, system_prompt.clone());
    builder.set_if(
        names_of::LLM_TEMPERATURE,
        temperature.map(|value| value.to_string()),
    );
    builder.set_if(
        names_of::LLM_MAX_COMPLETION_TOKENS,
        max_completion_tokens.map(|value| value.to_string()),
    );
    if !fallback_models.is_empty() {
        builder.set(names_of::LLM_FALLBACK_MODELS, fallback_models.join(","));
    }
    if let Some(reference) = api_key {
        let value = facts.secret_value(reference, "llm.apiKey")?;
        builder.secret(
            names_of::LLM_API_KEY_FILE,
            reference.name.clone(),
            reference.key.clone(),
            value,
        );
    }
    Ok(())
}

fn gateway(spec: &GatewaySpec, builder: &mut Builder) {
    let GatewaySpec {
        workload: _,
        cors_origins,
        rate_limit,
    } = spec;
    if !cors_origins.is_empty() {
        builder.set(names_of::CORS_ORIGINS, cors_origins.join(","));
    }
    // Nginx replaces the header with the address it sees.
    builder.set(names_of::TRUST_FORWARDED_FOR, true.to_string());
    let RateLimitSpec {
        requests_per_minute,
        burst,
        tokens_per_day,
    } = rate_limit;
    builder.set(
        names_of::RATE_LIMIT_REQUESTS_PER_MINUTE,
        requests_per_minute.to_string(),
    );
    builder.set_if(
        names_of::RATE_LIMIT_BURST,
        burst.map(|value| value.to_string()),
    );
    builder.set_if(
        names_of::RATE_LIMIT_TOKENS_PER_DAY,
        tokens_per_day.map(|value| value.to_string()),
    );
}

fn user(spec: &UserSpec, builder: &mut Builder) -> Result<(), Problem> {
    let UserSpec {
        workload: _,
        registration,
        access_token_ttl,
        refresh_token_ttl,
    } = spec;
    let registration = match registration {
        Registration::Open => "open",
        Registration::Closed => "closed",
    };
    builder.set(names_of::REGISTRATION, registration.to_owned());
    for (variable, field, text) in [
        (
            names_of::ACCESS_TOKEN_TTL_SECONDS,
            "user.accessTokenTtl",
            access_token_ttl,
        ),
        (
            names_of::REFRESH_TOKEN_TTL_SECONDS,
            "user.refreshTokenTtl",
            refresh_token_ttl,
        ),
    ] {
        builder.set(variable, seconds(field, text)?.to_string());
    }
    Ok(())
}

fn webhooks(spec: &WebhooksSpec, builder: &mut Builder) -> Result<(), Problem> {
    let WebhooksSpec {
        allowed_networks,
        allow_http,
    } = spec;
    let mut networks = Vec::with_capacity(allowed_networks.len());
    for text in allowed_networks {
        let network: IpNet = text.parse().map_err(|_| {
            let message = format!(
                "webhooks.allowedNetworks has {text}, which is no network such as 10.20.0.0/16"
            );
            Problem::new(Reason::InvalidSpec, message)
        })?;
        networks.push(network.to_string());
    }
    if !networks.is_empty() {
        builder.set(names_of::WEBHOOKS_ALLOWED_NETWORKS, networks.join(","));
    }
    builder.set(names_of::WEBHOOKS_ALLOW_HTTP, allow_http.to_string());
    Ok(())
}

/// Nothing where the spec names none: no variable is the sign of it.
fn mail(facts: &Facts, builder: &mut Builder) -> Result<(), Problem> {
    let Some(Mail {
        host,
        port,
        tls,
        authority,
        from,
        account,
    }) = Mail::of(facts)?
    else {
        return Ok(());
    };
    builder.set(names_of::MAIL_HOST, host);
    builder.set_if(names_of::MAIL_PORT, port.map(|port| port.to_string()));
    builder.set(names_of::MAIL_TLS, tls.to_owned());
    builder.authority(names_of::MAIL_CA_FILE, authority);
    builder.set(names_of::MAIL_FROM, from);
    if let Some(account) = account {
        builder.account(names_of::MAIL_USER, names_of::MAIL_PASSWORD_FILE, account);
    }
    Ok(())
}

fn redis(facts: &Facts, builder: &mut Builder) -> Result<(), Problem> {
    let Some(connection) = Connection::of(facts)? else {
        return Ok(());
    };
    let Connection {
        hosts,
        topology,
        tls,
        authority,
        account,
    } = connection;
    builder.set(names_of::REDIS_HOSTS, hosts.join(","));
    builder.set(names_of::REDIS_TOPOLOGY, topology.to_owned());
    builder.set(names_of::REDIS_TLS, tls.to_string());
    builder.authority(names_of::REDIS_CA_FILE, authority);
    builder.account(names_of::REDIS_USER, names_of::REDIS_PASSWORD_FILE, account);
    Ok(())
}

/// Seconds of a duration such as `1h30m`, whose form the schema has checked.
fn seconds(field: &str, text: &str) -> Result<u64, Problem> {
    let mut total: u64 = 0;
    let mut number: u64 = 0;
    for character in text.chars() {
        let unit = match character {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            _ => {
                let digit = character.to_digit(10).map(u64::from);
                let next = digit.and_then(|digit| number.checked_mul(10)?.checked_add(digit));
                number = next.ok_or_else(|| not_a_duration(field, text))?;
                continue;
            }
        };
        let part = number.checked_mul(unit);
        total = part
            .and_then(|part| total.checked_add(part))
            .ok_or_else(|| not_a_duration(field, text))?;
        number = 0;
    }
    Ok(total)
}

fn not_a_duration(field: &str, text: &str) -> Problem {
    Problem::new(
        Reason::InvalidSpec,
        format!("{field} is {text}, which is not a duration such as 15m"),
    )
}

impl Builder {
    fn set(&mut self, variable: &'static str, value: String) {
        self.variables.insert(variable, value);
    }

    fn set_if(&mut self, variable: &'static str, value: Option<String>) {
        if let Some(value) = value {
            self.set(variable, value);
        }
    }

    fn identity(
        &mut self,
        facts: &Facts,
        variable: &'static str,
        key: &str,
    ) -> Result<(), Problem> {
        let value = facts.identity()?.text(key)?.as_bytes().to_owned();
        self.secret(
            variable,
            names::identity(&facts.name),
            key.to_owned(),
            &value,
        );
        Ok(())
    }

    /// An account of an engine: its name, and the file with its password.
    fn account(&mut self, user: &'static str, password: &'static str, account: Account) {
        self.set(user, account.user);
        self.secret(password, account.secret, account.key, &account.password);
    }

    /// The file with a server's certificate authority, where the spec names one.
    fn authority(&mut self, file: &'static str, authority: Option<Authority>) {
        if let Some(Authority { secret, key, pem }) = authority {
            self.secret(file, secret, key, &pem);
        }
    }

    fn secret(&mut self, variable: &'static str, secret: String, key: String, value: &[u8]) {
        // With their lengths, so that two values cannot be mistaken for two others.
        self.hash.update(variable.as_bytes());
        self.hash.update(value.len().to_be_bytes());
        self.hash.update(value);
        self.secrets.push(SecretFile {
            variable,
            secret,
            key,
        });
    }

    fn finish(self) -> Environment {
        Environment {
            variables: self
                .variables
                .into_iter()
                .map(|(name, value)| EnvVar {
                    name: name.to_owned(),
                    value: Some(value),
                    value_from: None,
                })
                .collect(),
            secrets: self.secrets,
            config_hash: hex(&self.hash.finalize()[..8]),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn durations_are_seconds() {
        assert_eq!(seconds("x", "15m").unwrap(), 900);
        assert_eq!(seconds("x", "1h30m5s").unwrap(), 5405);
        assert!(seconds("x", "99999999999999999999h").is_err());
    }
}
