"""Words of other libraries by what they are given to: `_hints` says what is meant instead.

A meaning that is one name counts where there is such an argument; ``a|b`` are two to try.
"""

from __future__ import annotations

from collections.abc import Mapping

_WHOLE = "nothing, as a file holds the whole model"
_REPLACED = "nothing, as a file that exists is replaced"
_NO_CLIPPING = "nothing, as gradients are not clipped (SparseMLP(clip=3) limits inputs)"
_NETWORK = "nothing, as fit gives the network to it"
_QUIET = "nothing, as it prints nothing"
_RATE_FALLS = "schedule='exponential', or weight_decay"
_READY = "nothing, as its files are found or named in the error"
_LAYERS = "SparseMLP(..., epsilon=...) or SparseMLP(..., density=...)"
_HELD_OUT = "nothing, as a fifth is held out where the data have no test part"

_OPTIMIZERS = {
    **dict.fromkeys(("lr", "rate", "eta", "eta0", "alpha", "step_size"), "learning_rate"),
    "learning_rate_init": "learning_rate",
    "eps": "epsilon",
    "betas": "beta_1=... and beta_2=...",
    **dict.fromkeys(("beta1", "b1"), "beta_1"),
    **dict.fromkeys(("beta2", "b2", "rho"), "beta_2"),
    **dict.fromkeys(("decay", "lr_decay"), _RATE_FALLS),
    **dict.fromkeys(("wd", "l2", "l2_reg", "decoupled_weight_decay"), "weight_decay"),
    **dict.fromkeys(("scheduler", "lr_schedule", "lr_scheduler"), "schedule"),
    **dict.fromkeys(("warmup", "warmup_steps"), "schedule=trulysparse.Cosine(warmup=0.1)"),
    **dict.fromkeys(("clipnorm", "clipvalue", "global_clipnorm"), _NO_CLIPPING),
    **dict.fromkeys(("max_grad_norm", "grad_clip", "clip"), _NO_CLIPPING),
    **dict.fromkeys(("params", "parameters", "model"), _NETWORK),
    "nesterovs_momentum": "nesterov",
    "amsgrad": "nothing, as Adam has one form here",
    "dampening": "nothing, as momentum is not dampened",
}

_RULES = {
    **dict.fromkeys(("drop_fraction", "drop_rate", "death_rate", "prune_rate"), "zeta"),
    **dict.fromkeys(("prune_fraction", "fraction", "rate", "alpha"), "zeta"),
    **dict.fromkeys(("frequency", "interval", "delta_t", "update_freq", "epochs"), "every"),
    **dict.fromkeys(("begin", "begin_epoch", "start_epoch", "begin_step"), "start"),
    **dict.fromkeys(("end", "end_epoch", "stop_epoch", "t_end", "end_step"), "stop"),
    **dict.fromkeys(("decay", "scheduler", "zeta_schedule", "drop_schedule"), "schedule"),
    **dict.fromkeys(("sparsity", "density", "epsilon", "sparse_init"), _LAYERS),
    **dict.fromkeys(("growth", "grow", "growth_mode", "method"), "trulysparse.GradientGrowth()"),
}

_FILES = {
    **dict.fromkeys(("file", "filename", "filepath", "fname", "f"), "path|filename|filepath"),
    **dict.fromkeys(("path", "fp", "dirpath", "checkpoint_path"), "filepath|filename|path"),
}

_DATASETS = {
    **dict.fromkeys(("root", "data_home", "cache_dir", "folder"), "data_dir|path"),
    **dict.fromkeys(("path", "file", "filename", "filepath"), "path|data_dir"),
    **dict.fromkeys(("data_dir", "directory"), "path"),
    **dict.fromkeys(("random_state", "rng"), "seed"),
    **dict.fromkeys(("target", "target_column", "label_column", "y"), "label"),
    **dict.fromkeys(("n_features", "num_features"), "features"),
    **dict.fromkeys(("n_samples", "num_samples"), "samples"),
    "download": _READY,
    "return_X_y": "nothing, as x_train, y_train, x_test and y_test are attributes",
    "as_frame": "nothing, as x_train is an array (pandas.DataFrame(x_train))",
    **dict.fromkeys(("train", "split", "subset"), "nothing, as both parts are attributes"),
    **dict.fromkeys(("test_size", "validation_split"), _HELD_OUT),
    "transform": "nothing, as pixels are from 0 to 1",
}

