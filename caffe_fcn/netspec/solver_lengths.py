"""How long a training is, and how often it tests: the arithmetic of epochs.

An epoch has as many iterations as it takes to see every training image once: images / (batch x iter_size), which may
be a fraction. Whole iterations are counted upwards. Where ``epochs`` is a multiple of ``val_every``, the training ends
with a test, and is longer by less than one interval. Of ten snapshots each follows a test, or there are as many between
two tests as a long epoch needs.

Without ``epochs``, a training has as many as its net was published with, or 30 of them as DIGITS proposes. A solver
that was published with a number of iterations sets bounds: no training has more, and none has fewer than a thousand,
because a small data set needs some updates, too.
"""

from __future__ import annotations

import math
from fractions import Fraction

from caffe_fcn.errors import NetError
from caffe_fcn.netspec.design import BuildPlan, Setting, Settings
from caffe_fcn.netspec.solver_settings import SNAPSHOT

_EPOCHS = 30
_LEAST_ITERATIONS = 1000
_MOST_TESTS, _SNAPSHOTS = 100, 10
_INT_MAX = 2**31 - 1  # Caffe counts in int


def count_images(plan: BuildPlan) -> tuple[int | None, int | None]:
    """The images to train and to validate on, as far as they are known.

    Where no data set is at hand they are those of the data set that the net's solver is for, unless the net reads
    another folder.
    """
    dataset = plan.net.dataset
    if dataset.databases is not None:
        return dataset.counts or (None, None)
    counts = plan.variant.solver.counts if plan.source is None or plan.data == "python" else None
    return counts or (None, None)


def plan_lengths(plan: BuildPlan, iter_size: int) -> Settings:
    """The settings of max_iter, test_interval and snapshot; none where nothing says how many images there are.

    Raises `NetError` for an option that needs to know it, or that needs a validation part.
    """
    options, images = plan.options, count_images(plan)[0]
    if options.val_every is not None and not plan.net.dataset.validates:
        what = f"{plan.net.dataset.name} has no validation part to test on"
        raise NetError("`val_every`", what, "leave it out, or build the data set with one")
    if not images:
        for name in ("epochs", "val_every"):
            if getattr(options, name) is not None:
                what = "nothing says how many images an epoch has"
                raise NetError(f"`{name}`", what, "give `source` a data set that is there, with its counts")
        return {}
    epoch = Fraction(images, plan.batch * iter_size)
    wanted, why = _choose_length(plan, epoch)
    every = options.val_every or Fraction(max(1, math.ceil(wanted / epoch / _MOST_TESTS)))
    interval = _choose_interval(plan, math.ceil(every * epoch), wanted)
    total = wanted
    if options.epochs is None:
        is_most = wanted == plan.variant.solver.fields["max_iter"]
        total = wanted // interval * interval if is_most else -(-wanted // interval) * interval
    elif options.epochs % every == 0:
        total = -(-wanted // interval) * interval
    if total > _INT_MAX:
        raise NetError("`epochs`", f"are {total} iterations, more than Caffe can count", "give fewer")
    size = f"{images} image{'' if images == 1 else 's'} / batch {plan.batch}"
    size += f" / iter_size {iter_size}" if iter_size > 1 else ""
    apart = f"{_count_epochs(every)}{' (as given)' if options.val_every else ''}: {size}"
    return {
        "max_iter": Setting(total, why),
        "test_interval": Setting(interval, apart if interval >= every * epoch else f"before {apart}"),
        "snapshot": _choose_snapshot(plan, total, interval),
    }


def _choose_length(plan: BuildPlan, epoch: Fraction) -> tuple[int, str]:
    """How many iterations are wanted, and why."""
    solver = plan.variant.solver
    origin = solver.origin.format(plan.net.name)
    each = f"of {_describe_number(epoch)} iterations"
    if plan.options.epochs is not None:
        return math.ceil(plan.options.epochs * epoch), f"{_count_epochs(plan.options.epochs)} (as given) {each}"
    iterations = math.ceil((solver.epochs or _EPOCHS) * epoch)
    text = f"{_count_epochs(solver.epochs or _EPOCHS)} ({origin if solver.epochs else 'the default of DIGITS'}) {each}"
    usual = solver.fields["max_iter"]
    if solver.epochs is None and iterations > usual:
        return usual, f"{origin}; {text} are more"
    least = min(_LEAST_ITERATIONS, usual)
    return (iterations, text) if iterations >= least else (least, f"the least for a small data set; {text} are fewer")


def _choose_interval(plan: BuildPlan, epochs: int, iterations: int) -> int:
    """The iterations between two tests: some epochs; for a shorter training what is usual, or its end."""
    usual = int(plan.variant.solver.fields["test_interval"])
    if epochs <= iterations:
        return epochs
    return usual if plan.options.val_every is None and usual <= iterations else iterations


def _choose_snapshot(plan: BuildPlan, iterations: int, interval: int) -> Setting:
    """The iterations between two snapshots, which are a multiple or a part of those between two tests."""
    tenth = -(-iterations // _SNAPSHOTS)
    if interval <= tenth:
        tests = round(tenth / interval)
        return Setting(tests * interval, "every test" if tests == 1 else f"every {tests} tests")
    usual = plan.variant.solver.fields.get("snapshot", SNAPSHOT["snapshot"])
    parts = max(1, interval // max(tenth, usual))
    return Setting(-(-interval // parts), "every test" if parts == 1 else f"{parts} from one test to the next")


def _count_epochs(number: Fraction | int) -> str:
    return f"{_describe_number(Fraction(number))} epoch{'' if number == 1 else 's'}"


def _describe_number(number: Fraction) -> str:
    return str(number.numerator) if number.denominator == 1 else f"{float(number):.6g}"
