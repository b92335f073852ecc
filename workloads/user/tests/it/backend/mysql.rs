//! A schema of its own on a real MySQL.

use std::sync::Arc;
use std::time::Duration;

use chatbot_runtime::mysql::{self, Database, Topology};
use chatbot_testkit::mysql::{Mysql, TestDatabase};
use chatbot_user::MIGRATIONS;
use chatbot_user::store::MysqlStore;

use super::Backend;

pub(crate) struct OnMysql {
    database: Database,
    test: TestDatabase,
    mysql: Arc<Mysql>,
    _password: tempfile::NamedTempFile,
}

impl Backend for OnMysql {
    type Store = MysqlStore;

    async fn new() -> Self {
        let mysql = Mysql::shared().await.unwrap();
        let test = mysql.database().await.unwrap();
        let password = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(password.path(), &test.password).unwrap();
        let database = Database::new(mysql::Config {
            hosts: vec![mysql.address().parse().unwrap()],
            topology: Topology::Single,
            user: test.user.clone(),
            password_file: password.path().to_owned(),
            tls: mysql::Tls::Unverified,
            ca_file: None,
            schema: test.schema.clone(),
            deadline: Duration::from_secs(30),
        });
        mysql::migrate(&database, &MIGRATIONS).await.unwrap();
        // Again, as an upgrade does.
        mysql::migrate(&database, &MIGRATIONS).await.unwrap();
        Self {
            database,
            test,
            mysql,
            _password: password,
        }
    }

    fn store(&self) -> MysqlStore {
        MysqlStore::new(self.database.clone())
    }

    async fn execute(&self, statement: &str) {
        let schema = format!("USE {}", self.test.schema);
        let statements = [schema, statement.to_owned()];
        self.mysql.execute(&statements).await.unwrap();
    }
}
