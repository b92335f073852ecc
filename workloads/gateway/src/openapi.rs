//! The description of the public interface, made from the code.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::IntoResponse;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::accounts::mailed;
use crate::socket::frames::{ClientFrame, ServerFrame};
use crate::{accounts, chat, conversations, events, usage, webhooks};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "chatbot",
        description = "Accounts, conversations, and turns with a language model.\n\n\
            The same turns run over a WebSocket at `/v1/ws`: JSON text frames, `ClientFrame` to the server and \
            `ServerFrame` from it. A client authenticates with its first frame within 10 seconds, or with the \
            subprotocols `chatbot.v1, bearer.<access token>`. Close codes: 1001 the server ends, connect again; \
            1003 a binary frame; 1011 a defect; 4401 no valid access token, or it has expired; 4408 no access \
            token in time. What is new of the user comes as `UserEvent` frames, without being asked for.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        accounts::register, accounts::login, accounts::refresh, accounts::logout, accounts::me, accounts::jwks,
        mailed::send_verification, mailed::verify, mailed::send_reset, mailed::set_password,
        chat::chat, chat::resume, chat::cancel,
        conversations::list, conversations::read, conversations::delete, conversations::messages,
        webhooks::create, webhooks::list, webhooks::read, webhooks::change, webhooks::delete,
        webhooks::rotate_secret, webhooks::test, webhooks::deliveries,
                events::stream, usage::read
    ),
    components(schemas(ClientFrame, ServerFrame)),
    security(("access_token" = [])),
    modifiers(&AccessToken)
)]
struct Document;

struct AccessToken;

impl Modify for AccessToken {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("access_token", SecurityScheme::Http(scheme));
    }
}

/// The document as JSON, the same for the same release.
#[must_use]
pub fn json() -> String {
    let mut text = Document::openapi()
        .to_pretty_json()
        .expect("the document can be written as JSON");
    text.push('\n');
    text
}

pub(crate) async fn serve() -> impl IntoResponse {
    static TEXT: LazyLock<String> = LazyLock::new(json);
    ([(header::CONTENT_TYPE, "application/json")], TEXT.as_str())
}
