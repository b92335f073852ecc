//! Addresses of servers as settings name them.

/// A server's address, written `host:port`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host {
    /// Name or address.
    pub name: String,
    /// TCP port.
    pub port: u16,
}

impl std::str::FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((name, port)) = text.rsplit_once(':').filter(|(name, _)| !name.is_empty()) else {
            return Err(format!("`{text}` is no address; write host:port"));
        };
        let port = port
            .parse()
            .map_err(|_| format!("`{port}` in `{text}` is not a TCP port"))?;
        Ok(Self {
            name: name.to_owned(),
            port,
        })
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.name, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::Host;

    #[test]
    fn a_host_is_a_name_and_a_port() {
        assert_eq!(
            "db-0.db:3307".parse(),
            Ok(Host {
                name: "db-0.db".to_owned(),
                port: 3307
            })
        );
        for wrong in ["db", "db:x", ":3306", "db:70000"] {
            assert!(wrong.parse::<Host>().is_err(), "{wrong}");
        }
    }
}
