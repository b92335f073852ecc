//! The bootstrap intent: the one order by which a group is made, written by the operator and carried out by one agent.
//!
//! It names the member, the server's UUID (so that a volume that was replaced in between is never
//! taken for the one that was judged) and an epoch. The operator writes it by compare-and-swap on
//! the resource version; the agent notes the epoch beside its data before it acts, so that no
//! intent is carried out twice.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An order to make the group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// Grows with each order; the first is 1.
    pub epoch: u64,
    /// The member that shall make the group.
    pub member: String,
    /// UUID of its server.
    pub server_id: Uuid,
    /// Why, for a person.
    pub reason: String,
}

/// Why data is no intent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bootstrap intent has no valid {0}")]
pub struct Invalid(pub &'static str);

impl Intent {
    /// Reads the data of the ConfigMap.
    ///
    /// # Errors
    /// Names the field that is missing or wrong.
    pub fn read(data: &BTreeMap<String, String>) -> Result<Self, Invalid> {
        let field = |name: &'static str| data.get(name).ok_or(Invalid(name));
        Ok(Self {
            epoch: field("epoch")?
                .parse()
                .ok()
                .filter(|epoch| *epoch > 0)
                .ok_or(Invalid("epoch"))?,
            member: field("member")?.clone(),
            server_id: field("serverId")?
                .parse()
                .map_err(|_| Invalid("serverId"))?,
            reason: data.get("reason").cloned().unwrap_or_default(),
        })
    }

    /// Gives the data of the ConfigMap.
    #[must_use]
    pub fn data(&self) -> BTreeMap<String, String> {
        let Self {
            epoch,
            member,
            server_id,
            reason,
        } = self;
        BTreeMap::from([
            ("epoch".to_owned(), epoch.to_string()),
            ("member".to_owned(), member.clone()),
            ("serverId".to_owned(), server_id.to_string()),
            ("reason".to_owned(), reason.clone()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{Intent, Invalid};

    #[test]
    fn what_is_written_is_read() {
        let intent = Intent {
            epoch: 7,
            member: "shop-mysql-0".to_owned(),
            server_id: Uuid::from_u128(1),
            reason: "first start".to_owned(),
        };
        assert_eq!(Intent::read(&intent.data()), Ok(intent));
    }

    #[test]
    fn an_epoch_of_nothing_is_refused() {
        let mut data = Intent {
            epoch: 0,
            member: String::new(),
            server_id: Uuid::nil(),
            reason: String::new(),
        }
        .data();
        assert_eq!(Intent::read(&data), Err(Invalid("epoch")));
        data.remove("epoch");
        assert_eq!(Intent::read(&data), Err(Invalid("epoch")));
    }
}
