"""Fitting a network: `transformers.Trainer` with our own batches, our own score, and checkpoints
that an interrupted training goes on from.

The Trainer brings mixed precision on a GPU, several GPUs (`accelerate launch`), the schedule of
the learning rate and checkpoints. Ours are the order of the sentences (of like length
together, by seed and epoch), the score (strict span F1 of the validation documents, both layers
counted together), and what a checkpoint must be to go on from it.
"""

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from torch.utils.data import Sampler

from annotate.document import Document
from annotate.errors import DataError
from annotate.files import open_output
from baselines.neural import (
    Network,
    NeuralModel,
    Reader,
    collate_tags,
    label_chunk,
    mask_of,
    memory_errors,
)
from baselines.training import (
    LabelSet,
    Point,
    Progress,
    TaggedSentence,
    TrainingCounts,
    hash_documents,
    is_first_process,
    measure_validation,
)

try:
    from transformers import (
        EarlyStoppingCallback,
        PrinterCallback,
        Trainer,
        TrainerCallback,
        TrainingArguments,
        set_seed,
    )
    from transformers.trainer_utils import get_last_checkpoint
    from transformers.utils import logging as transformers_logging
except ImportError as error:  # pragma: no cover (the extra is there in tests)
    raise DataError(f"{error.name} is not installed; pip install 'vipol[transformer]'") from None

RUN_NAME = "run.json"

Model = TypeVar("Model", bound=NeuralModel)


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How a network is fitted.

    learning_rate: the highest, reached after the share `warmup` of all steps, then falling to 0.
    head_learning_rate: of all that is new (the head), where it differs. accumulate: batches to
    one step. patience: epochs without a better validation F1 before stopping. batch_size: in
    sentences, on each device.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    head_learning_rate: float | None = None
    weight_decay: float = 0.01
    warmup: float = 0.1
    patience: int = 5
    accumulate: int = 1

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience", "accumulate"):
            if getattr(self, name) < 1:
                raise DataError(f"{name} is {getattr(self, name)}; wanted 1 or more")
        if not self.learning_rate > 0:
            raise DataError(f"learning_rate is {self.learning_rate}; wanted more than 0")


def checkpoint_folder(output: str | Path) -> Path:
    """Where the checkpoints of a model that will be `output` lie until its training is done."""
    path = Path(output).absolute()
    return path.with_name(f"{path.name}.checkpoints")


def fit(
    network: Network,
    reader: Reader,
    sentences: Sequence[TaggedSentence],
    labels: LabelSet,
    *,
    validation: Sequence[Document] | None,
    settings: FitSettings,
    seed: int,
    output: str | Path,
    run: Mapping[str, Any],
    resume: bool,
    progress: Progress | None = None,
) -> list[Point]:
    """Fit the network in place; the course of the training.

    With validation documents the weights of the best epoch are kept and the training stops early;
    without, the last are. A checkpoint is written after each epoch; `resume` goes on from the
    last one. `run` says what was asked for: it must be the same when going on.

    The caller removes `checkpoint_folder(output)` once the model is written. Raises DataError
    for checkpoints that are there and not asked for, that do not fit or cannot be read, and where
    the memory does not suffice.
    """
    folder = checkpoint_folder(output)
    start = _find_start(folder, run, network) if resume else None
    if not resume:
        _open_run(folder, run)
    items = [
        (reader.read(sentence.text, sentence.tokens), sentence.outer, sentence.hosts)
        for sentence in sentences
    ]

    def collate(batch: Sequence[Any]) -> dict[str, Any]:
        inputs = reader.collate([item[0] for item in batch])
        tags = collate_tags([item[1] for item in batch], [item[2] for item in batch])
        return {"inputs": inputs, "mask": mask_of([len(item[1]) for item in batch]), **tags}

    def score() -> float:
        if not validation:
            return 0.0
        return score_network(network, reader, labels, validation, settings.batch_size)

    with quiet(), memory_errors(settings.batch_size):
        set_seed(seed)
        trainer = _OurTrainer(
            model=network,
            args=_arguments(folder, settings, seed, len(items), bool(validation)),
            train_dataset=items,
            eval_dataset=items[:1] if validation else None,  # never read: `score` is ours
            data_collator=collate,
            callbacks=_callbacks(settings, bool(validation), progress),
        )
        trainer.score = score
        trainer.head_learning_rate = settings.head_learning_rate
        trainer.order = _ByLength([len(item[1]) for item in items], settings.batch_size, seed)
        trainer.remove_callback(PrinterCallback)
        trainer.train(resume_from_checkpoint=str(start) if start else None)
    network.eval()
    return _history(trainer.state.log_history)


