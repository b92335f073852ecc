//! The server's configuration, and its log's.

use std::path::Path;

use chatbot_contract::{kafka, ports};

use super::settings::{Identity, Settings};

/// A member that is silent for so long no longer serves (milliseconds): others lead its partitions then.
const SESSION_MS: u32 = 4_000;
/// How often a member tells that it is there (milliseconds).
const HEARTBEAT_MS: u32 = 1_000;
/// A leader of the quorum that is silent for so long is replaced (milliseconds).
const QUORUM_FETCH_MS: u32 = 2_000;
/// Partitions in which Kafka keeps the places of consumer groups: there are a few groups.
const OFFSETS_PARTITIONS: u32 = 6;

/// The listeners: of the quorum, of the members and their agents, and of the workloads.
const QUORUM: &str = "QUORUM";
const MEMBERS: &str = "MEMBERS";
const CLIENTS: &str = "CLIENTS";

/// The log's configuration: what is worth a line, on standard output.
pub(super) const LOG: &str = "\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %c{1}: %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
";

/// The text of the server's configuration. What was chosen comes first, since the last of two lines counts.
pub(super) fn text(settings: &Settings, identity: &Identity, chosen: &str, data: &Path) -> String {
    let count = settings.membership.members.len();
    let in_step = if count > 1 { 2 } else { 1 };
    let node = settings
        .node(&settings.membership.member)
        .unwrap_or_default();
    let own = settings.membership.host(&settings.membership.member);
    let bootstrap: Vec<String> = settings
        .membership
        .members
        .iter()
        .map(|member| {
            format!(
                "{}:{}",
                settings.membership.host(member),
                ports::KAFKA_QUORUM
            )
        })
        .collect();
    let listeners = |host: &str| {
        let all = [
            (QUORUM, ports::KAFKA_QUORUM),
            (MEMBERS, ports::KAFKA_MEMBERS),
            (CLIENTS, ports::KAFKA),
        ];
        all.map(|(name, port)| format!("{name}://{host}:{port}"))
            .join(",")
    };
    let (member, password) = (kafka::MEMBER_ACCOUNT, &identity.member);
    let plain = format!(
        "org.apache.kafka.common.security.plain.PlainLoginModule required \
         username=\"{member}\" password=\"{password}\" user_{member}=\"{password}\";"
    );
    let (quorum, members, clients) = (
        QUORUM.to_lowercase(),
        MEMBERS.to_lowercase(),
        CLIENTS.to_lowercase(),
    );
    format!(
        "log.cleaner.dedupe.buffer.size=16777216\n\
         num.network.threads=2\n\
         num.io.threads=4\n\
         num.replica.fetchers=1\n\
         offsets.topic.num.partitions={OFFSETS_PARTITIONS}\n\
         group.initial.rebalance.delay.ms=0\n\
         broker.session.timeout.ms={SESSION_MS}\n\
         broker.heartbeat.interval.ms={HEARTBEAT_MS}\n\
         controller.quorum.fetch.timeout.ms={QUORUM_FETCH_MS}\n\
         min.insync.replicas={in_step}\n\
         {chosen}\n\
         process.roles=broker,controller\n\
         node.id={node}\n\
         log.dirs={data}\n\
         controller.quorum.bootstrap.servers={bootstrap}\n\
         controller.quorum.auto.join.enable=true\n\
         controller.listener.names={QUORUM}\n\
         inter.broker.listener.name={MEMBERS}\n\
         listeners={listening}\n\
         advertised.listeners={advertised}\n\
         listener.security.protocol.map={QUORUM}:SASL_PLAINTEXT,{MEMBERS}:SASL_PLAINTEXT,{CLIENTS}:SASL_PLAINTEXT\n\
         sasl.mechanism.controller.protocol=PLAIN\n\
         sasl.mechanism.inter.broker.protocol=PLAIN\n\
         listener.name.{quorum}.sasl.enabled.mechanisms=PLAIN\n\
         listener.name.{quorum}.plain.sasl.jaas.config={plain}\n\
         listener.name.{members}.sasl.enabled.mechanisms=PLAIN\n\
         listener.name.{members}.plain.sasl.jaas.config={plain}\n\
         listener.name.{clients}.sasl.enabled.mechanisms={mechanism}\n\
         listener.name.{clients}.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;\n\
         authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
         super.users=User:{member}\n\
         auto.create.topics.enable=false\n\
         default.replication.factor={count}\n\
         offsets.topic.replication.factor={count}\n\
         transaction.state.log.replication.factor={count}\n\
         transaction.state.log.min.isr={in_step}\n\
         share.coordinator.state.topic.replication.factor={count}\n\
         share.coordinator.state.topic.min.isr={in_step}\n",
        data = data.display(),
        bootstrap = bootstrap.join(","),
        listening = listeners(""),
        advertised = listeners(&own),
        mechanism = kafka::WORKLOAD_MECHANISM,
    )
}

/// Java's options: two fifths of the memory are for objects; the rest is for buffers, code and threads.
pub(super) fn java(settings: &Settings) -> Vec<String> {
    vec![
        format!("-Xmx{}m", settings.common.memory / 5 * 2 / 1024 / 1024),
        "-XX:+UseSerialGC".to_owned(),
        "-XX:+ExitOnOutOfMemoryError".to_owned(),
        "-XX:-UsePerfData".to_owned(),
        format!(
            "-Dlog4j2.configurationFile={}",
            settings.runtime.join(LOG_FILE).display()
        ),
        "-cp".to_owned(),
        settings.class_path.clone(),
    ]
}

/// The file of [`LOG`].
pub(super) const LOG_FILE: &str = "log4j2.properties";
/// The file of [`text`].
pub(super) const FILE: &str = "server.properties";
