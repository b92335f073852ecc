//! How a workload runs: configuration, telemetry, shutdown, errors, HTTP layers, authentication, and the way to MySQL.
