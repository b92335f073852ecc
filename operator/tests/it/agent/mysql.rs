//! The MySQL agent: made by intent, joined by copy, handed over, recovered.

mod group;

use group::Group;

async fn made() -> Group {
    let group = Group::start().await;
    group.order(1, 0).await;
    group.whole().await;
    group
        .execute(0, "CREATE TABLE users.t (id INT PRIMARY KEY)")
        .await
        .unwrap();
    group
        .execute(0, "INSERT INTO users.t VALUES (1), (2)")
        .await
        .unwrap();
    group
}

async fn sees(group: &Group, member: usize, rows: i64) {
    group
        .until("the rows are there", async || {
            group
                .count(member, "users.t")
                .await
                .is_ok_and(|count| count == rows)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_hands_over_before_it_stops_and_a_killed_one_comes_back() {
    let mut group = made().await;
    assert_eq!(group.primary().await, Some(0));
    for member in 0..3 {
        sees(&group, member, 2).await;
    }
    // A member that follows takes no write, from nobody.
    assert!(
        group
            .execute(1, "INSERT INTO users.t VALUES (9)")
            .await
            .is_err()
    );

    // Told to stop, it hands over first: another one is primary while it is still there.
    group.signal(0, "TERM");
    group
        .until("another is primary", async || {
            group.primary().await.is_some_and(|new| new != 0)
        })
        .await;
    group.ended(0);
    group.start_member(0);
    group.whole().await;

    let primary = group.primary().await.unwrap();
    group
        .execute(primary, "INSERT INTO users.t VALUES (3)")
        .await
        .unwrap();
    group.kill(primary);
    group
        .until("another is primary", async || {
            group.primary().await.is_some()
        })
        .await;
    let next = group.primary().await.unwrap();
    group
        .execute(next, "INSERT INTO users.t VALUES (4)")
        .await
        .unwrap();
    group.start_member(primary);
    group.whole().await;
    sees(&group, primary, 4).await;
    // It came back with what it had: nothing was set aside, and the intent was not used again.
    let volume = group.volume(primary);
    assert!(
        !volume.iter().any(|name| name.starts_with("errant")),
        "{volume:?}"
    );
    assert_eq!(group.facts(0).await.unwrap().record.epoch, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_full_outage_only_a_new_epoch_makes_the_group_and_errant_data_is_set_aside() {
    let mut group = made().await;
    for member in 0..3 {
        sees(&group, member, 2).await;
    }
    for member in 0..3 {
        group.kill(member);
    }
    for member in 0..3 {
        group.start_member(member);
    }
    for member in 0..3 {
        group
            .until("it is outside and tells what it has", async || {
                let server = group.facts(member).await.and_then(|facts| facts.server);
                server.is_some_and(|server| !server.is_in_group() && !server.executed.is_empty())
            })
            .await;
    }
    // The old intent still stands, and member 0 has carried it out: nobody makes a group of it.
    assert_eq!(group.primary().await, None);
    assert_eq!(group.facts(0).await.unwrap().record.epoch, 1);

    // One takes a write of its own outside the group.
    let write = "SET GLOBAL super_read_only = OFF; SET GLOBAL read_only = OFF; \
                 INSERT INTO users.t VALUES (99)";
    group.execute(2, write).await.unwrap();
    group.order(2, 1).await;
    group.whole().await;
    assert_eq!(group.primary().await, Some(1));
    for member in 0..3 {
        sees(&group, member, 2).await;
    }
    let volume = group.volume(2);
    assert!(
        volume.iter().any(|name| name.starts_with("errant-")),
        "{volume:?}"
    );
    assert_eq!(group.facts(1).await.unwrap().record.epoch, 2);
}
