//! Reasons of conditions: a fixed list, so that each has one meaning and one class.

/// What a reason means for the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Works, and the newest spec is rolled out: condition `True`.
    Ready,
    /// Will change without anybody's help: condition `False`, `Reconciling`.
    Progressing,
    /// Will not change until somebody does something: condition `False`, `Stalled`.
    Stalled,
}

/// Why a condition is as it is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, strum::Display, strum::EnumString, strum::IntoStaticStr,
)]
pub enum Reason {
    /// Works, and the newest spec is rolled out.
    Ready,
    /// Something it needs is not there yet.
    WaitingForDependency,
    /// Pods are being started.
    Starting,
    /// A new version or configuration is being rolled out; the old one serves.
    RollingOut,
    /// Pods that should serve do not.
    Unavailable,
    /// The migration runs.
    Migrating,
    /// The operator's last attempt failed; it tries again.
    ReconcileFailed,
    /// The dependency was not tried yet.
    Unknown,
    /// The group of MySQL members is being formed.
    Bootstrapping,
    /// Takes writes, but not all members are online.
    Degraded,
    /// No member takes writes at the moment; the group or the operator is at work on it.
    NoPrimary,
    /// A MySQL member joins or recovers.
    Recovering,

    /// The operator leaves everything as it is, because the spec says so.
    Paused,
    /// The object cannot be read as a ChatbotDeployment.
    InvalidObject,
    /// A Secret named in the spec does not exist.
    SecretMissing,
    /// A key of a Secret named in the spec does not exist or is empty.
    SecretKeyMissing,
    /// A key of a Secret named in the spec holds no certificate authority.
    CertificateInvalid,
    /// The spec is wrong in a way that the schema cannot tell.
    InvalidSpec,
    /// An object with the name the operator needs exists and is somebody else's.
    NameTaken,
    /// Data is there, and the identity that can read it is not.
    IdentityMissing,
    /// No StorageClass is the default one, and the spec names none.
    NoDefaultStorageClass,
    /// The StorageClass named in the spec does not exist.
    StorageClassMissing,
    /// An image cannot be pulled.
    ImagePullFailed,
    /// A quota or an admission rule refuses pods.
    QuotaExceeded,
    /// No node has room for a pod.
    Unschedulable,
    /// A container ends again and again.
    CrashLooping,
    /// The migration ended with an error.
    MigrationFailed,
    /// MySQL does not answer.
    MysqlUnreachable,
    /// MySQL refuses the credentials.
    MysqlRefused,
    /// MySQL answers, and something else is wrong.
    MysqlFailing,
    /// Redis does not answer.
    RedisUnreachable,
    /// Redis refuses the credentials.
    RedisRefused,
    /// Redis answers, and something else is wrong.
    RedisFailing,
    /// Kafka does not answer.
    KafkaUnreachable,
    /// Kafka refuses the credentials.
    KafkaRefused,
    /// Kafka answers, and something else is wrong.
    KafkaFailing,
    /// The document store does not answer.
    DocumentsUnreachable,
    /// The document store refuses the credentials.
    DocumentsRefused,
    /// The document store answers, and something else is wrong.
    DocumentsFailing,
    /// The SMTP server does not answer.
    MailUnreachable,
    /// The SMTP server refuses the credentials.
    MailRefused,
    /// The SMTP server answers, and something else is wrong.
    MailFailing,
    /// The model API does not answer.
    ModelUnreachable,
    /// The model API refuses the key.
    ModelKeyRefused,
    /// The model API answers, and something else is wrong.
    ModelFailing,
    /// A human must decide, since the operator would have to guess.
    HumanDecisionNeeded,
}

impl Reason {
    /// The class of this reason.
    #[must_use]
    pub const fn class(self) -> Class {
        match self {
            Self::Ready => Class::Ready,
            Self::WaitingForDependency
            | Self::Starting
            | Self::RollingOut
            | Self::Unavailable
            | Self::Migrating
            | Self::ReconcileFailed
            | Self::Unknown
            | Self::Bootstrapping
            | Self::Degraded
            | Self::NoPrimary
            | Self::Recovering => Class::Progressing,
            Self::Paused
            | Self::InvalidObject
            | Self::SecretMissing
            | Self::SecretKeyMissing
            | Self::CertificateInvalid
            | Self::InvalidSpec
            | Self::NameTaken
            | Self::IdentityMissing
            | Self::NoDefaultStorageClass
            | Self::StorageClassMissing
            | Self::ImagePullFailed
            | Self::QuotaExceeded
            | Self::Unschedulable
            | Self::CrashLooping
            | Self::MigrationFailed
            | Self::MysqlUnreachable
            | Self::MysqlRefused
            | Self::MysqlFailing
            | Self::RedisUnreachable
            | Self::RedisRefused
            | Self::RedisFailing
            | Self::KafkaUnreachable
            | Self::KafkaRefused
            | Self::KafkaFailing
            | Self::DocumentsUnreachable
            | Self::DocumentsRefused
            | Self::DocumentsFailing
            | Self::MailUnreachable
            | Self::MailRefused
            | Self::MailFailing
            | Self::ModelUnreachable
            | Self::ModelKeyRefused
            | Self::ModelFailing
            | Self::HumanDecisionNeeded => Class::Stalled,
        }
    }
}

/// What keeps a component from being built: the reason and a sentence that names the thing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// Reason of the component's condition.
    pub reason: Reason,
    /// One sentence for a person.
    pub message: String,
}

impl Problem {
    /// Makes a problem.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}
