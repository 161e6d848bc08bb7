#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""embd.torch's modules have the results and gradients of torch.nn's, for every form of input, and tables in embd
train as the same tables in PyTorch do."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from torch_kit import DIM, ROWS, Counted, Served, embd, near, np, optimizer, refused, torch  # noqa: E402, I100
from training_kit import run  # noqa: E402
from embd.torch.rows import distinct  # noqa: E402, I100

F = torch.nn.functional


def inputs(rng):
    """(input, offsets, include_last_offset) of every form."""
    draw = lambda *shape: torch.from_numpy(rng.integers(0, 20, shape))  # noqa: E731
    yield draw(5, 7), None, False
    yield draw(1, 1), None, False
    yield draw(3, 4).to(torch.int32), None, False
    yield draw(4, 6).T, None, False  # not contiguous
    yield draw(0, 3), None, False
    yield draw(12), torch.tensor([0, 3, 3, 9]), False  # an empty bag
    yield draw(12), torch.tensor([0, 3, 12, 12]), False
    yield draw(12), torch.tensor([0, 3, 3, 9, 12]), True
    yield draw(12).to(torch.int32), torch.tensor([0, 5], dtype=torch.int32), False
    yield torch.empty(0, dtype=torch.int64), torch.tensor([0, 0, 0]), False
    yield torch.empty(0, dtype=torch.int64), torch.tensor([0, 0, 0]), True


def test_bags(folder):
    """One step of SGD at rate 1: what a table has lost is the gradient."""
    rng = np.random.default_rng(1)
    with Served(t={"optimizer": "sgd", "learning_rate": 1}) as served, served.session(synchronous=True) as session:
        for ids, offsets, last in inputs(rng):
            for mode in ("sum", "mean"):
                for padding in (None, 3):
                    for weighted in (False, True) if mode == "sum" else (False,):
                        weight = served.weight()
                        theirs = torch.nn.EmbeddingBag.from_pretrained(
                            weight.clone(), freeze=False, mode=mode, sparse=True, include_last_offset=last,
                            padding_idx=padding)
                        ours = embd.torch.EmbeddingBag(session, "t", DIM, mode, include_last_offset=last,
                                                       padding_idx=padding)
                        scales = [torch.from_numpy(rng.standard_normal(tuple(ids.shape)).astype("f4")).requires_grad_()
                                  for _ in range(2)] if weighted else (None, None)
                        if weighted:
                            scales[1].data.copy_(scales[0].data)
                        expected, found = theirs(ids, offsets, scales[0]), ours(ids, offsets, scales[1])
                        assert found.dtype == expected.dtype and torch.equal(found, expected)
                        factor = torch.from_numpy(rng.standard_normal(tuple(found.shape)).astype("f4"))
                        (expected * factor).sum().backward()
                        (found * factor).sum().backward()
                        session.step()
                        session.flush()
                        near(weight - served.weight(), theirs.weight.grad)
                        if weighted:
                            near(scales[1].grad, scales[0].grad)


def test_rows(folder):
    rng = np.random.default_rng(2)
    with Served(t={"optimizer": "sgd", "learning_rate": 1}) as served, served.session(synchronous=True) as session:
        for shape in ((), (5,), (3, 4), (2, 3, 4), (0,), (0, 4)):
            for ours in (embd.torch.Embedding(session, "t", DIM), embd.torch.EmbeddingBag(session, "t", DIM, None)):
                ids = torch.from_numpy(np.asarray(rng.integers(0, 20, shape)))
                weight = served.weight()
                theirs = torch.nn.Embedding.from_pretrained(weight.clone(), freeze=False, sparse=True)
                expected, found = theirs(ids), ours(ids)
                assert torch.equal(found, expected)
                (expected ** 2).sum().backward()
                (found ** 2).sum().backward()
                session.step()
                session.flush()
                near(weight - served.weight(), theirs.weight.grad)
        padded = embd.torch.Embedding(session, "t", DIM, padding_idx=-1)  # which is no id of the table
        weight = served.weight()
        out = padded(torch.tensor([[4, -1], [-1, 4]]))
        assert torch.equal(out[0, 0], weight[4]) and not out[0, 1].any() and not out[1, 0].any()
        out.sum().backward()
        session.step().result()
        left = weight - served.weight()
        near(left[4], np.full(DIM, 2))
        assert not left[:4].any() and not left[5:].any()


class Model(torch.nn.Module):
    def __init__(self, bags):
        super().__init__()
        self.bags, self.top = bags, torch.nn.Linear(DIM, 1)

    def forward(self, ids):
        return self.top(torch.tanh(self.bags(ids)))[:, 0]


