//! Reading what is archived from SQLite.

use sqlx::{QueryBuilder, Sqlite};

use super::SqliteStore;
use super::rows::signed;
use crate::documents::{Position, Transcript};
use crate::store::Error;
use crate::store::source::Source;

const SELECT: &str = "SELECT m.*, t.user_id, t.prompt_tokens, t.completion_tokens \
     FROM messages m JOIN turns t ON t.id = m.turn_id WHERE ";

impl Source for SqliteStore {
    async fn at(&self, places: &[Position]) -> Result<Vec<Transcript>, Error> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.database.read().await?;
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push("(m.conversation_id, m.seq) IN (");
        query.push_values(places, |mut tuple, place| {
            tuple
                .push_bind(place.conversation)
                .push_bind(signed(place.seq));
        });
        // Its text depends on the number of places: keeping each would push out the others.
        let select = query.push(")").build_query_as().persistent(false);
        Ok(select.fetch_all(&mut *tx).await?)
    }

    async fn after(&self, after: Position, limit: u32) -> Result<Vec<Transcript>, Error> {
        let mut tx = self.database.read().await?;
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query
            .push("(m.conversation_id, m.seq) > (")
            .push_bind(after.conversation)
            .push(", ")
            .push_bind(signed(after.seq))
            .push(") ORDER BY m.conversation_id, m.seq LIMIT ")
            .push_bind(limit);
        Ok(query.build_query_as().fetch_all(&mut *tx).await?)
    }
}
