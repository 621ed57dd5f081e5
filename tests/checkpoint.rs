//! Model files: what comes back, and what is refused.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use trulysparse::checkpoint::{self, UserData};
use trulysparse::error::{Error, Result};
use trulysparse::nn::{
    Activation, ActivationKind, Config, Cut, Fall, LayerRates, Mlp, Optimizer, Pruning, Sparsity,
    Standardizer, State, UpdateKind, UpdateSettings,
};
use trulysparse::parallel::Par;
use trulysparse::watch::Watch;

fn to_bytes(model: &Mlp, user: &UserData) -> Result<Vec<u8>> {
    checkpoint::to_bytes(model, user, &mut Watch::none())
}

fn from_bytes(bytes: &[u8], name: &str) -> Result<(Mlp, UserData)> {
    checkpoint::from_bytes(bytes, name, &mut Watch::none())
}

fn save(model: &Mlp, user: &UserData, path: &Path) -> Result<()> {
    checkpoint::save(model, user, path, &mut Watch::none())
}

fn model(standardize: bool) -> Mlp {
    let config = Config {
        sparsity: Sparsity::Density(0.5.into()),
        activation: Activation { kind: ActivationKind::AllRelu.into(), slope: 0.6 },
        input_noise: 0.25,
        standardize,
        seed: 1,
        ..Config::plain(vec![3, 4, 2])
    };
    Mlp::new(&Par::seq(), config).unwrap()
}

#[test]
fn the_same_model_gives_the_same_bytes_and_comes_back() {
    let mut model = model(true);
    let statistics =
        Standardizer::from_parts(vec![1e9 + 0.25; 3], vec![0.1; 3], Vec::new()).unwrap();
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
    let mut last = (0, 1);
    let mut look = |done, total| {
        last = (done, total);
        Ok(())
    };
    assert_eq!(checkpoint::load(&path, &mut Watch::new(&mut look)).unwrap().1, user);
    assert!(last.0 == last.1 && last.0 > 0);
}

#[test]
fn a_file_is_what_the_library_would_write() {
    let mut model = model(true);
    let statistics = Standardizer::from_parts(vec![0.5; 3], vec![2.0; 3], Vec::new()).unwrap();
    model.set_standardizer(statistics).unwrap();
    model.prune(&Par::seq(), &Pruning { cut: Cut::Percentile(40.0.into()), close: true }).unwrap();
    let bytes = to_bytes(&model, &UserData::from([("a".into(), "ü\n".into())])).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap().tensors();
    assert_eq!(safetensors::serialize(tensors, metadata.metadata().clone()).unwrap(), bytes);
}

