//! The rights that the operator needs, beside the code that needs them.
//!
//! `chatbot-operator rbac` prints them, and the chart's `files/rules.yaml` is that output. Nothing
//! here is a wildcard, and no right reaches beyond the namespaces that are served, but to look at
//! StorageClasses.

use std::fmt::Write;

/// A rule of a Role, and why it is there.
struct Rule {
    why: &'static str,
    group: &'static str,
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
}

/// In the namespaces that are served.
const NAMESPACED: &[Rule] = &[
    Rule {
        why: "What is served (watch).",
        group: "chatbot.rs",
        resources: &["chatbotdeployments"],
        verbs: &["get", "list", "watch"],
    },
    Rule {
        why: "Conditions (status, invalid).",
        group: "chatbot.rs",
        resources: &["chatbotdeployments/status"],
        verbs: &["get", "patch"],
    },
    Rule {
        why: "Owner references that block the owner's deletion, where the cluster asks for this right (apply).",
        group: "chatbot.rs",
        resources: &["chatbotdeployments/finalizers"],
        verbs: &["update"],
    },
    Rule {
        why: "Workloads, load balancer, MySQL (apply, watch).",
        group: "apps",
        resources: &["deployments", "statefulsets"],
        verbs: &["get", "list", "watch", "create", "patch", "delete"],
    },
    Rule {
        why: "The migration (apply, watch).",
        group: "batch",
        resources: &["jobs"],
        verbs: &["get", "list", "watch", "create", "patch", "delete"],
    },
    Rule {
        why: "What an eviction may take (apply, watch).",
        group: "policy",
        resources: &["poddisruptionbudgets"],
        verbs: &["get", "list", "watch", "create", "patch", "delete"],
    },
    Rule {
        why: "Who may reach the document store (apply, watch).",
        group: "networking.k8s.io",
        resources: &["networkpolicies"],
        verbs: &["get", "list", "watch", "create", "patch", "delete"],
    },
    Rule {
        why: "Names, configuration, identities of pods (apply, watch).",
        group: "",
        resources: &["configmaps", "serviceaccounts", "services"],
        verbs: &["get", "list", "watch", "create", "patch", "delete"],
    },
    Rule {
        why: "What a MySQL agent may read: one ConfigMap (mysql::objects).",
        group: "rbac.authorization.k8s.io",
        resources: &["roles", "rolebindings"],
        verbs: &["get", "create", "patch"],
    },
    Rule {
        why: "The identity Secret, and the Secrets that a spec names (identity, dereference); only metadata is watched.",
        group: "",
        resources: &["secrets"],
        verbs: &["get", "list", "watch", "create", "patch"],
    },
    Rule {
        why: "Whether there is data (identity), and the volumes of MySQL members.",
        group: "",
        resources: &["persistentvolumeclaims"],
        verbs: &["get", "list", "watch", "patch", "delete"],
    },
    Rule {
        why: "Why pods do not serve (rollout); the restarts and labels of MySQL members.",
        group: "",
        resources: &["pods"],
        verbs: &["get", "list", "watch", "patch", "delete"],
    },
    Rule {
        why: "Why pods are not made (refusals).",
        group: "",
        resources: &["events"],
        verbs: &["list"],
    },
    Rule {
        why: "What a person should know (outcome).",
        group: "events.k8s.io",
        resources: &["events"],
        verbs: &["create", "patch"],
    },
];

/// In the cluster.
const CLUSTER: &[Rule] = &[Rule {
    why: "Whether a volume can be had (dereference, watch); without this right it is not checked.",
    group: "storage.k8s.io",
    resources: &["storageclasses"],
    verbs: &["get", "list", "watch"],
}];

/// In the operator's own namespace.
const OWN: &[Rule] = &[Rule {
    why: "Which replica acts (lease).",
    group: "coordination.k8s.io",
    resources: &["leases"],
    verbs: &["get", "create", "update"],
}];

/// The rules as YAML: three lists, by where they hold.
#[must_use]
pub fn yaml() -> String {
    let mut text = String::from("# Printed by `chatbot-operator rbac`; do not edit.\n");
    for (name, comment, rules) in [
        (
            "namespaced",
            "In the namespaces that it serves:",
            NAMESPACED,
        ),
        ("cluster", "In the cluster:", CLUSTER),
        ("own", "In its own namespace:", OWN),
    ] {
        let _ = writeln!(text, "# {comment}\n{name}:");
        for Rule {
            why,
            group,
            resources,
            verbs,
        } in rules
        {
            let group = if group.is_empty() { "\"\"" } else { group };
            let resources = resources.join(", ");
            let verbs = verbs.join(", ");
            let _ = writeln!(
                text,
                "  # {why}\n  - apiGroups: [{group}]\n    resources: [{resources}]\n    verbs: [{verbs}]"
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_a_wildcard() {
        assert!(!yaml().contains('*'));
    }

    #[test]
    fn the_chart_holds_what_is_printed() -> std::io::Result<()> {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../charts/chatbot-operator/files/rules.yaml"
        );
        assert_eq!(
            std::fs::read_to_string(path)?,
            yaml(),
            "write it again: cargo run -p chatbot-operator -- rbac >charts/chatbot-operator/files/rules.yaml"
        );
        Ok(())
    }
}
