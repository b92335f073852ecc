//! The agent's way to its own server: the few questions of Kafka's protocol that it needs.
//!
//! Each start of one of Kafka's own tools costs more than a second of processor time, and these questions are
//! asked all the time. Messages and versions are those of <https://kafka.apache.org/protocol>.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::alter_user_scram_credentials_request::ScramCredentialUpsertion;
use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use kafka_protocol::messages::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, ApiKey, CreateAclsRequest,
    CreateAclsResponse, DescribeQuorumRequest, DescribeQuorumResponse, MetadataRequest,
    MetadataResponse, RequestHeader, ResponseHeader, SaslAuthenticateRequest,
    SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse, TopicName,
};
use kafka_protocol::protocol::{
    Decodable, Encodable, HeaderVersion, StrBytes, encode_request_header_into_buffer,
};
use sha2::Sha512;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use uuid::Uuid;

use chatbot_contract::kafka;

/// A server answers at once, or waits for a leader.
const LIMIT: Duration = Duration::from_secs(2);
/// No answer is larger (bytes): the largest lists every partition.
const LARGEST: usize = 16 * 1024 * 1024;
/// Kafka's own number for SCRAM-SHA-512 (KIP-554), and the rounds it makes at least.
const SCRAM_SHA_512: i8 = 2;
const ROUNDS: u32 = 4096;

/// Kafka's numbers in an ACL (`ResourceType`, `PatternType`, `AclOperation`, `AclPermissionType`).
const TOPIC: i8 = 2;
const GROUP: i8 = 3;
const PREFIXED: i8 = 4;
const ALL: i8 = 2;
const ALLOW: i8 = 3;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("failed to speak with the server")]
    Network(#[source] std::io::Error),
    #[error("the server did not answer in time")]
    Silent,
    #[error("the server's answer cannot be read: {0}")]
    Unreadable(String),
    #[error("the server refuses to {what}: error {code} {message}")]
    Refused {
        what: &'static str,
        code: i16,
        message: String,
    },
}

/// What a server says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Node that leads the quorum.
    pub(super) leader: Option<i32>,
    /// Voters: node and directory.
    pub(super) voters: Vec<(i32, Uuid)>,
    /// Nodes that serve.
    pub(super) serving: Vec<i32>,
    /// Partitions of which the node that was asked has a copy that is not in step.
    pub(super) behind: u32,
}

/// The way to one server, with the members' account.
pub(super) struct Client {
    address: SocketAddr,
    password: String,
    connection: Option<Connection>,
}

impl Client {
    pub(super) fn new(address: SocketAddr, password: &str) -> Self {
        Self {
            address,
            password: password.to_owned(),
            connection: None,
        }
    }

    /// Asks how the cluster is, as this node sees it.
    pub(super) async fn look(&mut self, node: i32) -> Result<Seen, Error> {
        self.talk(async |connection| {
            let topic = TopicData::default()
                .with_topic_name(TopicName(StrBytes::from_static_str("__cluster_metadata")))
                .with_partitions(vec![PartitionData::default().with_partition_index(0)]);
            let quorum = connection
                .call::<DescribeQuorumResponse>(
                    ApiKey::DescribeQuorum,
                    &DescribeQuorumRequest::default().with_topics(vec![topic]),
                    2,
                )
                .await?;
            let all = MetadataRequest::default().with_topics(None);
            let metadata: MetadataResponse = connection.call(ApiKey::Metadata, &all, 12).await?;
            let mut seen = Seen {
                serving: metadata
                    .brokers
                    .iter()
                    .map(|broker| broker.node_id.0)
                    .collect(),
                ..Seen::default()
            };
            let partitions = metadata.topics.iter().flat_map(|topic| &topic.partitions);
            let behind = partitions.filter(|partition| {
                partition.replica_nodes.iter().any(|id| id.0 == node)
                    && !partition.isr_nodes.iter().any(|id| id.0 == node)
            });
            seen.behind = u32::try_from(behind.count()).unwrap_or(u32::MAX);
            let quorum = quorum
                .topics
                .into_iter()
                .flat_map(|topic| topic.partitions)
                .next();
            if let Some(quorum) = quorum.filter(|quorum| quorum.error_code == 0) {
                seen.leader = Some(quorum.leader_id.0).filter(|id| *id >= 0);
                seen.voters = quorum
                    .current_voters
                    .iter()
                    .map(|voter| (voter.replica_id.0, voter.replica_directory_id))
                    .collect();
            }
            Ok(seen)
        })
        .await
    }

