//! What contradicts itself is refused at apply, with a sentence that says what to do.

use chatbot_e2e::system::{highly_available, merged};
use chatbot_e2e::{Error, Result, System, error, test};
use serde_json::{Value, json};

#[tokio::test]
async fn a_spec_that_contradicts_itself_is_refused_at_apply() -> Result<()> {
    test("refused", async |namespace| {
        let refusals: [(Value, &str); 9] = [
            (
                json!({"mysql": {"managed": {"replicas": 2}}}),
                "must be 1, 3, 5 or 7",
            ),
            (
                json!({"mysql": {"external": {"host": "db", "secretName": "db"}}}),
                "exactly one of managed",
            ),
            (
                json!({"mysql": {"managed": null}}),
                "exactly one of managed",
            ),
            (
                json!({"llm": {"provider": "Groq"}}),
                "llm.apiKey is missing",
            ),
            (
                json!({"llm": {"provider": "OpenAICompatible", "model": "m"}}),
                "llm.baseUrl is missing",
            ),
            (
                json!({"mysql": {"managed": {"config": {"datadir": "/x"}}}}),
                "a setting that the operator owns",
            ),
            (
                json!({"user": {"accessTokenTtl": "2h", "refreshTokenTtl": "1h"}}),
                "refreshTokenTtl is shorter",
            ),
            (json!({"chat": {"replicas": 0}}), "spec.chat.replicas"),
            (json!({"chat": {"replicaz": 3}}), "spec.chat.replicaz"),
        ];
        for (change, sentence) in refusals {
            let spec = merged(highly_available(), change.clone());
            match System::apply(namespace, "wrong", spec).await {
                Err(refused @ Error::Kubernetes { .. }) => {
                    let text = error::chain(&refused);
                    assert!(
                        text.contains(sentence),
                        "{change} was refused with another sentence: {text}"
                    );
                }
                Err(other) => return Err(other),
                Ok(_) => panic!("{change} was accepted"),
            }
        }
        let long = "a-name-that-is-longer-than-forty-characters";
        let Err(refused) = System::apply(namespace, long, highly_available()).await else {
            panic!("{long} was accepted");
        };
        assert!(error::chain(&refused).contains("longer than 40 characters"));
        Ok(())
    })
    .await
}
