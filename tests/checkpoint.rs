//! Model files: what comes back, and what is refused.

#![allow(clippy::unwrap_used)]

use safetensors::SafeTensors;
use trulysparse::checkpoint::{UserData, from_bytes, load, save, to_bytes};
use trulysparse::error::Error;
use trulysparse::nn::{Activation, ActivationKind, Config, Loss, Mlp, Sparsity, Standardizer};
use trulysparse::parallel::Par;
use trulysparse::topology::{Fan, Init, Scheme};

fn model(standardize: bool) -> Mlp {
    let config = Config {
        layer_sizes: vec![3, 4, 2],
        sparsity: Sparsity::Density(0.5),
        activation: Activation { kind: ActivationKind::AllRelu, slope: 0.6 },
        loss: Loss::CrossEntropy,
        init: Init { scheme: Scheme::HeUniform, fan: Fan::Layer },
        dropout: 0.0,
        standardize,
        seed: 1,
    };
    Mlp::new(&Par::seq(), config).unwrap()
}

#[test]
fn the_same_model_gives_the_same_bytes_and_comes_back() {
    let mut model = model(true);
    let statistics = Standardizer::from_parts(vec![1e9 + 0.25; 3], vec![0.1; 3]).unwrap();
    model.set_standardizer(statistics.clone()).unwrap();
    let user = UserData::from([("a".into(), "1".into()), ("b".into(), "2".into())]);
    let bytes = to_bytes(&model, &user).unwrap();
    // A hash map of several entries would show its order within a few attempts.
    (0..20).for_each(|_| assert_eq!(to_bytes(&model, &user).unwrap(), bytes));
    let (again, notes) = from_bytes(&bytes, "bytes").unwrap();
    assert_eq!((again.standardizer(), &notes), (Some(&statistics), &user));
    assert_eq!(to_bytes(&again, &user).unwrap(), bytes);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m");
    save(&model, &user, &path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    assert_eq!(load(&path).unwrap().1, user);
}

#[test]
fn counters_and_statistics_that_cannot_be_are_refused() {
    let refused = |model: &Mlp| {
        let bytes = to_bytes(model, &UserData::new()).unwrap();
        from_bytes(&bytes, "m").unwrap_err().to_string()
    };
    let mut counted = model(false);
    counted.counters.steps = 1 << 63;
    assert!(refused(&counted).contains("below 2^63"));
    counted.counters.steps -= 1;
    from_bytes(&to_bytes(&counted, &UserData::new()).unwrap(), "m").unwrap();
    let statistics = Standardizer::from_parts(vec![0.0; 3], vec![1.0; 3]).unwrap();
    let error = model(false).set_standardizer(statistics).unwrap_err().to_string();
    assert!(error.contains("standardize is false"));
    let statistics = Standardizer::from_parts(vec![0.0; 2], vec![1.0; 2]).unwrap();
    assert!(model(true).set_standardizer(statistics).is_err());
}

#[test]
fn a_missing_tensor_is_named_once() {
    let whole = to_bytes(&model(false), &UserData::new()).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&whole).unwrap();
    let mut tensors = SafeTensors::deserialize(&whole).unwrap().tensors();
    tensors.retain(|(name, _)| name != "layers.0.indices");
    let bytes = safetensors::serialize(tensors, metadata.metadata().clone()).unwrap();
    assert_eq!(
        from_bytes(&bytes, "m").unwrap_err().to_string(),
        "m: not a valid trulysparse model: layers.0.indices is missing"
    );
}

#[test]
fn a_missing_folder_is_the_systems_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("absent").join("m");
    match save(&model(false), &UserData::new(), &path) {
        Err(Error::Io { path: named, source }) => {
            assert_eq!(named, path.display().to_string());
            assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
            assert!(source.raw_os_error().is_some());
        }
        other => panic!("{other:?}"),
    }
}
