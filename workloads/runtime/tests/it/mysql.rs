//! The way to MySQL, on real servers: one, and a group whose primary dies.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chatbot_contract::report::DependencyState;
use chatbot_runtime::mysql::{Abort, Config, Database, Error, Tls, Topology};
use chatbot_testkit::mysql::{Group, Mysql, TestDatabase};

struct Way {
    database: Database,
    /// Keeps the password's file.
    _password: tempfile::NamedTempFile,
}

fn way(test: &TestDatabase, hosts: &[String], topology: Topology) -> Way {
    let password = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(password.path(), format!("{}\n", test.password)).unwrap();
    let database = Database::new(Config {
        hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
        topology,
        user: test.user.clone(),
        password_file: password.path().to_owned(),
        tls: Tls::Unverified,
        ca_file: None,
        schema: test.schema.clone(),
        deadline: Duration::from_secs(30),
    });
    Way {
        database,
        _password: password,
    }
}

async fn insert(database: &Database, id: u32) -> Result<(), Error> {
    database
        .transaction(async |mut tx| {
            sqlx::query("INSERT INTO notes VALUES (?) ON DUPLICATE KEY UPDATE id = id")
                .bind(id)
                .execute(&mut *tx)
                .await?;
            Ok::<_, Abort<Error>>(tx.done(()))
        })
        .await
}

async fn count(database: &Database) -> Result<i64, Error> {
    database
        .transaction(async |mut tx| {
            let count = sqlx::query_scalar("SELECT COUNT(*) FROM notes")
                .fetch_one(&mut *tx)
                .await?;
            Ok::<_, Abort<Error>>(tx.done(count))
        })
        .await
}