    /// Declares the workloads' account, and that it may do everything with names that begin so, and nothing else.
    /// Doing it again changes nothing.
    pub(super) async fn declare(&mut self, password: &str, prefix: &str) -> Result<(), Error> {
        let salt: [u8; 16] = rand::random();
        let mut salted = [0; 64];
        pbkdf2::pbkdf2_hmac::<Sha512>(password.as_bytes(), &salt, ROUNDS, &mut salted);
        let credential = ScramCredentialUpsertion::default()
            .with_name(StrBytes::from_static_str(kafka::WORKLOAD_ACCOUNT))
            .with_mechanism(SCRAM_SHA_512)
            .with_iterations(i32::try_from(ROUNDS).unwrap_or(i32::MAX))
            .with_salt(Bytes::copy_from_slice(&salt))
            .with_salted_password(Bytes::copy_from_slice(&salted));
        let rule = |resource| {
            AclCreation::default()
                .with_resource_type(resource)
                .with_resource_name(StrBytes::from_string(prefix.to_owned()))
                .with_resource_pattern_type(PREFIXED)
                .with_principal(StrBytes::from_string(format!(
                    "User:{}",
                    kafka::WORKLOAD_ACCOUNT
                )))
                .with_host(StrBytes::from_static_str("*"))
                .with_operation(ALL)
                .with_permission_type(ALLOW)
        };
        let rules = vec![rule(TOPIC), rule(GROUP)];
        self.talk(async |connection| {
            let account = AlterUserScramCredentialsRequest::default()
                .with_upsertions(vec![credential.clone()]);
            let answer: AlterUserScramCredentialsResponse = connection
                .call(ApiKey::AlterUserScramCredentials, &account, 0)
                .await?;
            for result in answer.results {
                accepted("take the account", result.error_code, result.error_message)?;
            }
            let rules = CreateAclsRequest::default().with_creations(rules.clone());
            let answer: CreateAclsResponse = connection.call(ApiKey::CreateAcls, &rules, 3).await?;
            for result in answer.results {
                accepted("take its rights", result.error_code, result.error_message)?;
            }
            Ok(())
        })
        .await
    }

    /// Talks over the connection that is there, or a new one; one on which something went wrong is not used again.
    async fn talk<T>(
        &mut self,
        talk: impl AsyncFnOnce(&mut Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let said = async {
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => Connection::open(self.address, &self.password).await?,
            };
            let said = talk(&mut connection).await?;
            Ok((connection, said))
        };
        let (connection, said) = tokio::time::timeout(LIMIT, said)
            .await
            .unwrap_or(Err(Error::Silent))?;
        self.connection = Some(connection);
        Ok(said)
    }
}

fn accepted(what: &'static str, code: i16, message: Option<StrBytes>) -> Result<(), Error> {
    if code == 0 {
        return Ok(());
    }
    Err(Error::Refused {
        what,
        code,
        message: message.map(|text| text.to_string()).unwrap_or_default(),
    })
}

struct Connection {
    stream: TcpStream,
    correlation: i32,
}

impl Connection {
    /// Connects, and says who asks (SASL PLAIN, RFC 4616).
    async fn open(address: SocketAddr, password: &str) -> Result<Self, Error> {
        let stream = TcpStream::connect(address).await.map_err(Error::Network)?;
        let mut connection = Self {
            stream,
            correlation: 0,
        };
        let handshake =
            SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str("PLAIN"));
        let answer: SaslHandshakeResponse = connection
            .call(ApiKey::SaslHandshake, &handshake, 1)
            .await?;
        accepted("speak PLAIN", answer.error_code, None)?;
        let words = format!("\0{}\0{password}", kafka::MEMBER_ACCOUNT);
        let login = SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from(words));
        let answer: SaslAuthenticateResponse =
            connection.call(ApiKey::SaslAuthenticate, &login, 2).await?;
        accepted("believe the agent", answer.error_code, answer.error_message)?;
        Ok(connection)
    }

    async fn call<A: Decodable + HeaderVersion>(
        &mut self,
        key: ApiKey,
        request: &impl Encodable,
        version: i16,
    ) -> Result<A, Error> {
        let unreadable = |error| Error::Unreadable(format!("{error:#}"));
        self.correlation = self.correlation.wrapping_add(1);
        let header = RequestHeader::default()
            .with_request_api_key(key as i16)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(StrBytes::from_static_str("agent")));
        let mut text = BytesMut::new();
        encode_request_header_into_buffer(&mut text, &header).map_err(unreadable)?;
        request.encode(&mut text, version).map_err(unreadable)?;
        let length = i32::try_from(text.len()).unwrap_or(i32::MAX);
        self.stream
            .write_i32(length)
            .await
            .map_err(Error::Network)?;
        self.stream.write_all(&text).await.map_err(Error::Network)?;

        let length = self.stream.read_i32().await.map_err(Error::Network)?;
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= LARGEST);
        let mut answer = vec![0; length.ok_or_else(|| Error::Unreadable("its length".to_owned()))?];
        self.stream
            .read_exact(&mut answer)
            .await
            .map_err(Error::Network)?;
        let mut answer = Bytes::from(answer);
        ResponseHeader::decode(&mut answer, A::header_version(version)).map_err(unreadable)?;
        A::decode(&mut answer, version).map_err(unreadable)
    }
}