/// Whether an operation stops that is told to at its `n`th look; it does not if it looks less
/// often.
fn stopped<T>(n: usize, operation: impl FnOnce(&mut Watch<'_>) -> Result<T>) -> bool {
    let mut looks = 0;
    let mut look = |_, _| {
        looks += 1;
        if looks < n { Ok(()) } else { Err(Error::Stopped) }
    };
    match operation(&mut Watch::new(&mut look)) {
        Ok(_) => false,
        Err(Error::Stopped) => true,
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_stopped_operation_leaves_the_old_file_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m");
    save(&model(false), &UserData::new(), &path).unwrap();
    let before = std::fs::read(&path).unwrap();
    let (model, user) = (model(true), UserData::new());
    let saved = |n| stopped(n, |watch| checkpoint::save(&model, &user, &path, watch));
    for n in 1.. {
        if !saved(n) {
            assert!(n > 2 * 6); // a look after each tensor, and one before the old file goes
            break;
        }
        assert_eq!(std::fs::read(&path).unwrap(), before);
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }
    assert_ne!(std::fs::read(&path).unwrap(), before);
    assert!(stopped(3, |watch| checkpoint::load(&path, watch)));
    assert!(stopped(3, |watch| checkpoint::to_bytes(&model, &user, watch)));
    assert!(stopped(3, |watch| Mlp::new_watched(&Par::seq(), model.config().clone(), watch)));
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
    let statistics = Standardizer::from_parts(vec![0.0; 3], vec![1.0; 3], Vec::new()).unwrap();
    let error = model(false).set_standardizer(statistics).unwrap_err().to_string();
    assert!(error.contains("standardize is false"));
    let statistics = Standardizer::from_parts(vec![0.0; 2], vec![1.0; 2], Vec::new()).unwrap();
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
fn pruned_and_compacted_models_come_back() {
    let par = Par::seq();
    let mut model = model(true);
    let statistics = Standardizer::from_parts(vec![0.5; 3], vec![2.0; 3], Vec::new()).unwrap();
    model.set_standardizer(statistics).unwrap();
    let before = model.try_clone().unwrap();
    let statistics = Standardizer::from_parts(vec![0.5; 3], vec![1.0; 3], vec![0, 1, 2]).unwrap();
    model.set_standardizer(statistics).unwrap();
    model.prune(&par, &Pruning { cut: Cut::Percentile(40.0.into()), close: true }).unwrap();
    let bytes = to_bytes(&model, &UserData::new()).unwrap();
    let again = from_bytes(&bytes, "m").unwrap().0;
    assert!(again.layers()[0].pruned().contains(&true));
    assert_eq!(again.layers()[0].pruned(), model.layers()[0].pruned());
    assert_eq!(to_bytes(&again, &UserData::new()).unwrap(), bytes);
    model.compact(&par, true).unwrap();
    let bytes = to_bytes(&model, &UserData::new()).unwrap();
    let again = from_bytes(&bytes, "m").unwrap().0;
    assert!(again.origin().is_some() && again.origin() == model.origin());
    assert_eq!(again.standardizer(), model.standardizer());
    assert_eq!(again.standardizer().unwrap().constant().len(), model.config().layer_sizes[0]);
    assert_eq!(to_bytes(&again, &UserData::new()).unwrap(), bytes);
    // The copy from before has not changed: its file has none of the names that came since.
    let names = to_bytes(&before, &UserData::new()).unwrap();
    let tensors = SafeTensors::deserialize(&names).unwrap();
    assert!(tensors.names().iter().all(|n| !n.contains("units") && !n.contains("pruned")));
    assert!(tensors.names().iter().all(|n| !n.contains("constant")));
    assert!(!String::from_utf8_lossy(&names).contains("original_layer_sizes"));
}

/// A file with a tensor of 32-bit numbers added or replaced, and its header edited.
fn edited(model: &Mlp, name: &str, numbers: &[u32], edit: impl Fn(&str) -> String) -> String {
    let whole = to_bytes(model, &UserData::new()).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&whole).unwrap();
    let mut entries = metadata.metadata().clone().unwrap();
    entries.values_mut().for_each(|header| *header = edit(header));
    let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    let view = TensorView::new(Dtype::U32, vec![numbers.len()], &bytes).unwrap();
    let mut tensors = SafeTensors::deserialize(&whole).unwrap().tensors();
    tensors.retain(|(other, _)| other != name);
    tensors.push((name.to_string(), view));
    let bytes = safetensors::serialize(tensors, Some(entries)).unwrap();
    match from_bytes(&bytes, "m") {
        Ok(_) => "fine".to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn damaged_flags_and_origins_are_refused() {
    let par = Par::seq();
    let mut model = model(false);
    model.prune(&par, &Pruning { cut: Cut::Percentile(40.0.into()), close: false }).unwrap();
    let pattern = model.layers()[0].weights().pattern();
    let (empty, full): (Vec<u32>, Vec<u32>) =
        (0..4).partition(|&r| pattern.row(r as usize).is_empty());
    let flags = |numbers: &[u32]| edited(&model, "layers.0.pruned", numbers, str::to_string);
    assert_eq!(flags(&empty), "fine");
    assert!(flags(&full).contains("layers.0: pruned = "));
    assert!(flags(&[empty[0], empty[0]]).contains("expected ascending numbers below 4"));
    assert!(flags(&[4]).contains("expected ascending numbers below 4"));
    let output = edited(&model, "layers.1.pruned", &[0], str::to_string);
    assert!(output.contains("pruned = "), "{output}");

    let sizes = |sizes: &'static str| {
        move |header: &str| header.replacen('{', &format!("{{\"original_layer_sizes\":{sizes},"), 1)
    };
    let units = |numbers: &[u32], s| edited(&model, "units.1", numbers, sizes(s));
    assert_eq!(units(&[0, 2, 3, 8], "[3,9,2]"), "fine");
    assert!(units(&[0, 2, 3, 9], "[3,9,2]").contains("4 ascending numbers below 9"));
    assert!(units(&[0, 2, 2, 8], "[3,9,2]").contains("4 ascending numbers below 9"));
    assert!(units(&[0, 2, 3], "[3,9,2]").contains("4 ascending numbers below 9"));
    assert!(units(&[0, 1, 2, 3], "[3,4,2]").contains("0 ascending numbers below 4"));
    assert!(units(&[0, 1, 2, 3], "[3,2,2]").contains("ascending numbers below 2"));
    assert!(units(&[0, 1, 2, 3], "[3,9]").contains("2 sizes and 3 lists"));
    assert!(units(&[0, 1, 2, 3], "[8,9,2]").contains("units.0 = 0 numbers"));
}

#[test]
fn a_file_from_before_there_was_input_noise_has_none() {
    let whole = to_bytes(&model(false), &UserData::new()).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&whole).unwrap();
    let mut entries = metadata.metadata().clone().unwrap();
    let header = entries.get_mut("trulysparse").unwrap();
    *header = header.replace(r#""input_noise":0.25,"#, "");
    assert!(!header.contains("input_noise"));
    let tensors = SafeTensors::deserialize(&whole).unwrap().tensors();
    let bytes = safetensors::serialize(tensors, Some(entries)).unwrap();
    assert_eq!(from_bytes(&bytes, "m").unwrap().0.config().input_noise, 0.0);
}

/// Every name that stands in a file: those of its tensors and of the fields in its metadata.
fn names(bytes: &[u8]) -> BTreeSet<String> {
    fn fields(value: &Value, found: &mut BTreeSet<String>) {
        for (name, value) in value.as_object().into_iter().flatten() {
            found.insert(name.clone());
            fields(value, found);
        }
    }
    let (_, metadata) = SafeTensors::read_metadata(bytes).unwrap();
    let mut found = metadata.tensors().into_keys().collect();
    let header = &metadata.metadata().as_ref().unwrap()["trulysparse"];
    fields(&serde_json::from_str(header).unwrap(), &mut found);
    found
}

#[test]
fn a_damaged_name_or_version_takes_nothing_away() {
    let par = Par::seq();
    let adam = UpdateSettings::Adam { beta_1: 0.9, beta_2: 0.99, epsilon: 1e-8 };
    let config = Config {
        layer_sizes: vec![6, 20, 9, 2],
        label_smoothing: 0.25,
        ..model(true).config().clone()
    };
    let mut model = Mlp::new(&par, config).unwrap();
    let constant = (0..6).collect();
    let statistics = Standardizer::from_parts(vec![0.5; 6], vec![1.0; 6], constant).unwrap();
    model.set_standardizer(statistics).unwrap();
    model.prune(&par, &Pruning { cut: Cut::Percentile(40.0.into()), close: true }).unwrap();
    model.compact(&par, true).unwrap();
    model.prune(&par, &Pruning { cut: Cut::Percentile(40.0.into()), close: true }).unwrap();
    model.prepare_optimizer(&optimizer(adam)).unwrap();
    let whole = to_bytes(&model, &UserData::new()).unwrap();
    let expected = names(&whole);
    let optional = [
        "adam_since",
        "label_smoothing",
        "original_layer_sizes",
        "layers.0.pruned",
        "units.1",
        "standardizer.constant",
    ];
    assert!(optional.iter().all(|&name| expected.contains(name)), "{expected:?}");
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let mut refused = 0;
    for (at, bit) in (8..header).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << bit;
        // A flipped bit in a value goes unseen without a checksum; one in a name must not.
        match from_bytes(&bytes, "m") {
            Ok((again, user)) => assert_eq!(names(&to_bytes(&again, &user).unwrap()), expected),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 7 * (header - 8));
}

fn optimizer(rule: UpdateSettings) -> Optimizer {
    Optimizer {
        rule,
        learning_rate: 0.1,
        weight_decay: 0.0,
        l1: 0.0,
        schedule: Fall::Constant.into(),
        layer_rates: LayerRates::Equal,
    }
}

#[test]
fn the_moments_of_adam_come_back_and_are_checked() {
    let mut model = model(false);
    model.counters.steps = 7;
    let sgd =
        optimizer(UpdateSettings::Sgd { momentum: 0.9, nesterov: false, schedule_decay: false });
    let adam = optimizer(UpdateSettings::Adam { beta_1: 0.9, beta_2: 0.99, epsilon: 1e-8 });
    let plain = to_bytes(&model, &UserData::new()).unwrap();
    assert!(!String::from_utf8_lossy(&plain).contains("adam_since"));
    model.prepare_optimizer(&sgd).unwrap();
    assert_eq!(to_bytes(&model, &UserData::new()).unwrap(), plain);

    model.prepare_optimizer(&adam).unwrap();
    let bytes = to_bytes(&model, &UserData::new()).unwrap();
    let again = from_bytes(&bytes, "m").unwrap().0;
    assert_eq!(again.state(), Some(State { rule: UpdateKind::Adam, since: 7 }));
    assert_eq!(again.layers()[0].second_moment().len(), again.layers()[0].weights().nnz());
    assert_eq!(to_bytes(&again, &UserData::new()).unwrap(), bytes);
    let since = |steps| {
        move |header: &str| header.replace("\"adam_since\":7", &format!("\"adam_since\":{steps}"))
    };
    let with = |name, numbers: &[u32], steps| edited(&model, name, numbers, since(steps));
    assert!(with("other", &[], 3).ends_with("\"other\" is not a tensor of this model"));
    assert!(with("other", &[], 8).contains("expected at most the 7 steps trained"));
    assert!(with("layers.1.second_moment", &[0], 7).contains("layers.1.second_moment"));
    let twice = |header: &str| {
        header.replace("\"adam_since\":7", r#""adam_since":7,"state":{"rule":"adam","since":7}"#)
    };
    assert!(edited(&model, "other", &[], twice).contains("state: expected none beside adam_since"));

    model.prepare_optimizer(&sgd).unwrap();
    assert_eq!(to_bytes(&model, &UserData::new()).unwrap(), plain);
}

#[test]
fn the_momentum_of_lion_comes_back_as_lions() {
    let mut model = model(false);
    model.counters.steps = 7;
    let lion = optimizer(UpdateSettings::Lion { beta_1: 0.9, beta_2: 0.99 });
    model.prepare_optimizer(&lion).unwrap();
    let bytes = to_bytes(&model, &UserData::new()).unwrap();
    assert!(!names(&bytes).contains("adam_since") && names(&bytes).contains("state"));
    let again = from_bytes(&bytes, "m").unwrap().0;
    assert_eq!(again.state(), Some(State { rule: UpdateKind::Lion, since: 7 }));
    assert!(again.layers()[0].second_moment().is_empty());
    assert_eq!(to_bytes(&again, &UserData::new()).unwrap(), bytes);

    let with = |new: &'static str| {
        let change = move |header: &str| header.replace(r#""rule":"lion","since":7"#, new);
        edited(&model, "other", &[], change)
    };
    assert!(with(r#""rule":"lion","since":6"#).ends_with("is not a tensor of this model"));
    assert!(with(r#""rule":"lion","since":8"#).contains("expected at most the 7 steps trained"));
    let unknown = with(r#""rule":"tiger","since":7"#);
    assert!(unknown.contains("unknown variant `tiger`"), "{unknown}");
    for other in [r#""rule":"sgd","since":7"#, r#""rule":"adam","since":7"#] {
        assert!(with(other).contains("state: expected none"), "{other}");
    }
    assert!(with(r#""rule":"lion""#).contains("missing field `since`"));
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
