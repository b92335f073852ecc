//! MySQL as an administrator sees it: a client in the primary's pod.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chatbot_contract::identity::mysql_password;
use chatbot_contract::mysql::ADMIN_ACCOUNT;
use serde_json::{Value, json};

use crate::system::MYSQL;
use crate::{Result, System, TestNamespace};

/// Name of the Secret with the connection of [`external`].
pub const EXTERNAL_SECRET: &str = "mysql";

/// Runs a statement as administrator in the primary; rows are lines, columns are separated by tabs.
///
/// # Errors
/// There is no primary, or it refuses.
pub async fn query(system: &System, statement: &str) -> Result<String> {
    let pod = system.primary().await?;
    query_in(system, &pod, statement).await
}

/// The same in a member of one's choice.
///
/// # Errors
/// It refuses.
pub async fn query_in(system: &System, pod: &str, statement: &str) -> Result<String> {
    let password = admin_password(system).await?;
    // The password goes the way of the statement: arguments can be seen by every process of the machine.
    let script = "read -r MYSQL_PWD && export MYSQL_PWD && exec mysql --user=\"$0\" --host=127.0.0.1 --batch --skip-column-names --skip-binary-as-hex";
    let input = format!("{password}\n{statement}\n");
    system
        .exec(pod, MYSQL, &[script, ADMIN_ACCOUNT], &input)
        .await
}

/// The administrator's password, from the identity Secret.
///
/// # Errors
/// The Secret or its key is not there.
pub async fn admin_password(system: &System) -> Result<String> {
    system.identity(&mysql_password(ADMIN_ACCOUNT)).await
}

/// Gives a test's namespace the use of another system's MySQL: makes the Secret, and returns the
/// `mysql` part of a spec, with schemas of the namespace's own.
///
/// # Errors
/// The API server refuses.
pub async fn external(owner: &System, namespace: &TestNamespace) -> Result<Value> {
    let password = admin_password(owner).await?;
    namespace
        .secret(
            EXTERNAL_SECRET,
            &[("username", ADMIN_ACCOUNT), ("password", &password)],
        )
        .await?;
    let System {
        namespace: home,
        name,
    } = owner;
    let schema = namespace.name.replace('-', "_");
    Ok(json!({
        "managed": null,
        "external": {
            "host": format!("{name}-mysql-0.{name}-mysql-members.{}.svc", home.name),
            "secretName": EXTERNAL_SECRET,
            "usersSchema": format!("{schema}_u"),
            "conversationsSchema": format!("{schema}_c"),
        },
    }))
}

/// Whether some bytes hold a text, as it is, in hexadecimal digits or in base64.
#[must_use]
pub fn holds(haystack: &str, text: &str) -> bool {
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    // Base64 of the text at each of the three places in a group, without what its neighbours change.
    let base64 = (0..3).map(|before| {
        let padded = [&vec![0; before], text.as_bytes()].concat();
        let encoded = STANDARD.encode(padded);
        let end = encoded.trim_end_matches('=').len().saturating_sub(1);
        encoded.get(4.min(end)..end).unwrap_or_default().to_owned()
    });
    let lower = haystack.to_lowercase();
    haystack.contains(text)
        || lower.contains(&hex)
        || base64.into_iter().any(|text| haystack.contains(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_however_it_is_written() {
        let secret = "a message of some length";
        assert!(holds(&format!("x {secret} y"), secret));
        assert!(holds(
            "x 61206D657373616765206F6620736F6D65206C656E677468",
            secret
        ));
        for before in ["", "p", "pq", "pqr"] {
            assert!(holds(
                &STANDARD.encode(format!("{before}{secret}tail")),
                secret
            ));
        }
        assert!(!holds("something else altogether", secret));
    }
}
