//! Who tells which bucket: rows of `outbox_leases` and `outbox_relays`, by the database's clock.

use sqlx::mysql::MySqlConnection;
use uuid::Uuid;

use crate::store::outbox::{BUCKETS, LEASE};

/// Says that the relay is alive, forgets the dead, and gives the relay's share of the buckets.
pub(super) async fn share(tx: &mut MySqlConnection, relay: Uuid) -> Result<usize, sqlx::Error> {
    sqlx::query(
        "INSERT INTO outbox_relays (relay, expires_at) VALUES (?, UTC_TIMESTAMP(3) + INTERVAL ? SECOND) AS new \
         ON DUPLICATE KEY UPDATE expires_at = new.expires_at",
    )
    .bind(relay)
    .bind(LEASE.as_secs())
    .execute(&mut *tx)
    .await?;
    sqlx::query("DELETE FROM outbox_relays WHERE expires_at < UTC_TIMESTAMP(3)")
        .execute(&mut *tx)
        .await?;
    let relays: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM outbox_relays")
        .fetch_one(&mut *tx)
        .await?;
    let relays = usize::try_from(relays).unwrap_or(1).max(1);
    Ok(usize::from(BUCKETS).div_ceil(relays))
}

/// Renews the leases that the relay still holds, and gives their buckets.
pub(super) async fn renew(tx: &mut MySqlConnection, relay: Uuid) -> Result<Vec<u16>, sqlx::Error> {
    sqlx::query(
        "UPDATE outbox_leases SET expires_at = UTC_TIMESTAMP(3) + INTERVAL ? SECOND WHERE relay = ?",
    )
    .bind(LEASE.as_secs())
    .bind(relay)
    .execute(&mut *tx)
    .await?;
    sqlx::query_scalar("SELECT bucket FROM outbox_leases WHERE relay = ? ORDER BY bucket")
        .bind(relay)
        .fetch_all(tx)
        .await
}

/// Lets another relay take a bucket.
pub(super) async fn give_away(
    tx: &mut MySqlConnection,
    relay: Uuid,
    bucket: u16,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM outbox_leases WHERE bucket = ? AND relay = ?")
        .bind(bucket)
        .bind(relay)
        .execute(tx)
        .await?;
    Ok(())
}

/// Takes a bucket if nobody has it: a compare-and-swap by the database's clock.
pub(super) async fn take(
    tx: &mut MySqlConnection,
    relay: Uuid,
    bucket: u16,
) -> Result<bool, sqlx::Error> {
    let taken = sqlx::query(
        "UPDATE outbox_leases SET relay = ?, expires_at = UTC_TIMESTAMP(3) + INTERVAL ? SECOND \
         WHERE bucket = ? AND expires_at < UTC_TIMESTAMP(3)",
    )
    .bind(relay)
    .bind(LEASE.as_secs())
    .bind(bucket)
    .execute(&mut *tx)
    .await?;
    if taken.rows_affected() == 1 {
        return Ok(true);
    }
    let made = sqlx::query(
        "INSERT IGNORE INTO outbox_leases (bucket, relay, expires_at) \
         VALUES (?, ?, UTC_TIMESTAMP(3) + INTERVAL ? SECOND)",
    )
    .bind(bucket)
    .bind(relay)
    .bind(LEASE.as_secs())
    .execute(tx)
    .await?;
    Ok(made.rows_affected() == 1)
}