async fn create(database: &Database) {
    database
        .transaction(async |mut tx| {
            sqlx::query("CREATE TABLE notes (id INT UNSIGNED PRIMARY KEY)")
                .execute(&mut *tx)
                .await?;
            Ok::<_, Abort<Error>>(tx.done(()))
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_unit_of_work_is_committed_and_a_refused_one_is_not() {
    let mysql = Mysql::shared().await.unwrap();
    let test = mysql.database().await.unwrap();
    let Way {
        database,
        _password,
    } = way(&test, &[mysql.address()], Topology::Single);
    create(&database).await;
    insert(&database, 1).await.unwrap();
    let refused: Result<(), Error> = database
        .transaction(async |mut tx| {
            sqlx::query("INSERT INTO notes VALUES (2)")
                .execute(&mut *tx)
                .await?;
            Err::<chatbot_runtime::mysql::Done<()>, _>(Abort::Refused(Error::Lost {
                host: "x".to_owned(),
            }))
        })
        .await;
    assert!(matches!(refused, Err(Error::Lost { .. })));
    assert_eq!(count(&database).await.unwrap(), 1);
}

#[tokio::test]
async fn a_unit_of_work_that_meets_a_deadlock_runs_again_as_a_whole() {
    let mysql = Mysql::shared().await.unwrap();
    let test = mysql.database().await.unwrap();
    let Way {
        database,
        _password,
    } = way(&test, &[mysql.address()], Topology::Single);
    create(&database).await;
    insert(&database, 1).await.unwrap();
    insert(&database, 2).await.unwrap();
    let attempts = AtomicU32::new(0);
    let both_hold_one = tokio::sync::Barrier::new(2);
    let (both_hold_one, attempts) = (&both_hold_one, &attempts);
    let cross = |first: u32, second: u32| {
        let meets = AtomicU32::new(0);
        let database = database.clone();
        async move {
            let meets = &meets;
            database
                .transaction(async |mut tx| {
                    attempts.fetch_add(1, Ordering::Relaxed);
                    sqlx::query("SELECT id FROM notes WHERE id = ? FOR UPDATE")
                        .bind(first)
                        .execute(&mut *tx)
                        .await?;
                    if meets.fetch_add(1, Ordering::Relaxed) == 0 {
                        both_hold_one.wait().await;
                    }
                    sqlx::query("SELECT id FROM notes WHERE id = ? FOR UPDATE")
                        .bind(second)
                        .execute(&mut *tx)
                        .await?;
                    Ok::<_, Abort<Error>>(tx.done(()))
                })
                .await
        }
    };
    let (one, other) = tokio::join!(cross(1, 2), cross(2, 1));
    one.unwrap();
    other.unwrap();
    assert!(attempts.load(Ordering::Relaxed) >= 3);
}

#[tokio::test]
async fn a_wrong_password_is_told_from_a_missing_schema_and_from_a_closed_port() {
    let mysql = Mysql::shared().await.unwrap();
    let test = mysql.database().await.unwrap();
    let see = async |test: TestDatabase, host: String| {
        let Way {
            database,
            _password,
        } = way(&test, &[host], Topology::Single);
        database.look().await
    };
    let well = see(test.clone(), mysql.address()).await;
    assert_eq!(well.state, DependencyState::Ok, "{}", well.message);
    let refused = see(
        TestDatabase {
            password: "wrong".to_owned(),
            ..test.clone()
        },
        mysql.address(),
    )
    .await;
    assert_eq!(
        refused.state,
        DependencyState::Refused,
        "{}",
        refused.message
    );
    let failing = see(
        TestDatabase {
            schema: "nowhere".to_owned(),
            ..test.clone()
        },
        mysql.address(),
    )
    .await;
    assert_eq!(
        failing.state,
        DependencyState::Failing,
        "{}",
        failing.message
    );
    let unreachable = see(test, "127.0.0.1:1".to_owned()).await;
    assert_eq!(
        unreachable.state,
        DependencyState::Unreachable,
        "{}",
        unreachable.message
    );
}

#[tokio::test]
async fn a_single_server_that_is_read_only_is_reported_and_its_writes_wait() {
    let mysql = Mysql::start(&[]).await.unwrap();
    let test = mysql.database().await.unwrap();
    let Way {
        database,
        _password,
    } = way(&test, &[mysql.address()], Topology::Single);
    create(&database).await;
    mysql
        .execute(&["SET GLOBAL super_read_only = ON".to_owned()])
        .await
        .unwrap();
    assert_eq!(database.look().await.state, DependencyState::Failing);
    let (written, ()) = tokio::join!(insert(&database, 1), async {
        mysql
            .execute(&["SET GLOBAL super_read_only = OFF, read_only = OFF".to_owned()])
            .await
            .unwrap();
    });
    written.unwrap();
    assert_eq!(count(&database).await.unwrap(), 1);
}

#[tokio::test]
async fn a_primary_that_dies_costs_no_acknowledged_write() {
    let group = Group::start(3).await.unwrap();
    let test = group.members[0].database().await.unwrap();
    let Way {
        database,
        _password,
    } = way(&test, &group.addresses(), Topology::Group);
    create(&database).await;
    let seen = std::sync::Mutex::new(Vec::new());
    let watching = database.watch(|dependency| seen.lock().unwrap().push(dependency.state));
    let writing = async {
        for id in 0..20 {
            insert(&database, id).await.unwrap();
        }
        group.members[0].kill();
        for id in 20..40 {
            insert(&database, id).await.unwrap();
        }
        count(&database).await.unwrap()
    };
    let count = tokio::select! {
        () = watching => None,
        count = writing => Some(count),
    };
    assert_eq!(count, Some(40));
    let now = database.look().await;
    assert_eq!(now.state, DependencyState::Ok, "{}", now.message);
    assert!(!now.message.contains(&group.members[0].address()));
}

#[tokio::test]
async fn a_primary_that_hangs_is_left_for_the_new_one() {
    let group = Group::start(3).await.unwrap();
    let test = group.members[0].database().await.unwrap();
    let Way {
        database,
        _password,
    } = way(&test, &group.addresses(), Topology::Group);
    create(&database).await;
    insert(&database, 1).await.unwrap();
    group.members[0].pause().unwrap();
    let written = tokio::select! {
        () = database.watch(|_| ()) => None,
        written = insert(&database, 2) => Some(written),
    };
    written.unwrap().unwrap();
    assert_eq!(count(&database).await.unwrap(), 2);
}
