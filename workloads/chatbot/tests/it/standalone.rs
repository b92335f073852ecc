//! The whole product in one process: the public interface, and what must hold when the process ends,
//! is killed, or meets a folder that it cannot use.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use chatbot_api::events::UserEvent;
use chatbot_contract::environment as env;
use chatbot_testkit::api::ANSWER;
use chatbot_testkit::deployment::{Invocation, PAUSE, Process, free_port};
use chatbot_testkit::groq::Groq;
use chatbot_testkit::history::load::{self, Options};
use chatbot_testkit::history::summary::Summary;
use chatbot_testkit::history::{read, verify};
use chatbot_testkit::person::{Person, fetch};
use futures::StreamExt as _;
use sqlx::{Connection as _, SqliteConnection};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

chatbot_testkit::api_suite!(system);

async fn system() -> Result<(String, Standalone), std::convert::Infallible> {
    let standalone = Standalone::start().await;
    Ok((standalone.url.clone(), standalone))
}

/// A process with a folder of its own.
pub(crate) struct Standalone {
    pub(crate) url: String,
    process: Process,
    data: PathBuf,
    folder: TempDir,
}

impl Standalone {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    pub(crate) async fn start_with(more: &[(&str, String)]) -> Self {
        let folder = TempDir::new().unwrap();
        let data = folder.path().join("data");
        let address = format!("127.0.0.1:{}", free_port().unwrap());
        let process = spawn(&data, &address, more, folder.path().join("log"));
        let mut standalone = Self {
            url: format!("http://{address}"),
            process,
            data,
            folder,
        };
        standalone.wait_until_it_answers().await;
        standalone
    }