_PLOTS = {
    "axes": "ax",
    "figsize": "ax, Axes of the size that you like",
    "title": "ax.set_title(...) of the Axes that are returned",
    "show": "matplotlib.pyplot.show() after it",
    **dict.fromkeys(("save", "savefig", "filename"), "path|ax.figure.savefig(...) after it"),
    **dict.fromkeys(("feature_names", "labels"), "names"),
    **dict.fromkeys(("n", "k", "max_display", "max_num_features", "top_k"), "top"),
    "model": "its first argument, as the docstring says",
}

OF: Mapping[str, Mapping[str, str]] = {
    # Classes: those of bases count for what is derived from them.
    "_Optimizer": _OPTIMIZERS,
    "SGD": {"nesterovs": "nesterov", "beta_1": "momentum", "beta": "momentum"},
    "Adam": {"momentum": "beta_1", "nesterov": "trulysparse.SGD(nesterov=...)"},
    "Lion": {"momentum": "beta_1", "nesterov": "trulysparse.SGD(nesterov=...)"},
    "_Scheduled": {
        **dict.fromkeys(("gamma", "decay_rate", "rate", "decay"), "factor"),
        **dict.fromkeys(("eta_min", "min_lr", "alpha", "final_lr"), "final, a share of the rate"),
        **dict.fromkeys(("warmup_steps", "warmup_epochs", "num_warmup_steps"), "warmup"),
        **dict.fromkeys(("step_size", "milestones", "boundaries", "drop_every"), "every"),
        **dict.fromkeys(
            ("T_max", "decay_steps", "total_steps", "epochs", "steps"),
            "nothing, as a schedule goes over all steps of a fit",
        ),
        **dict.fromkeys(
            ("lr", "learning_rate", "initial_learning_rate"),
            "learning_rate of the optimiser: trulysparse.SGD(learning_rate=...)",
        ),
        "optimizer": "trulysparse.SGD(schedule=...)",
        "staircase": "trulysparse.StepDecay()",
    },
    "Callback": {
        "verbose": _QUIET,
        **dict.fromkeys(("model", "optimizer"), _NETWORK),
        **dict.fromkeys(("metric", "scoring", "quantity"), "monitor"),
        **dict.fromkeys(("tol", "delta", "threshold", "epsilon", "min_change"), "min_delta"),
        **dict.fromkeys(
            ("rounds", "stopping_rounds", "early_stopping_rounds", "n_iter_no_change"), "patience"
        ),
        **dict.fromkeys(("restore_best", "restore_best_model"), "restore_best_weights"),
        **dict.fromkeys(("direction", "greater_is_better"), "mode"),
        **dict.fromkeys(("gamma", "decay"), "factor"),
        **dict.fromkeys(("eta_min", "min_learning_rate"), "min_lr"),
        "save_weights_only": _WHOLE,
        **dict.fromkeys(("save_freq", "period", "every_n_epochs"), "save_best_only"),
        **dict.fromkeys(("save_best", "save_top_k"), "save_best_only"),
        **dict.fromkeys(("lr_lambda", "func", "fn", "callable", "callback"), "schedule|function"),
        **dict.fromkeys(("sep", "delimiter"), "separator"),
        **dict.fromkeys(("log_dir", "output"), "filename"),
        **_FILES,
    },
    "Rule": _RULES,
    "ImportancePruning": {
        **{word: said for word, said in _RULES.items() if said != "zeta"},
        **dict.fromkeys(("amount", "ratio", "prune_ratio", "rate", "fraction"), "percentile"),
        **dict.fromkeys(("sparsity", "target_sparsity", "final_sparsity"), "percentile"),
    },
    "ImageAugmentation": {
        **dict.fromkeys(("rotation_range", "degrees", "angle"), "rotation"),
        **dict.fromkeys(("translate", "width_shift_range", "height_shift_range"), "shift"),
        **dict.fromkeys(("horizontal_flip", "flip", "hflip"), "mirror"),
        **dict.fromkeys(("size", "image_size", "input_shape", "image_shape"), "shape"),
    },
    "_Strategy": {
        **dict.fromkeys(("n_workers", "num_workers", "n_jobs", "processes"), "workers"),
        "threads": "threads=... of SparseMLP",
        **dict.fromkeys(("staleness", "max_delay"), "max_staleness"),
        **dict.fromkeys(("warmup", "warmup_steps"), "warmup_epochs"),
        "communicator": "comm",
    },
    # Functions and methods, and the rooms of functions.
    "datasets": _DATASETS,
    "plot": _PLOTS,
    "load": {
        **_FILES,
        **dict.fromkeys(("custom_objects", "compile", "weights_only", "safe_mode"), _WHOLE),
        **dict.fromkeys(("map_location", "device"), "nothing, as the processor computes"),
        **dict.fromkeys(("n_jobs", "num_threads"), "threads"),
    },
    "SparseMLP.save": {
        **_FILES,
        "overwrite": _REPLACED,
        **dict.fromkeys(("include_optimizer", "weights_only", "save_weights_only"), _WHOLE),
        **dict.fromkeys(
            ("save_format", "format", "protocol", "compress"),
            "nothing, as a file is one of safetensors",
        ),
        "metadata": "model.metadata, which is saved",
    },
    "SparseMLP.prune": {
        **dict.fromkeys(("amount", "ratio", "sparsity", "fraction"), "percentile"),
        "pruning": "percentile, threshold or tolerance",
    },
    "read_table": {
        **_FILES,
        **dict.fromkeys(("sep", "delimiter"), "separator"),
        **dict.fromkeys(("target", "target_column", "y"), "label"),
        **dict.fromkeys(("usecols", "features"), "columns"),
        **dict.fromkeys(("na_values", "null_values", "missing_values"), "missing"),
        **dict.fromkeys(("index_col", "index", "id"), "ids"),
        **dict.fromkeys(("quotechar", "quote_char"), "quote"),
        **dict.fromkeys(
            ("nrows", "n_rows"), "nothing, as all rows are read (open_table by blocks)"
        ),
        **dict.fromkeys(("dtype", "schema"), "text, the columns that are no numbers"),
    },
    "open_table": {
        **_FILES,
        **dict.fromkeys(("target", "target_column", "y"), "label"),
        **dict.fromkeys(("usecols", "features"), "columns"),
        **dict.fromkeys(("index_col", "index", "id"), "ids"),
        **dict.fromkeys(("chunksize", "batch_size", "block_size"), "buffer_rows"),
    },
    "preset": {**dict.fromkeys(("dataset", "data_set"), "data"), "n_samples": "samples"},
}

