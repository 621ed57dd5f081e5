//! Model files: what comes back, and what is refused.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value, json};
use trulysparse::checkpoint::{self, UserData};
use trulysparse::error::{Error, Result};
use trulysparse::nn::{
    Activation, ActivationKind, Config, Cut, Fall, LayerRates, Mlp, Optimizer, Pruning, Sparsity,
    Standardize, Standardizer, State, UpdateKind, UpdateSettings,
};
use trulysparse::parallel::Par;
use trulysparse::watch::Watch;

fn to_bytes(model: &Mlp, user: &UserData) -> Result<Vec<u8>> {
    checkpoint::to_bytes(model, user, &mut Watch::none())
}

fn from_bytes(bytes: &[u8], name: &str) -> Result<(Mlp, UserData)> {
    let loaded = checkpoint::from_bytes(bytes, name, &mut Watch::none())?;
    Ok((loaded.model, loaded.user))
}

fn save(model: &Mlp, user: &UserData, path: &Path) -> Result<()> {
    checkpoint::save(model, user, path, &mut Watch::none())
}

fn model(standardize: bool) -> Mlp {
    let config = Config {
        sparsity: Sparsity::Density(0.5.into()),
        activation: Activation { kind: ActivationKind::AllRelu.into(), slope: 0.6 },
        input_noise: 0.25,
        standardize: if standardize { Standardize::All } else { Standardize::None },
        seed: 1,
        ..Config::plain(vec![3, 4, 2])
    };
    Mlp::new(&Par::seq(), config).unwrap()
}

#[test]
fn the_same_model_gives_the_same_bytes_and_comes_back() {
    let mut model = model(true);
    let statistics =
        Standardizer::of_first_models(vec![1e9 + 0.25; 3], vec![0.1; 3], Vec::new()).unwrap();
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
    assert_eq!(checkpoint::load(&path, &mut Watch::new(&mut look)).unwrap().user, user);
    assert!(last.0 == last.1 && last.0 > 0);
}

/// A file taken apart: its metadata's text, and its tensors but for the checksums.
struct Parts {
    header: String,
    tensors: BTreeMap<String, (Dtype, Vec<u8>)>,
}

impl Parts {
    fn of(bytes: &[u8]) -> Self {
        let (_, metadata) = SafeTensors::read_metadata(bytes).unwrap();
        let header = metadata.metadata().as_ref().unwrap()["trulysparse"].clone();
        let all = SafeTensors::deserialize(bytes).unwrap();
        let own = |(name, view): (&str, TensorView<'_>)| {
            (name.to_string(), (view.dtype(), view.data().to_vec()))
        };
        let tensors = all.iter().filter(|(name, _)| *name != "checksums").map(own).collect();
        Parts { header, tensors }
    }