    async fn wait_until_it_answers(&mut self) {
        while fetch(&self.url).await.is_err() {
            assert!(
                self.process.runs(),
                "it has ended: {}",
                self.process.errors()
            );
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Asks it to end, and waits until it has.
    async fn end(&mut self) {
        self.process.terminate().unwrap();
        let status = self.process.ended().await.unwrap();
        assert!(status.success(), "{status}: {}", self.process.errors());
    }

    pub(crate) async fn start_again(&mut self) {
        self.process.kill_and_start_again().unwrap();
        self.wait_until_it_answers().await;
    }
}

fn spawn(data: &Path, address: &str, more: &[(&str, String)], log: PathBuf) -> Process {
    let mut environment = vec![
        (env::DATA_DIR.to_owned(), data.display().to_string()),
        (env::LISTEN.to_owned(), address.to_owned()),
    ];
    for (name, value) in more {
        environment.push(((*name).to_owned(), value.clone()));
    }
    Process::start(Invocation {
        program: env!("CARGO_BIN_EXE_chatbot").into(),
        arguments: vec!["standalone".to_owned()],
        environment,
        log,
    })
    .unwrap()
}

/// What a process says that cannot use its folder or address, and ends.
async fn refusal(data: &Path, address: &str) -> String {
    let folder = TempDir::new().unwrap();
    let mut process = spawn(data, address, &[], folder.path().join("log"));
    let status = process.ended().await.unwrap();
    assert!(!status.success(), "it should not have run");
    process.errors()
}

#[tokio::test]
async fn a_restart_keeps_what_was_said_and_what_a_key_stands_for() {
    let mut standalone = Standalone::start().await;
    let person = Person::register(&standalone.url).await.unwrap();
    let key = Uuid::new_v4();
    let turn = person.ask_once(&key, "before").await.unwrap();
    standalone.end().await;
    standalone.start_again().await;

    // Who is still logged in stays so.
    assert_eq!(person.ask_once(&key, "before").await.unwrap(), turn);
    let again = Person::login(&standalone.url, &person.email).await.unwrap();
    let conversation = turn.message.conversation_id;
    let messages = again.messages(conversation, 50).await.unwrap();
    assert_eq!(messages, [turn.message, turn.answer]);
    let next = again.ask(Some(conversation), "after").await.unwrap();
    assert_eq!(next.message.seq, 3);
}

#[tokio::test]
async fn a_copy_of_the_folder_is_a_backup() {
    let mut standalone = Standalone::start().await;
    let person = Person::register(&standalone.url).await.unwrap();
    let turn = person.ask(None, "remember this").await.unwrap();
    standalone.end().await;

    let copy = standalone.folder.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    for file in std::fs::read_dir(&standalone.data).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    std::fs::remove_dir_all(&standalone.data).unwrap();
    std::fs::rename(&copy, &standalone.data).unwrap();
    standalone.start_again().await;
    let again = Person::login(&standalone.url, &person.email).await.unwrap();
    let messages = again.messages(turn.message.conversation_id, 50).await;
    assert_eq!(messages.unwrap(), [turn.message, turn.answer]);
}

#[tokio::test]
async fn a_process_that_is_killed_under_load_loses_nothing_acknowledged() {
    let mut standalone = Standalone::start().await;
    let mut options = Options::new(standalone.url.parse().unwrap(), 4);
    options.most_messages = Some(40);
    let mut kills = 0;
    let killing = async {
        let witness = Person::register(&standalone.url).await.unwrap();
        loop {
            // While somebody asks so often, the others come to the middle of something, too.
            for _ in 0..10 {
                witness.ask(None, "is it there?").await.unwrap();
            }
            standalone.start_again().await;
            kills += 1;
        }
    };
    let mut ran = tokio::select! {
        ran = load::run(&options, CancellationToken::new()) => ran.unwrap(),
        () = killing => unreachable!(),
    };
    standalone.wait_until_it_answers().await;
    let readable = read::everything(&mut ran.clients).await.unwrap();
    let summary = Summary::new(&ran.history, verify::verify(&ran.history, &readable));
    assert!(summary.violations.is_empty(), "{summary}");
    assert_eq!((summary.done, summary.unknown), (160, 0), "{summary}");
    assert!(kills >= 3, "only {kills} kills during: {summary}");
    println!("{kills} kills: {summary}");
}

#[tokio::test]
async fn nothing_a_person_wrote_can_be_read_in_the_folder() {
    let mut standalone = Standalone::start().await;
    let person = Person::register(&standalone.url).await.unwrap();
    person.ask(None, "the secret of the crab").await.unwrap();
    standalone.end().await;
    let files: Vec<_> = std::fs::read_dir(&standalone.data)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    let stored = std::fs::read(standalone.data.join("chatbot.db")).unwrap();
    let holds = |text: &str| {
        stored
            .windows(text.len())
            .any(|bytes| bytes == text.as_bytes())
    };
    assert!(holds(&person.email), "the file is what was written");
    assert!(!holds("crab") && !holds("correct horse"));
    assert!(
        !files.iter().any(|file| file.ends_with("chatbot.db-wal")),
        "{files:?}"
    );
}

#[tokio::test]
async fn a_second_tab_is_told_what_the_first_one_does() {
    let standalone = Standalone::start().await;
    let person = Person::register(&standalone.url).await.unwrap();
    let other = Person::register(&standalone.url).await.unwrap();
    let mut told = person.follow().await.unwrap();
    other.ask(None, "for nobody else").await.unwrap();
    let turn = person.ask(None, "hello").await.unwrap();
    let deleted = turn.message.conversation_id;
    for expected in [turn.message, turn.answer] {
        let event = told.next().await.unwrap().unwrap();
        let UserEvent::MessageCreated { message, .. } = event else {
            panic!("no message: {event:?}");
        };
        assert_eq!(message, expected);
    }
    person.delete(deleted).await.unwrap();
    let event = told.next().await.unwrap().unwrap();
    let gone = matches!(event, UserEvent::ConversationDeleted { conversation_id, .. } if conversation_id == deleted);
    assert!(gone, "{event:?}");
}

/// Waits until so many turns are counted; nobody tells.
async fn until_used(person: &Person, turns: u64) {
    let counted = async || {
        let usage = person.usage().await.unwrap();
        usage.iter().map(|day| day.turns).sum::<u64>()
    };
    while counted().await != turns {
        tokio::time::sleep(PAUSE).await;
    }
}

#[tokio::test]
async fn usage_is_counted_and_an_archive_that_was_lost_is_made_again() {
    let mut standalone = Standalone::start().await;
    let person = Person::register(&standalone.url).await.unwrap();
    let first = person.ask(None, "hello").await.unwrap();
    person.ask(None, "and again").await.unwrap();
    until_used(&person, 2).await;
    person.delete(first.message.conversation_id).await.unwrap();
    until_used(&person, 1).await;

    standalone.end().await;
    let file = standalone.data.join("chatbot.db").display().to_string();
    let mut connection = SqliteConnection::connect(&file).await.unwrap();
    sqlx::raw_sql("DELETE FROM transcripts; DELETE FROM analytics")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    standalone.start_again().await;
    until_used(&person, 1).await;
}

#[tokio::test]
async fn a_key_of_groq_makes_groq_answer() {
    let groq = Groq::new(Some("key".to_owned())).serve().await.unwrap();
    let standalone = Standalone::start_with(&[
        (env::GROQ_API_KEY, "key".to_owned()),
        (env::LLM_BASE_URL, groq.base_url()),
    ])
    .await;
    let person = Person::register(&standalone.url).await.unwrap();
    let turn = person.ask(None, "hello").await.unwrap();
    assert_eq!(turn.answer.content, format!("{ANSWER}hello"));
    assert_ne!(turn.answer.model.as_deref(), Some("echo"));
}

#[tokio::test]
async fn a_turn_that_runs_when_the_process_is_asked_to_end_is_answered() {
    let groq = Groq::new(None).serve().await.unwrap();
    let mut standalone = Standalone::start_with(&[
        (env::LLM_PROVIDER, "groq".to_owned()),
        (env::LLM_BASE_URL, groq.base_url()),
    ])
    .await;
    let person = Person::register(&standalone.url).await.unwrap();
    let asking = person.ask(None, "slowly [[mock: delay_ms=50 words=20]]");
    let ending = async {
        while groq.groq.requests().is_empty() {
            tokio::time::sleep(PAUSE).await;
        }
        standalone.end().await;
    };
    let (turn, ()) = tokio::join!(asking, ending);
    assert_eq!(turn.unwrap().finish_reason, "stop");
}

#[tokio::test]
async fn a_second_process_on_the_same_folder_is_refused() {
    let standalone = Standalone::start().await;
    let said = refusal(&standalone.data, "127.0.0.1:0").await;
    assert!(said.contains("another process uses"), "{said}");
    fetch(&standalone.url).await.unwrap();
}

#[tokio::test]
async fn an_address_in_use_is_named_with_the_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = TempDir::new().unwrap();
    let said = refusal(&folder.path().join("data"), &address).await;
    for word in [address.as_str(), env::LISTEN, "in use"] {
        assert!(said.contains(word), "{said}");
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    // Not even an administrator can make a folder in a file.
    let said = refusal(&file.path().join("data"), "127.0.0.1:0").await;
    assert!(said.contains("--data-dir"), "{said}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_as_it_is() {
    let mut standalone = Standalone::start().await;
    standalone.end().await;
    let file = standalone.data.join("chatbot.db");
    let diary = "dear diary\n".repeat(1000);
    std::fs::write(&file, &diary).unwrap();
    let said = refusal(&standalone.data, "127.0.0.1:0").await;
    assert!(said.contains("chatbot.db"), "{said}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), diary);
}

#[tokio::test]
async fn data_without_its_keys_is_left_as_it_is_until_they_are_back() {
    let mut standalone = Standalone::start().await;
    let person = Person::register(&standalone.url).await.unwrap();
    standalone.end().await;
    let key = standalone.data.join("key-ring.json");
    let kept = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let said = refusal(&standalone.data, "127.0.0.1:0").await;
    assert!(said.contains("put key-ring.json back"), "{said}");
    std::fs::File::create(&key)
        .unwrap()
        .write_all(&kept)
        .unwrap();
    standalone.start_again().await;
    Person::login(&standalone.url, &person.email).await.unwrap();
}

#[tokio::test]
async fn a_file_of_a_newer_release_is_refused() {
    let mut standalone = Standalone::start().await;
    standalone.end().await;
    let file = standalone.data.join("chatbot.db").display().to_string();
    let mut connection = SqliteConnection::connect(&file).await.unwrap();
    sqlx::query(
        "INSERT INTO conversations_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'of a newer release', TRUE, X'', 0)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    let said = refusal(&standalone.data, "127.0.0.1:0").await;
    assert!(
        said.contains("newer release") && said.contains("9999"),
        "{said}"
    );
}