_OWN = "SparseMLP([784, 100, 10]), which has its layers from the start"
_TABLES = "SparseMLPClassifier() or SparseMLPRegressor() for a table"
_ARRAYS = "arrays, or an iterator of batches (x, y), which fit takes as they are"
_TEXT_LOSS = "SparseMLP(..., loss='cross_entropy') or another name"
_TEXT_LAYER = "SparseMLP(..., activation='relu') or another name"
_OTHER_OPTIMIZER = "Adam, SGD or Lion"

# Names in modules: of other libraries, and of here where one looks for them elsewhere.
NAMES: Mapping[str, str] = {
    **dict.fromkeys(("Sequential", "Model", "Module", "Dense", "Linear", "Input"), _OWN),
    **dict.fromkeys(("Network", "MLP", "NeuralNetwork", "Net", "nn", "layers", "models"), _OWN),
    **dict.fromkeys(("SparseLinear", "SparseDense", "SparseLayer", "InputLayer"), _OWN),
    "Dropout": "SparseMLP(..., dropout=0.3)",
    **dict.fromkeys(("BatchNormalization", "BatchNorm1d"), "SparseMLP(..., standardize=True)"),
    **dict.fromkeys(("Activation", "ReLU"), _TEXT_LAYER),
    **dict.fromkeys(("CrossEntropyLoss", "MSELoss", "BCELoss", "Huber"), _TEXT_LOSS),
    **dict.fromkeys(("load_model", "from_file", "read_model", "restore"), "load"),
    **dict.fromkeys(("save", "save_model", "dump"), "model.save(path)"),
    "AdamW": "Adam(weight_decay=...), which is AdamW",
    **dict.fromkeys(("RMSprop", "Adagrad", "Adadelta", "Nadam", "LBFGS"), _OTHER_OPTIMIZER),
    **dict.fromkeys(("Adamax", "RAdam", "Optimizer"), _OTHER_OPTIMIZER),
    **dict.fromkeys(("CosineAnnealingLR", "CosineDecay", "CosineAnnealing"), "Cosine"),
    **dict.fromkeys(("StepLR", "MultiStepLR", "PiecewiseConstantDecay"), "StepDecay"),
    **dict.fromkeys(("ExponentialLR",), "ExponentialDecay"),
    **dict.fromkeys(("LRScheduler", "LambdaLR"), "LearningRateScheduler"),
    **dict.fromkeys(("train", "fit"), "SparseMLP([784, 100, 10]).fit(x, y)"),
    **dict.fromkeys(("predict", "evaluate"), "a method of a model: model.predict(x)"),
    **dict.fromkeys(("Dataset", "DataLoader", "TensorDataset"), _ARRAYS),
    **dict.fromkeys(("MLPClassifier", "Classifier", "SparseClassifier"), "SparseMLPClassifier"),
    **dict.fromkeys(("MLPRegressor", "Regressor", "SparseRegressor"), "SparseMLPRegressor"),
    **dict.fromkeys(("FeatureSelector", "SelectKBest", "RFE"), "SparseFeatureSelector"),
    **dict.fromkeys(("XGBClassifier", "LGBMClassifier", "RandomForestClassifier"), _TABLES),
    **dict.fromkeys(("XGBRegressor", "LGBMRegressor", "RandomForestRegressor"), _TABLES),
    **dict.fromkeys(("RigL", "GraNet", "RigLScheduler"), "GradientGrowth"),
    **dict.fromkeys(("Pruning", "prune", "Pruner"), "ImportancePruning"),
    **dict.fromkeys(("Checkpoint", "SaveBest", "BestModel"), "ModelCheckpoint"),
    **dict.fromkeys(("TensorBoard", "WandbCallback", "LambdaCallback"), "MetricsLogger"),
    **dict.fromkeys(("device", "cuda"), "nothing, as the processor computes"),
    **dict.fromkeys(("set_seed", "manual_seed", "set_random_seed"), "SparseMLP(..., seed=0)"),
    **dict.fromkeys(("read_csv", "load_csv", "read_parquet"), "read_table"),
    **dict.fromkeys(("load_mnist", "mnist", "fashion_mnist"), "datasets.load_fashion_mnist"),
    **dict.fromkeys(("make_classification", "make_regression"), "datasets.load_synthetic"),
    "load_digits": "datasets.load_digits",
}

# What one may set on a model, and what one cannot.
ASSIGNED: Mapping[str, str] = {
    "trainable": "nothing, as a fit trains all layers",
    **dict.fromkeys(
        ("lr", "rate"),
        "learning_rate, which callbacks may set, or fit(optimizer=trulysparse.SGD(...))",
    ),
    **dict.fromkeys(("n_jobs", "num_threads", "nthread"), "threads"),
    "stop": "stop_training",
}