    /// The file again, with the checksums that it then has, if its version has some.
    fn bytes(&self) -> Vec<u8> {
        let mut tensors = Map::new();
        let mut data = Vec::new();
        let mut sums = Vec::new();
        let mut tensor = |name: &str, dtype: Dtype, bytes: usize, data: &[u8]| {
            let (start, width) = (data.len(), dtype.bitsize() / 8);
            let offsets = [start, start + bytes];
            let info = json!({"dtype": dtype, "shape": [bytes / width], "data_offsets": offsets});
            tensors.insert(name.to_string(), info);
        };
        for (name, (dtype, bytes)) in &self.tensors {
            tensor(name, *dtype, bytes.len(), &data);
            data.extend_from_slice(bytes);
            sums.extend(bytes.chunks(1 << 20).map(crc32fast::hash));
        }
        let checked = !self.header.contains(r#""version":1"#);
        if checked {
            tensor("checksums", Dtype::U32, 4 * (1 + sums.len()), &data);
        }
        tensors.insert("__metadata__".into(), json!({"trulysparse": self.header}));
        let text = Value::Object(tensors).to_string();
        let mut file = (text.len() as u64).to_le_bytes().to_vec();
        file.extend_from_slice(text.as_bytes());
        sums.insert(0, crc32fast::hash(&file));
        file.append(&mut data);
        if checked {
            sums.iter().for_each(|sum| file.extend_from_slice(&sum.to_le_bytes()));
        }
        file
    }
}

#[test]
fn the_library_reads_a_file_and_would_write_the_same_tensors() {
    let mut model = model(true);
    let statistics = Standardizer::of_first_models(vec![0.5; 3], vec![2.0; 3], Vec::new()).unwrap();
    model.set_standardizer(statistics).unwrap();
    model.prune(&Par::seq(), &Pruning { cut: Cut::Percentile(40.0.into()), close: true }).unwrap();
    let bytes = to_bytes(&model, &UserData::from([("a".into(), "ü\n".into())])).unwrap();
    let (head, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!(head % 8, 0);
    assert_eq!(metadata.offset_keys().last().unwrap(), "checksums");
    let mut tensors = SafeTensors::deserialize(&bytes).unwrap().tensors();
    tensors.retain(|(name, _)| name != "checksums");
    let theirs = safetensors::serialize(tensors, metadata.metadata().clone()).unwrap();
    let start = |bytes: &[u8]| 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let data = &theirs[start(&theirs)..];
    assert_eq!(&bytes[start(&bytes)..][..data.len()], data);
    // What takes files apart below puts them together as the model's own file reads.
    let again = Parts::of(&bytes).bytes();
    let (read, user) = from_bytes(&again, "m").unwrap();
    assert_eq!(to_bytes(&read, &user).unwrap(), bytes);
}

/// The file as version 1 has it.
fn first_version(whole: &[u8]) -> Parts {
    let mut parts = Parts::of(whole);
    let mut header: Value = serde_json::from_str(&parts.header).unwrap();
    let fields = header.as_object_mut().unwrap();
    fields.insert("version".into(), 1.into());
    for name in ["package", "inputs_seen", "targets_seen"] {
        fields.remove(name);
    }
    fields["config"].as_object_mut().unwrap().remove("standardize_targets");
    fields["counters"].as_object_mut().unwrap().remove("changed_after");
    if let Some(state) = fields.remove("state").filter(|state| !state.is_null()) {
        match state["rule"] == "adam" {
            true => fields.insert("adam_since".into(), state["since"].clone()),
            false => fields.insert("state".into(), state),
        };
    }
    if fields["original_layer_sizes"].is_null() {
        fields.remove("original_layer_sizes");
    }
    parts.header = header.to_string();
    parts
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
    let statistics = Standardizer::of_first_models(vec![0.0; 3], vec![1.0; 3], Vec::new()).unwrap();
    let error = model(false).set_standardizer(statistics).unwrap_err().to_string();
    assert!(error.contains("standardize is false"));
    let statistics = Standardizer::of_first_models(vec![0.0; 2], vec![1.0; 2], Vec::new()).unwrap();
    assert!(model(true).set_standardizer(statistics).is_err());
}

#[test]
fn a_missing_tensor_is_named_once() {
    let mut parts = Parts::of(&to_bytes(&model(false), &UserData::new()).unwrap());
    parts.tensors.remove("layers.0.indices");
    assert_eq!(
        from_bytes(&parts.bytes(), "m").unwrap_err().to_string(),
        "m: not a valid trulysparse model: layers.0.indices is missing"
    );
}

#[test]
fn pruned_and_compacted_models_come_back() {
    let par = Par::seq();
    let mut model = model(true);
    let statistics = Standardizer::of_first_models(vec![0.5; 3], vec![2.0; 3], Vec::new()).unwrap();
    model.set_standardizer(statistics).unwrap();
    let before = model.try_clone().unwrap();
    let statistics =
        Standardizer::of_first_models(vec![0.5; 3], vec![1.0; 3], vec![0, 1, 2]).unwrap();
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
    assert!(Parts::of(&names).header.contains(r#""original_layer_sizes":null"#));
}

/// What is said of a file with a tensor of 32-bit numbers added or replaced, and its header edited.
fn edited(model: &Mlp, name: &str, numbers: &[u32], edit: impl Fn(&str) -> String) -> String {
    let mut parts = Parts::of(&to_bytes(model, &UserData::new()).unwrap());
    parts.header = edit(&parts.header);
    let bytes = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    parts.tensors.insert(name.to_string(), (Dtype::U32, bytes));
    said(&parts)
}

/// What is said of a file.
fn said(parts: &Parts) -> String {
    match from_bytes(&parts.bytes(), "m") {
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
        move |header: &str| {
            let none = "\"original_layer_sizes\":null";
            assert!(header.contains(none));
            header.replace(none, &none.replace("null", sizes))
        }
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

/// A model whose file has every optional part but those of SReLU.
fn manifold() -> Mlp {
    let par = Par::seq();
    let adam = UpdateSettings::Adam { beta_1: 0.9, beta_2: 0.99, epsilon: 1e-8 };
    let config = Config {
        layer_sizes: vec![6, 20, 9, 2],
        label_smoothing: 0.25,
        ..model(true).config().clone()
    };
    let mut model = Mlp::new(&par, config).unwrap();
    let constant = (0..6).collect();
    let statistics = Standardizer::of_first_models(vec![0.5; 6], vec![1.0; 6], constant).unwrap();
    model.set_standardizer(statistics).unwrap();
    model.prune(&par, &Pruning { cut: Cut::Percentile(40.0.into()), close: true }).unwrap();
    model.compact(&par, true).unwrap();
    model.prune(&par, &Pruning { cut: Cut::Percentile(40.0.into()), close: true }).unwrap();
    model.prepare_optimizer(&Par::seq(), &optimizer(adam)).unwrap();
    model
}

#[test]
fn every_flipped_bit_is_an_error() {
    let whole = to_bytes(&manifold(), &UserData::from([("a".into(), "b".into())])).unwrap();
    from_bytes(&whole, "m").unwrap();
    for at in 0..8 * whole.len() {
        let mut bytes = whole.clone();
        bytes[at / 8] ^= 1 << (at % 8);
        assert!(from_bytes(&bytes, "m").is_err(), "bit {} of byte {}", at % 8, at / 8);
    }
}

#[test]
fn every_piece_of_a_large_tensor_has_a_checksum() {
    let config = Config {
        sparsity: Sparsity::Density(1.0.into()),
        seed: 1,
        ..Config::plain(vec![1200, 512, 2])
    };
    let model = Mlp::new(&Par::seq(), config).unwrap();
    let whole = to_bytes(&model, &UserData::new()).unwrap();
    from_bytes(&whole, "m").unwrap();
    let step = whole.len() / 40;
    for at in (0..40).map(|k| k * step).chain([whole.len() - 1]) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        assert!(from_bytes(&bytes, "m").is_err(), "byte {at}");
    }
    let (_, metadata) = SafeTensors::read_metadata(&whole).unwrap();
    let (from, _) = metadata.info("layers.0.data").unwrap().data_offsets;
    let mut bytes = whole.clone();
    bytes[8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize + from + (1 << 20)] ^= 1;
    let error = from_bytes(&bytes, "m").unwrap_err().to_string();
    assert!(error.ends_with("layers.0.data is damaged: its bytes do not have their checksum"));
}

#[test]
fn a_version_that_was_damaged_is_refused() {
    let whole = to_bytes(&manifold(), &UserData::new()).unwrap();
    let versions = |parts: &Parts, from: u32| {
        let mut damaged = Parts { header: parts.header.clone(), tensors: parts.tensors.clone() };
        let version = |v: u32| format!("\"version\":{v}");
        assert!(damaged.header.contains(&version(from)));
        damaged.header = damaged.header.replace(&version(from), &version(3 - from));
        damaged
    };
    // Without their checksums the fields differ.
    let second = said(&versions(&Parts::of(&whole), 2));
    assert!(second.contains("unknown field"), "{second}");
    let first = said(&versions(&first_version(&whole), 1));
    assert!(first.contains("missing field") || first.contains("unknown field"), "{first}");
    // With fields of version 1 and checksums, these are an unknown tensor.
    let mut parts = first_version(&whole);
    parts.tensors.insert("checksums".into(), (Dtype::U32, vec![0; 4]));
    assert!(from_bytes(&parts.bytes(), "m").is_err());
    let mut parts = first_version(&whole);
    parts.tensors.insert("sums".into(), (Dtype::U32, vec![0; 4]));
    assert!(said(&parts).contains("\"sums\" is not a tensor of this model"));
    let mut parts = Parts::of(&whole);
    parts.header = parts.header.replace("\"version\":2", "\"version\":3");
    let newer = said(&parts);
    assert!(newer.contains("format version 3 (by 0."), "{newer}");
    assert!(newer.contains("expected at most 2, which 0."), "{newer}");
}

#[test]
fn a_damaged_name_in_a_file_of_version_1_takes_nothing_away() {
    let whole = first_version(&to_bytes(&manifold(), &UserData::new()).unwrap()).bytes();
    let again = from_bytes(&whole, "m").unwrap().0;
    let expected = names(&to_bytes(&again, &UserData::new()).unwrap());
    assert_eq!(expected, names(&to_bytes(&manifold(), &UserData::new()).unwrap()));
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

#[test]
fn what_version_1_could_lack_has_its_value_of_then() {
    let mut parts = first_version(&to_bytes(&model(false), &UserData::new()).unwrap());
    for (name, value) in [("input_noise", "0.25"), ("label_smoothing", "0.0")] {
        let field = format!("\"{name}\":{value},");
        assert!(parts.header.contains(&field), "{}", parts.header);
        parts.header = parts.header.replace(&field, "");
    }
    let again = from_bytes(&parts.bytes(), "m").unwrap().0;
    assert_eq!((again.config().input_noise, again.config().label_smoothing), (0.0, 0.0));
}

#[test]
fn unknown_and_missing_fields_are_errors() {
    /// Every object in a value, by the names that lead to it.
    fn objects(value: &Value, path: Vec<String>, found: &mut Vec<Vec<String>>) {
        for (name, inner) in value.as_object().into_iter().flatten() {
            let path = path.iter().cloned().chain([name.clone()]).collect();
            objects(inner, path, found);
        }
        if value.is_object() {
            found.push(path);
        }
    }
    let parts = Parts::of(&to_bytes(&manifold(), &UserData::new()).unwrap());
    let whole: Value = serde_json::from_str(&parts.header).unwrap();
    let refused = |header: &Value| {
        let tensors = parts.tensors.clone();
        let changed = said(&Parts { header: header.to_string(), tensors });
        assert_ne!(changed, "fine", "{header}");
    };
    let mut found = Vec::new();
    objects(&whole, Vec::new(), &mut found);
    let user = found.iter().position(|path| path == &["user"]).unwrap();
    found.remove(user); // the caller's own
    assert!(found.len() >= 6, "{found:?}");
    for path in &found {
        let place = path.iter().map(|name| format!("/{name}")).collect::<String>();
        let object = whole.pointer(&place).unwrap().as_object().unwrap();
        for name in object.keys() {
            let mut header = whole.clone();
            header.pointer_mut(&place).unwrap().as_object_mut().unwrap().remove(name);
            refused(&header);
        }
        let mut header = whole.clone();
        header
            .pointer_mut(&place)
            .unwrap()
            .as_object_mut()
            .unwrap()
            .insert("later".into(), 1.into());
        refused(&header);
    }
}

#[test]
fn numbers_of_a_model_that_diverged_are_told() {
    let mut parts = Parts::of(&to_bytes(&manifold(), &UserData::new()).unwrap());
    let diverged = |parts: &Parts| {
        checkpoint::from_bytes(&parts.bytes(), "m", &mut Watch::none()).unwrap().diverged
    };
    assert!(diverged(&parts).is_empty());
    for (name, value) in [("layers.0.data", f32::NAN), ("layers.1.bias_momentum", f32::INFINITY)] {
        let bytes = &mut parts.tensors.get_mut(name).unwrap().1;
        bytes[..4].copy_from_slice(&value.to_le_bytes());
    }
    assert_eq!(diverged(&parts), ["layers.0.data", "layers.1.bias_momentum"]);
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
    assert!(Parts::of(&plain).header.contains(r#""state":null"#));
    model.prepare_optimizer(&Par::seq(), &sgd).unwrap();
    assert_eq!(to_bytes(&model, &UserData::new()).unwrap(), plain);

    model.prepare_optimizer(&Par::seq(), &adam).unwrap();
    let bytes = to_bytes(&model, &UserData::new()).unwrap();
    let again = from_bytes(&bytes, "m").unwrap().0;
    assert_eq!(again.state(), Some(State { rule: UpdateKind::Adam, since: 7 }));
    assert_eq!(again.layers()[0].second_moment().len(), again.layers()[0].weights().nnz());
    assert_eq!(to_bytes(&again, &UserData::new()).unwrap(), bytes);
    let since =
        |steps| move |header: &str| header.replace("\"since\":7", &format!("\"since\":{steps}"));
    let with = |name, numbers: &[u32], steps| edited(&model, name, numbers, since(steps));
    assert!(with("other", &[], 3).ends_with("\"other\" is not a tensor of this model"));
    assert!(with("other", &[], 8).contains("expected at most the 7 steps trained"));
    assert!(with("layers.1.second_moment", &[0], 7).contains("layers.1.second_moment"));
    let mut first = first_version(&bytes);
    assert!(first.header.contains("\"adam_since\":7"));
    let mut again = from_bytes(&first.bytes(), "m").unwrap().0;
    again.counters.changed_after = model.counters.changed_after; // not known to version 1
    assert_eq!(to_bytes(&again, &UserData::new()).unwrap(), bytes);
    let twice = r#""adam_since":7,"state":{"rule":"adam","since":7}"#;
    first.header = first.header.replace("\"adam_since\":7", twice);
    assert!(said(&first).contains("state: expected none beside adam_since"));
    first.header = first.header.replace("\"adam_since\":7,", "");
    assert!(said(&first).contains("state: expected none beside adam_since, nor that of adam"));

    model.prepare_optimizer(&Par::seq(), &sgd).unwrap();
    assert_eq!(to_bytes(&model, &UserData::new()).unwrap(), plain);
}

#[test]
fn the_momentum_of_lion_comes_back_as_lions() {
    let mut model = model(false);
    model.counters.steps = 7;
    let lion = optimizer(UpdateSettings::Lion { beta_1: 0.9, beta_2: 0.99 });
    model.prepare_optimizer(&Par::seq(), &lion).unwrap();
    let bytes = to_bytes(&model, &UserData::new()).unwrap();
    let first = first_version(&bytes);
    assert!(first.header.contains(r#""rule":"lion"#) && !first.header.contains("adam_since"));
    let mut again = from_bytes(&first.bytes(), "m").unwrap().0;
    again.counters.changed_after = model.counters.changed_after; // not known to version 1
    assert_eq!(to_bytes(&again, &UserData::new()).unwrap(), bytes);
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
    assert!(with(r#""rule":"sgd","since":7"#).contains("state: expected none for sgd"));
    assert!(with(r#""rule":"adam","since":7"#).contains("second_moment is missing"));
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