def score_network(
    network: Network,
    reader: Reader,
    labels: LabelSet,
    documents: Sequence[Document],
    batch_size: int,
) -> float:
    """Strict span F1 of both layers counted together, between 0 and 1."""
    found = label_chunk(network, reader, labels, documents, "", batch_size)
    pairs = zip(documents, found, strict=True)
    f1: float = measure_validation(documents, [one.with_spans(spans) for one, spans in pairs])["f1"]
    return f1


def fit_model(
    kind: type[Model],
    network: Network,
    reader: Reader,
    data: tuple[list[list[TaggedSentence]], LabelSet, TrainingCounts],
    *,
    about: Mapping[str, Any],
    validation: Sequence[Document] | None,
    settings: FitSettings,
    seed: int,
    output: str | Path,
    resume: bool,
    progress: Progress | None,
) -> Model:
    """Fit a network on what `read_training` gave (see `fit`), and write it as the model folder
    `output`. `about` is what its kind adds to the settings in its card."""
    tagged, labels, counts = data
    how = {**about, "fit": asdict(settings)}
    run = {
        "kind": kind.kind,
        **how,
        "seed": seed,
        "labels": asdict(labels),
        "training": counts.sha256,
        "validation": None if validation is None else hash_documents(validation),
    }
    history = fit(
        network,
        reader,
        [sentence for page in tagged for sentence in page],
        labels,
        validation=validation,
        settings=settings,
        seed=seed,
        output=output,
        run=run,
        resume=resume,
        progress=progress,
    )
    model = kind(
        network=network,
        reader=reader,
        labels=labels,
        settings=how,
        seed=seed,
        training=counts,
        validation=None,
        history=tuple(history),
        libraries={name: version(name) for name in ("torch", "transformers", "vipol")},
    )
    if is_first_process():
        if validation is not None:
            found = model.label_documents(validation, settings.batch_size)
            model = replace(model, validation=measure_validation(validation, found))
        model.save(output)
        close_run(output)
    return model


# --- the Trainer, as we use it --------------------------------------------------------------


