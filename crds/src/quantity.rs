//! Conversion of [`Resources`] to the type of `core/v1`.

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::Resources;

impl From<&Resources> for ResourceRequirements {
    fn from(Resources { requests, limits }: &Resources) -> Self {
        let quantities = |map: &std::collections::BTreeMap<String, IntOrString>| {
            map.iter()
                .map(|(name, value)| (name.clone(), quantity(value)))
                .collect()
        };
        Self {
            requests: Some(quantities(requests)),
            limits: Some(quantities(limits)),
            ..Self::default()
        }
    }
}

/// Gives a value the type of `core/v1`.
#[must_use]
pub fn quantity(value: &IntOrString) -> Quantity {
    match value {
        IntOrString::Int(number) => Quantity(number.to_string()),
        IntOrString::String(text) => Quantity(text.clone()),
    }
}
