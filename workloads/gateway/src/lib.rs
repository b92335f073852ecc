//! The public door: authentication, REST, WebSocket, the web page.
