# SPDX-License-Identifier: Apache-2.0
"""What tests of embd.torch share: PyTorch, or the end as skipped; tables, and the same training by PyTorch alone."""
import logging
import sys

try:
    import torch
except ModuleNotFoundError:
    print("skipped: PyTorch is not installed (Debian: python3-torch)")
    sys.exit(77)
import numpy as np  # noqa: E402

from daemon import Daemon  # noqa: E402
from python_kit import embd  # noqa: E402
import embd.torch  # noqa: E402, F401

ROWS, DIM = 60, 8
torch.set_num_threads(1)


class Served:
    """A daemon with tables, and a client of it. `tables` is {name: (optimizer, rate)}, or more options in a dict."""

    def __init__(self, config="", environment=None, patience=60.0, **tables):
        self.daemon = Daemon(config=config, environment=environment)
        self.client = embd.Client(self.daemon.address, patience=patience)
        for seed, (name, options) in enumerate((tables or {"t": "sgd"}).items()):
            self.create(name, options, seed)

    def create(self, name, options, seed=1, method="full", dim=DIM, **more):
        if isinstance(options, str):
            options = {"optimizer": options, "learning_rate": 0.5}
        self.client.create(name, method, more.pop("rows", ROWS), dim, options=options, seed=seed, deviation=0.3, **more)

    def session(self, trainer="job", **more):
        return embd.torch.Session(self.client, trainer, **more)

    def rows(self, table="t", rows=ROWS):
        """All of a table."""
        return np.array(self.client.lookup(embd.Lookup(table, np.arange(rows))).results[0].values)

    def weight(self, table="t"):
        return torch.tensor(self.rows(table))

    def __enter__(self):
        self.daemon.__enter__()
        return self

    def __exit__(self, *error):
        self.client.close()
        self.daemon.__exit__(*error)


def restarted(daemon):
    """Start a daemon again where it listened before."""
    daemon.listen = daemon.address
    daemon.start()


class RowwiseAdagrad:
    """embd's rowwise_adagrad for a sparse gradient of torch."""

    def __init__(self, weight, rate, first):
        self.weight, self.rate, self.sum = weight, rate, torch.full((len(weight),), first)

    def step(self):
        gradient = self.weight.grad.coalesce()
        ids, values = gradient.indices()[0], gradient.values()
        self.sum[ids] += (values ** 2).mean(1)
        with torch.no_grad():
            self.weight[ids] -= self.rate * values / (self.sum[ids].sqrt() + 1e-8)[:, None]

    def zero_grad(self):
        self.weight.grad = None


def optimizer(name, weights, rate=0.5, first=0.0):
    """PyTorch's, for sparse gradients; accumulators begin with `first`."""
    if name == "sgd":
        return torch.optim.SGD(weights, rate)
    if name == "adagrad":
        return torch.optim.Adagrad(weights, rate, eps=1e-8, initial_accumulator_value=first)
    if name == "adam":
        return torch.optim.Adam(weights, rate, eps=1e-8)
    (weight,) = weights
    return RowwiseAdagrad(weight, rate, first)


def near(found, expected, most=1e-6):
    found, expected = (np.asarray(torch.as_tensor(x).detach().to_dense() if isinstance(x, torch.Tensor) else x)
                       for x in (found, expected))
    assert found.shape == expected.shape, (found.shape, expected.shape)
    worst = np.abs(found - expected).max(initial=0) / max(1, np.abs(expected).max(initial=0))
    assert worst <= most, worst


def refused(kind, words, function, *arguments, **more):
    try:
        function(*arguments, **more)
    except kind as error:
        assert words in str(error), error
        return error
    raise AssertionError(f"{kind} did not come: {words}")


class Counted:
    """Calls of a client, counted."""

    def __init__(self, client, *names):
        self.client, self.calls = client, {name: [] for name in names}
        for name in names:
            setattr(client, name, self._counting(name, getattr(client, name)))

    def _counting(self, name, function):
        def call(*arguments, **more):
            self.calls[name].append(arguments[0])
            return function(*arguments, **more)
        return call

    def of(self, name):
        return len(self.calls[name])


ONE = {"optimizer": "sgd", "learning_rate": 1}


def ids(*numbers):
    return torch.tensor([numbers])


def lost(served, before, table="t"):
    """What SGD at rate 1 took: the sum of all gradients, of the first element of each row that changed."""
    left = before - served.rows(table)
    assert np.allclose(left, left[:, :1], atol=1e-5), "all elements of a row lose the same here"
    return {int(i): round(float(left[i, 0]), 3) for i in np.flatnonzero(np.abs(left[:, 0]) > 1e-5)}


class Log(logging.Handler):
    """What the logger says."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())

    def __enter__(self):
        logging.getLogger("embd").addHandler(self)
        return self

    def __exit__(self, *error):
        logging.getLogger("embd").removeHandler(self)