def train(model, steps, batches, *optimizers):
    """Losses of training."""
    losses = []
    for ids, label in batches[:steps]:
        loss = F.binary_cross_entropy_with_logits(model(ids), label)
        for one in optimizers:
            one.zero_grad()
        loss.backward()
        for one in optimizers:
            one.step()
        losses.append(loss.item())
    return losses


def batches(count, rows=ROWS, all_of_them=False):
    rng = np.random.default_rng(4)
    out = []
    for _ in range(count):
        ids = rng.integers(0, rows, (16, 5))
        if all_of_them:
            ids = np.concatenate([ids, np.arange(rows).reshape(-1, 5)])
        out.append((torch.from_numpy(ids), torch.from_numpy((ids.sum(1) % 2).astype("f4"))))
    return out


def test_training_is_torchs(folder):
    """The same batches, the same optimizers: the same losses, networks and tables."""
    for name in ("sgd", "adagrad", "rowwise_adagrad", "adam"):
        for mode in ("sum", "mean"):
            steps, rate = 200, 0.01 if name == "adam" else 0.1
            data = batches(steps, all_of_them=name == "adam")  # torch's Adam moves rows that no gradient names
            first = 0.01  # without it Adagrad's first step is the sign of a gradient, however near to zero that is
            options = {"optimizer": name, "learning_rate": rate, "epsilon": 1e-8, "initial_accumulator": first}
            with Served(t=options) as served, served.session(synchronous=True) as session:
                torch.manual_seed(3)
                theirs = Model(torch.nn.EmbeddingBag.from_pretrained(served.weight(), freeze=False, mode=mode,
                                                                     sparse=name != "adam"))
                torch.manual_seed(3)
                ours = Model(embd.torch.EmbeddingBag(session, "t", DIM, mode))
                begun = served.rows()
                expected = train(theirs, steps, data, optimizer(name, [theirs.bags.weight], rate, first),
                                 torch.optim.SGD(theirs.top.parameters(), 0.1))
                found = train(ours, steps, data, session, torch.optim.SGD(ours.parameters(), 0.1))
                assert len(found) == steps == session.sequence and session.step() is None
                session.flush()
                near(found, expected, 2e-6)
                near(ours.top.weight, theirs.top.weight, 2e-6)
                near(served.rows(), theirs.bags.weight, 2e-6)
                assert np.abs(served.rows() - begun).max() > 0.01


def test_collection(folder):
    """Features of several tables, one of them shared, in one lookup and one push."""
    rng = np.random.default_rng(5)
    features = {"user": ("t", DIM, None), "tags": ("t", DIM, "mean"), "words": ("u", 3, "sum"), "age": ("v", 1, "sum")}
    with Served(t="adagrad") as served, served.session(synchronous=True) as session:
        served.create("u", "sgd", dim=3)
        served.create("v", "sgd", dim=1)
        weights = {name: served.weight(name).requires_grad_() for name in "tuv"}
        steppers = [optimizer("adagrad", [weights["t"]]), optimizer("sgd", [weights["u"], weights["v"]])]
        ours = embd.torch.EmbeddingBagCollection(session, features)
        calls = Counted(served.client, "lookup")
        for step in range(50):
            batch = {"user": torch.from_numpy(rng.integers(0, ROWS, 6)),
                     "tags": (torch.from_numpy(rng.integers(0, ROWS, 14)), torch.tensor([0, 2, 2, 5, 9, 10])),
                     "words": (torch.from_numpy(rng.integers(0, ROWS, 12)), torch.arange(0, 12, 2),
                               torch.from_numpy(rng.random(12).astype("f4")))}
            if step % 2:
                batch["age"] = rng.integers(0, ROWS, (6, 1))  # an array will do, and a feature may be left out
            found = ours(batch)
            expected = {"user": F.embedding(batch["user"], weights["t"], sparse=True),
                        "tags": F.embedding_bag(batch["tags"][0], weights["t"], batch["tags"][1], mode="mean",
                                                sparse=True),
                        "words": F.embedding_bag(batch["words"][0], weights["u"], batch["words"][1], mode="sum",
                                                 per_sample_weights=batch["words"][2], sparse=True)}
            if step % 2:
                expected["age"] = F.embedding_bag(torch.from_numpy(batch["age"]), weights["v"], mode="sum", sparse=True)
            assert list(found) == list(batch)
            for name in found:
                near(found[name], expected[name], 2e-6)
            for one in steppers:
                one.zero_grad()
            for out in (found, expected):
                sum((value ** 2).mean() for value in out.values()).backward()
            pushed = session.step().result()
            assert len(pushed.versions) == 2 + step % 2
            for one in steppers:
                one.step()
        assert calls.of("lookup") == 50 == session.sequence
        assert session.versions == {"t": 49, "u": 49, "v": 24}
        for name in "tuv":
            near(served.rows(name), weights[name], 2e-6)
        refused(KeyError, "'hour'", ours, {"hour": torch.tensor([1])})
        assert ours({}) == {}


