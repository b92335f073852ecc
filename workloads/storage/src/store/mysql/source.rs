//! Reading what is archived from MySQL.

use sqlx::{MySql, QueryBuilder};

use super::{MysqlStore, Read};
use crate::documents::{Position, Transcript};
use crate::store::Error;
use crate::store::source::Source;

const SELECT: &str = "SELECT m.id, m.conversation_id, m.turn_id, m.seq, m.role, m.content, m.model, m.created_at, \
     t.user_id, t.prompt_tokens, t.completion_tokens \
     FROM messages m JOIN turns t ON t.id = m.turn_id JOIN conversations c ON c.id = m.conversation_id \
     WHERE c.deleted_at IS NULL AND ";

impl Source for MysqlStore {
    async fn at(&self, places: &[Position]) -> Result<Vec<Transcript>, Error> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        self.database
            .read(async |mut mysql| -> Read<_> {
                let mut query = QueryBuilder::<MySql>::new(SELECT);
                query.push("(m.conversation_id, m.seq) IN ");
                query.push_tuples(places, |mut tuple, place| {
                    tuple.push_bind(place.conversation).push_bind(place.seq);
                });
                // Its text depends on the number of places: keeping each would push out the others.
                let select = query.build_query_as().persistent(false);
                let rows = select.fetch_all(&mut *mysql).await?;
                Ok(rows)
            })
            .await
    }

    async fn after(&self, after: Position, limit: u32) -> Result<Vec<Transcript>, Error> {
        self.database
            .read(async |mut mysql| -> Read<_> {
                let mut query = QueryBuilder::<MySql>::new(SELECT);
                // Two ranges of the primary key: a comparison of rows would read the whole table.
                query
                    .push("(m.conversation_id > ")
                    .push_bind(after.conversation)
                    .push(" OR (m.conversation_id = ")
                    .push_bind(after.conversation)
                    .push(" AND m.seq > ")
                    .push_bind(after.seq)
                    .push(")) ORDER BY m.conversation_id, m.seq LIMIT ")
                    .push_bind(limit);
                let rows = query.build_query_as().fetch_all(&mut *mysql).await?;
                Ok(rows)
            })
            .await
    }
}
