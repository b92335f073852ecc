//! Runs the programs of the cluster: `helm`, `kubectl`, `ctr`.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::{Error, Result};

/// Runs a program to its end and returns what it printed.
///
/// # Errors
/// It cannot be started, or ends with an error.
pub async fn run(program: &str, arguments: &[&str]) -> Result<String> {
    run_with_input(program, arguments, "").await
}

/// The same with something to read.
///
/// # Errors
/// It cannot be started, or ends with an error.
pub async fn run_with_input(program: &str, arguments: &[&str], input: &str) -> Result<String> {
    let command = format!("{program} {}", arguments.join(" "));
    let failed = |output: String| Error::Command {
        command: command.clone(),
        output,
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(format!("{error}; is its folder in PATH (`make env`)?")))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that reads nothing may be gone already.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let output = child
        .wait_with_output()
        .await
        .map_err(|error| failed(error.to_string()))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(failed(format!(
            "{}: {} {}",
            output.status,
            text(&output.stderr),
            text(&output.stdout)
        )))
    }
}