class _OurTrainer(Trainer):
    score: Callable[[], float]
    head_learning_rate: float | None
    order: "_ByLength"

    def _get_train_sampler(self, train_dataset: Any = None) -> "_ByLength":
        return self.order

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        metrics = {"eval_f1": self.score()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def create_optimizer(self, model: Any = None) -> Any:
        """The Trainer's optimizer, what is new in a group of its own where it has its own rate."""
        optimizer = super().create_optimizer(model)
        if self.head_learning_rate is None:
            return optimizer
        assert self.model is not None
        old = {id(p) for n, p in self.model.named_parameters() if n.startswith("encoder.")}
        for group in list(optimizer.param_groups):
            new = [p for p in group["params"] if id(p) not in old]
            group["params"] = [p for p in group["params"] if id(p) in old]
            if new:
                optimizer.add_param_group({**group, "params": new, "lr": self.head_learning_rate})
        return optimizer


class _ByLength(Sampler[int]):
    """All sentences in an order of chance, those of like length in one batch. The order depends
    on the seed and the epoch alone, so a training that goes on has the same."""

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self.lengths = lengths
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        chance = random.Random(f"{self.seed} {self.epoch}")
        shuffled = chance.sample(range(len(self.lengths)), len(self.lengths))
        pool = self.batch_size * 50  # sorting all would put the same sentences together each time
        batches: list[list[int]] = []
        rest: list[int] = []
        for first in range(0, len(shuffled), pool):
            by_length = sorted(shuffled[first : first + pool], key=lambda n: self.lengths[n])
            for place in range(0, len(by_length), self.batch_size):
                batch = by_length[place : place + self.batch_size]
                if len(batch) == self.batch_size:
                    batches.append(batch)
                else:
                    rest += batch  # a batch that is not full would shift all behind it
        chance.shuffle(batches)
        yield from (number for batch in batches for number in batch)
        yield from rest


class _Steps(TrainerCallback):
    """Tells how far the training is."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.progress(state.global_step, state.max_steps)


def _callbacks(
    settings: FitSettings, validated: bool, progress: Progress | None
) -> list[TrainerCallback]:
    callbacks: list[TrainerCallback] = []
    if validated:
        callbacks.append(EarlyStoppingCallback(early_stopping_patience=settings.patience))
    if progress:
        callbacks.append(_Steps(progress))
    return callbacks


def _arguments(
    folder: Path, settings: FitSettings, seed: int, sentences: int, validated: bool
) -> TrainingArguments:
    import torch

    processes = int(os.environ.get("WORLD_SIZE", "1"))
    at_once = settings.batch_size * settings.accumulate * processes
    steps = -(-sentences // at_once)
    gpu = torch.cuda.is_available()
    bfloat = gpu and torch.cuda.is_bf16_supported()
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.accumulate,
        num_train_epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        warmup_steps=round(settings.warmup * steps * settings.epochs),
        max_grad_norm=1.0,
        seed=seed,
        bf16=bfloat,
        fp16=gpu and not bfloat,
        use_cpu=not gpu,
        logging_steps=max(1, steps // 10),
        eval_strategy="epoch" if validated else "no",
        save_strategy="epoch",
        save_total_limit=2,
        load_best_model_at_end=validated,
        metric_for_best_model="f1" if validated else None,
        greater_is_better=True if validated else None,
        dataloader_pin_memory=gpu,
        remove_unused_columns=False,
        disable_tqdm=True,
        report_to="none",
    )
    if processes == 1 and gpu:
        # Several GPUs work as several processes (accelerate launch). The Trainer would cut each
        # batch by its first dimension, which is sentences in one tensor and hosts in another.
        arguments._n_gpu = 1
    return arguments


def _history(log: Sequence[Mapping[str, Any]]) -> list[Point]:
    points: list[Point] = []
    for entry in log:
        if "loss" in entry or "eval_f1" in entry:
            points.append(
                Point(
                    step=int(entry["step"]),
                    epoch=round(float(entry["epoch"]), 3),
                    loss=entry.get("loss"),
                    f1=entry.get("eval_f1"),
                )
            )
    return points


@contextmanager
def quiet() -> Iterator[None]:
    """No notes of the library on the terminal: what matters is returned or raised."""
    before = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        transformers_logging.set_verbosity(before)
        if bars:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]


# --- checkpoints ----------------------------------------------------------------------------


def _open_run(folder: Path, run: Mapping[str, Any]) -> None:
    """Make the folder of checkpoints and note what was asked for."""
    if not is_first_process():
        return
    if any(folder.glob("checkpoint-*/trainer_state.json")):
        raise DataError(
            f"{folder}: holds a training that was interrupted; go on with --resume, "
            "or remove the folder"
        )
    with open_output(folder / RUN_NAME) as stream:
        stream.write(json.dumps(dict(run), ensure_ascii=False, indent=2) + "\n")


def _find_start(folder: Path, run: Mapping[str, Any], network: Network) -> Path | None:
    """The checkpoint to go on from; None where the first epoch was not done.

    Raises DataError where there is none, or where it is of another training.
    """
    try:
        before = json.loads((folder / RUN_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(
            f"{folder}: no training to go on with; start one without --resume"
        ) from None
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder / RUN_NAME}: cannot be read ({error}); remove the folder and start anew"
        ) from None
    wanted = json.loads(json.dumps(dict(run)))
    for key in [*wanted, *(key for key in before if key not in wanted)]:
        if before.get(key) != wanted.get(key):
            raise DataError(
                f"{folder}: the checkpoint does not fit: it was made with {key} "
                f"{_short(before.get(key))}, now it is {_short(wanted.get(key))}; ask for "
                "the same, or remove the folder and start anew"
            )
    while found := get_last_checkpoint(str(folder)):  # type: ignore[no-untyped-call]
        checkpoint = Path(found)
        if (checkpoint / "trainer_state.json").exists():  # written last
            _check_weights(checkpoint, network)
            return checkpoint
        shutil.rmtree(checkpoint)
    return None


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"


def _check_weights(checkpoint: Path, network: Network) -> None:
    """Raise DataError unless the weights of a checkpoint are those of such a network."""
    from safetensors import SafetensorError, safe_open

    path = checkpoint / "model.safetensors"
    wanted = {name: list(value.shape) for name, value in network.state_dict().items()}
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
        with safe_open(str(path), framework="pt") as weights:
            found = {name: weights.get_slice(name).get_shape() for name in weights.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise DataError(
            f"{path}: a damaged checkpoint ({error}); remove {checkpoint} and go on from the "
            "one before"
        ) from None
    if found != wanted:
        name = next(n for n in [*wanted, *found] if wanted.get(n) != found.get(n))
        raise DataError(
            f"{path}: the checkpoint does not fit the network: {name} has the shape "
            f"{found.get(name)}, wanted {wanted.get(name)}; "
            f"remove {checkpoint.parent} and start anew"
        )


def close_run(output: str | Path) -> None:
    """Remove the checkpoints of a training whose model is written."""
    shutil.rmtree(checkpoint_folder(output), ignore_errors=True)
