//! What MySQL did for an account, by its own numbers.

use chatbot_testkit::mysql::Mysql;
use serde::Serialize;
use sqlx::Connection as _;

use crate::error::Result;

/// Numbers of an account (`events_statements_summary_by_user_by_event_name`,
/// <https://dev.mysql.com/doc/refman/8.4/en/performance-schema-statement-summary-tables.html>).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Counters {
    /// Statements, those that begin and end transactions too.
    pub(crate) statements: f64,
    /// Rows that were read at the storage engine.
    pub(crate) rows_examined: f64,
    /// Rows that were sent.
    pub(crate) rows_sent: f64,
}

impl Counters {
    /// Reads what was done for an account since the server began.
    pub(crate) async fn read(mysql: &Mysql, account: &str) -> Result<Self> {
        let mut admin = mysql.admin().await?;
        let (statements, rows_examined, rows_sent) = sqlx::query_as(
            "SELECT CAST(COALESCE(SUM(COUNT_STAR), 0) AS DOUBLE), \
             CAST(COALESCE(SUM(SUM_ROWS_EXAMINED), 0) AS DOUBLE), \
             CAST(COALESCE(SUM(SUM_ROWS_SENT), 0) AS DOUBLE) \
             FROM performance_schema.events_statements_summary_by_user_by_event_name WHERE USER = ?",
        )
        .bind(account)
        .fetch_one(&mut admin)
        .await?;
        admin.close().await?;
        Ok(Self {
            statements,
            rows_examined,
            rows_sent,
        })
    }

    /// What was done since then for each of `turns`.
    pub(crate) fn each_since(self, then: Self, turns: usize) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "counts here are small")]
        let turns = turns as f64;
        Self {
            statements: (self.statements - then.statements) / turns,
            rows_examined: (self.rows_examined - then.rows_examined) / turns,
            rows_sent: (self.rows_sent - then.rows_sent) / turns,
        }
    }
}
