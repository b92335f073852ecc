//! The Kubernetes API types of the operator, their validation rules, and the generator of their YAML.
