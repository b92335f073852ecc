//! The web page, which is part of the binary.

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use sha2::{Digest as _, Sha256};

/// A file of the page.
#[derive(Clone, Copy)]
struct File {
    path: &'static str,
    content: &'static str,
}

macro_rules! asset {
    ($name:literal) => {
        File {
            path: concat!("/assets/", $name),
            content: include_str!(concat!("../../web/assets/", $name)),
        }
    };
}

const FILES: [File; 19] = [
    File {
        path: "/",
        content: include_str!("../../web/index.html"),
    },
    asset!("api.js"),
    asset!("app.js"),
    asset!("composer.js"),
    asset!("dom.js"),
    asset!("entrance.js"),
    asset!("http.js"),
    asset!("icon.svg"),
    asset!("live.js"),
    asset!("log.js"),
    asset!("markdown.js"),
    asset!("message.js"),
    asset!("render.js"),
    asset!("session.js"),
    asset!("sidebar.js"),
    asset!("sse.js"),
    asset!("style.css"),
    asset!("thread.js"),
    asset!("turn.js"),
];

/// Everything comes from this origin, nothing is inline, and nobody frames the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=()",
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    // Kept, and asked for each time whether it is still the same: a new release shows at once.
    (header::CACHE_CONTROL, "no-cache"),
];

pub(crate) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.into_iter().fold(Router::new(), |router, file| {
        let tag = tag(file.content);
        router.route(
            file.path,
            get(move |request: Request| async move { answer(&file, &tag, &request) }),
        )
    })
}

fn answer(file: &File, tag: &HeaderValue, request: &Request) -> Response {
    let known = request
        .headers()
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .any(|known| known == tag);
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, kind(file.path))], file.content).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, tag.clone());
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn kind(path: &str) -> &'static str {
    match path.rsplit_once('.') {
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "text/html; charset=utf-8",
    }
}

fn tag(content: &str) -> HeaderValue {
    let digest = Sha256::digest(content);
    let hex: String = digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    HeaderValue::from_str(&format!("\"{hex}\"")).expect("hexadecimal digits fit a header")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use std::collections::BTreeSet;

    use super::FILES;

    #[test]
    fn every_asset_is_part_of_the_binary() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../web/assets");
        let there: BTreeSet<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| format!("/assets/{}", entry.unwrap().file_name().display()))
            .collect();
        let served: BTreeSet<_> = FILES
            .iter()
            .map(|file| file.path.to_owned())
            .filter(|path| path != "/")
            .collect();
        assert_eq!(served, there);
    }

    #[test]
    fn the_page_has_nothing_inline() {
        let page = FILES[0].content;
        assert!(
            !page.contains("<style") && !page.contains(" style=") && !page.contains(" onclick=")
        );
        assert_eq!(
            page.matches("<script").count(),
            page.matches("src=\"/assets/app.js\"").count()
        );
    }
}