def test_each_id_once(folder):
    """More ids than a call may have, and few different ones."""
    with Served("max_ids = 16\n") as served, served.session(synchronous=True) as session:
        before = served.client.lookup(embd.Lookup("t", [7])).results[0].values
        served.client.lookup(embd.Lookup("t", np.arange(16)))
        refused(embd.ResourceExhausted, "max_ids", served.client.lookup, embd.Lookup("t", np.arange(17)))
        ours = embd.torch.EmbeddingBag(session, "t", DIM)
        ours(torch.full((4, 250), 7)).sum().backward()
        calls = Counted(session._steps, "push")
        session.step().result()
        near(before - served.client.lookup(embd.Lookup("t", [7])).results[0].values, np.full((1, DIM), 500), 1e-3)
        ((push,),) = calls.calls["push"]
        assert list(push.ids) == [7] and push.gradients.shape == (1, DIM)


def test_distinct(folder):
    """Different ids and their places as NumPy finds them, whether they lie close together or far apart."""
    rng = np.random.default_rng(3)
    lists = [rng.integers(low, low + span, n) for n in (0, 1, 2, 500) for low in (-9, 0, 2 ** 62)
             for span in (1, 7, 500, 16 * 500, 16 * 500 + 2, 2 ** 60)] + [np.array([-2 ** 63, 2 ** 63 - 1, -2 ** 63])]
    for ids in lists:
        want = np.unique(ids, return_inverse=True)
        found = distinct(ids, None)
        assert np.array_equal(found[0], want[0]) and np.array_equal(found[1], want[1]), ids
        if ids.size:
            padding = ids[0]
            unique, places = distinct(ids, padding)
            assert padding not in unique and ((places == unique.size) == (ids == padding)).all(), ids
            assert np.array_equal(unique[places[ids != padding]], ids[ids != padding]), ids


def test_modules(folder):
    """What a module looks like from outside."""
    with Served() as served, served.session() as session:
        bag = embd.torch.EmbeddingBag(session, "t", DIM, "mean", padding_idx=0)
        assert str(bag) == f"EmbeddingBag(table='t', dim={DIM}, mode='mean', padding_idx=0)", bag
        model = torch.nn.Sequential(bag, torch.nn.Linear(DIM, 1))
        assert sorted(model.state_dict()) == ["1.bias", "1.weight"] and len(list(model.parameters())) == 2
        many = embd.torch.EmbeddingBagCollection(session, {"a": ("t", DIM, None), "b": ("u", 2, "sum")}, freeze=True)
        assert "a: table='t', dim=8, mode=None" in str(many) and "freeze=True" in str(many), many
        import copy
        import pickle
        assert copy.deepcopy(model)[0].session is session
        refused(TypeError, "pickled", pickle.dumps, model)
        for kind, words, arguments in (
                (ValueError, "no mode 'max'", ("t", DIM, "max")), (ValueError, "dim is 0", ("t", 0)),
                (TypeError, "name is needed", (3, DIM)), (ValueError, "given the dim 8 before, and 9", ("t", 9))):
            refused(kind, words, embd.torch.EmbeddingBag, session, *arguments)
        refused(TypeError, "Session is needed", embd.torch.EmbeddingBag, served.client, "t", DIM)
        row = embd.torch.Embedding(session, "t", DIM)
        refused(TypeError, "whole numbers", row, torch.tensor([0.5]))
        refused(ValueError, "no bags", embd.torch.EmbeddingBag(session, "t", DIM, None), torch.tensor([1]),
                torch.tensor([0]))
        refused(ValueError, "", bag, torch.tensor([[1]]), torch.tensor([0]))  # as torch says it
        refused(embd.NotFound, "u", many, {"b": torch.tensor([[1]])})
        served.create("u", "sgd", dim=3)
        refused(ValueError, "table u has rows of 3 numbers; the module was made for 2", many,
                {"b": torch.tensor([[1]])})
        half = embd.torch.EmbeddingBag(session, "t", DIM, dtype=torch.bfloat16)
        assert half(torch.tensor([[1, 2]])).dtype == torch.bfloat16
    for trouble, words in (({"trainer": "a b"}, "trainer"), ({"format": "f64"}, "format"),
                           ({"in_flight": 0}, "in_flight"), ({"push_format": "int8"}, "push_format"),
                           ({"missing": "skip"}, "missing"), ({"push_missing": "fill"}, "missing")):
        refused(ValueError, words, embd.torch.Session, "127.0.0.1:1", **trouble)


if __name__ == "__main__":
    run(globals())
