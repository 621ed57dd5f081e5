//! Settings that are the same in all layers or one for each.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A setting of layers. In a file it is the value itself or a list of values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PerLayer<T> {
    /// One value for all layers.
    Same(T),
    /// A value for each layer.
    Each(Vec<T>),
}

impl<T> From<T> for PerLayer<T> {
    fn from(value: T) -> Self {
        PerLayer::Same(value)
    }
}

impl<T: Copy> PerLayer<T> {
    /// The value of layer `index`, counted from 0.
    ///
    /// # Panics
    /// If there is a list of values, and none in it for this layer.
    pub fn of(&self, index: usize) -> T {
        match self {
            PerLayer::Same(value) => *value,
            PerLayer::Each(values) => values[index],
        }
    }

    /// All values that there are.
    pub fn values(&self) -> &[T] {
        match self {
            PerLayer::Same(value) => std::slice::from_ref(value),
            PerLayer::Each(values) => values,
        }
    }

    /// An error unless there are `layers` values or one for all; `kind` says of which layers.
    pub(super) fn check(&self, argument: &str, layers: usize, kind: &str) -> Result<()> {
        match self {
            PerLayer::Each(values) if values.len() != layers => {
                let found = format!("{} values", values.len());
                let expected = format!("one value, or {layers}: one for each {kind}");
                Err(Error::invalid(argument, found, expected))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_is_stored_as_it_is() {
        let (same, each) = (PerLayer::Same(0.5), PerLayer::Each(vec![0.5, 0.25]));
        assert_eq!(serde_json::to_string(&same).unwrap(), "0.5");
        assert_eq!(serde_json::to_string(&each).unwrap(), "[0.5,0.25]");
        for setting in [same, each] {
            let text = serde_json::to_string(&setting).unwrap();
            assert_eq!(serde_json::from_str::<PerLayer<f64>>(&text).unwrap(), setting);
        }
    }

    #[test]
    fn the_number_of_values_is_checked() {
        let each = PerLayer::Each(vec![1, 2, 3]);
        assert_eq!((each.of(2), each.values()), (3, &[1, 2, 3][..]));
        assert!(each.check("dropout", 3, "hidden layer").is_ok());
        let error = each.check("dropout", 2, "hidden layer").unwrap_err().to_string();
        assert_eq!(
            error,
            "dropout = 3 values: expected one value, or 2: one for each hidden layer"
        );
        assert!(PerLayer::Same(1).check("dropout", 7, "hidden layer").is_ok());
        assert_eq!(PerLayer::Same(1).of(100), 1);
    }
}
