#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""embd.torch's session: which gradients are pushed, what a lookup has seen, prefetching, formats, what is refused."""
import os
import pathlib
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from torch_kit import (DIM, ONE, ROWS, Counted, Log, Served, embd, ids, lost, near, np, refused,  # noqa: E402
                       restarted, torch)
from daemon import BUILD  # noqa: E402
from training_kit import run, write  # noqa: E402

DEVELOPER = "#define EMBD_DEVELOPER" in (BUILD / "config.h").read_text()


def test_which_gradients(folder):
    """As PyTorch adds them up in .grad."""
    with Served(t=ONE) as served, served.session(synchronous=True) as session:
        bag = embd.torch.EmbeddingBag(session, "t", DIM)

        def pushed(count=1):
            before, sequence = served.rows(), session.sequence
            yield
            session.step()
            session.flush()
            assert session.sequence == sequence + count
            yield lost(served, before)

        def check(expected, action, count=1):
            steps = pushed(count)
            next(steps)
            action()
            found = next(steps)
            assert found == expected, found

        def several():  # forwards before one backward, and several of these
            (bag(ids(1, 2)).sum() + bag(ids(2, 3)).sum()).backward()
            bag(ids(3, 3)).sum().backward()

        def twice():
            out = bag(ids(1)).sum()
            out.backward(retain_graph=True)
            out.backward()

        def never():
            bag(ids(5)).sum()  # no backward pass
            with torch.no_grad():
                out = bag(ids(5))
            assert not out.requires_grad
            with torch.inference_mode():
                bag(ids(5))
            frozen = embd.torch.EmbeddingBag(session, "t", DIM, freeze=True)(ids(5))
            assert not frozen.requires_grad
            other = torch.ones(1, requires_grad=True)
            torch.autograd.grad((bag(ids(5)) * other).sum(), [other])  # not the gradient of rows

        def dropped():
            bag(ids(5)).sum().backward()
            session.zero_grad()
            bag(ids(6)).sum().backward()

        def evaluated():
            bag.eval()(ids(7)).sum().backward()
            bag.train()

        def penalty():  # a gradient of a gradient
            out = bag(ids(8))
            (gradient,) = torch.autograd.grad((out ** 2).sum() / 2, [out], create_graph=True)
            gradient.sum().backward()

        def beside():  # a pass whose rows nobody needs to change: of ids, all are padding
            padded = embd.torch.EmbeddingBag(session, "t", DIM, padding_idx=9)
            padded(ids(9, 9)).sum().backward()

        check({1: 1, 2: 2, 3: 3}, several)
        check({1: 2}, twice)
        check({}, never, 0)
        check({6: 1}, dropped)
        check({7: 1}, evaluated)
        check({8: 1}, penalty)
        check({}, beside, 0)
        assert session.step() is None
        before, sequence = served.rows(), session.sequence
        bag(ids(1)).sum().backward()
        refused(ValueError, "learning_rate", session.step, float("nan"))
        refused(TypeError, "learning_rate", session.step, [0.1])
        assert session.sequence == sequence
        answer = session.step(learning_rate=0.25).result()
        assert lost(served, before) == {1: 0.25} and answer.versions == [session.sequence]
        with served.session("other", learning_rate=0.5) as other:
            embd.torch.EmbeddingBag(other, "t", DIM)(ids(1)).sum().backward()
            other.step()
        assert lost(served, before) == {1: 0.75}
        with served.session(None) as looking:
            out = embd.torch.EmbeddingBag(looking, "t", DIM)(ids(1))
            assert not out.requires_grad and looking.seen == 0
            near(out[0], served.rows()[1])
            refused(RuntimeError, "no trainer", looking.step)
            looking.flush()
        with served.session("gone") as gone:  # in threads, and what is left at the end is dropped
            many = embd.torch.EmbeddingBag(gone, "t", DIM)
            passes = [many(ids(2)).sum() for _ in range(20)]
            threads = [threading.Thread(target=one.backward) for one in passes]
            for step in (threading.Thread.start, threading.Thread.join):
                for thread in threads:
                    step(thread)
            before = served.rows()
            gone.step()
            many(ids(2)).sum().backward()
        assert lost(served, before) == {2: 20} and served.client.position("gone") == 1


def test_forgotten_step(folder):
    with Served(t=ONE) as served, served.session() as session, Log() as log:
        bag = embd.torch.EmbeddingBag(session, "t", DIM)
        for _ in range(1200):
            bag(ids(1)).sum().backward()
        assert len(log.lines) == 1 and "1000 gradients wait for session.step()" in log.lines[0], log.lines
        before = served.rows()
        session.step()
        session.flush()
        assert lost(served, before) == {1: 1200}


def test_what_is_seen(folder):
    """Each step adds one to a row: a lookup tells which pushes it has seen."""
    slow = dict(os.environ, EMBD_FAILPOINTS="push.commit.before=sleep:20") if DEVELOPER else None
    for in_flight in (1, 3):
        for synchronous in (False, True):
            with Served(environment=slow, t=ONE) as served, \
                    served.session(in_flight=in_flight, synchronous=synchronous) as session:
                bag = embd.torch.EmbeddingBag(session, "t", DIM)
                begun, lacking = served.rows()[3, 0], set()
                for step in range(40):
                    out = bag(ids(3))
                    found = round(float(begun - out[0, 0]))
                    assert session.seen <= found <= step == session.sequence
                    assert session.versions == {"t": found}
                    lacking.add(step - found)
                    out.sum().backward()
                    session.step()
                assert max(lacking) <= (0 if synchronous else in_flight), lacking
                if DEVELOPER and not synchronous:
                    assert max(lacking) == in_flight, lacking
                session.flush()
                assert session.answered == 40


def test_prefetch(folder):
    with Served(t=ONE, u=ONE) as served:
        calls = Counted(served.client, "lookup", "lookup_later")
        count = lambda: (calls.of("lookup"), calls.of("lookup_later"))  # noqa: E731
        with served.session() as session:
            many = embd.torch.EmbeddingBagCollection(session, {"a": ("t", DIM, "sum"), "b": ("u", DIM, None)})
            bag = embd.torch.EmbeddingBag(session, "t", DIM)
            batches = [{"a": torch.randint(0, ROWS, (4, 3)), "b": torch.randint(0, ROWS, (4,))} for _ in range(20)]
            session.prefetch(many, batches[0])
            for place, batch in enumerate(batches):
                if place + 1 < len(batches):
                    session.prefetch(many, batches[place + 1])
                out = many(batch)
                assert place - 9 <= session.seen <= place == session.sequence  # 8 in flight, and a step since
                (out["a"].sum() + out["b"].sum()).backward()
                session.step()
            session.flush()
            assert count() == (0, 20)
            weight = served.weight()
            calls.calls["lookup"].clear()
            session.prefetch(bag, ids(1, 2))
            near(bag(ids(1, 3)), weight[[1, 3]].sum(0, keepdim=True))  # others than were prefetched
            near(embd.torch.EmbeddingBag(session, "t", DIM)(ids(1, 2)), weight[[1, 2]].sum(0, keepdim=True))
            assert count() == (2, 21)
            with torch.no_grad():
                bag(ids(1, 2))  # it was begun for a pass that trains: unknown ids would have failed it
            assert count() == (3, 21)
            near(bag(ids(1, 2)), weight[[1, 2]].sum(0, keepdim=True))
            bag(ids(1, 2))  # it is used up
            assert count() == (4, 21)
            batch = ids(4, 5)
            session.prefetch(bag, batch)
            batch[0, 0] = 6
            near(bag(batch), weight[[6, 5]].sum(0, keepdim=True))
            session.prefetch(bag, (torch.tensor([1, 2, 3]), torch.tensor([0, 2])))
            near(bag(torch.tensor([1, 2, 3]), torch.tensor([0, 1])), torch.stack([weight[1], weight[[2, 3]].sum(0)]))
            assert count() == (5, 23)
            for row in range(8):  # one for ids(4, 5) waits too
                session.prefetch(bag, ids(row))
            assert len(session._fetches) == 4
            for row in range(8):
                near(bag(ids(row)), weight[[row]])
            assert count() == (9, 31) and not session._fetches
            nothing = torch.empty(0, dtype=torch.int64), torch.tensor([0, 0])
            session.prefetch(bag, nothing)
            assert bag(*nothing).tolist() == [[0] * DIM] * 2 and count() == (9, 31)
            session.prefetch(bag, ids(1, ROWS))
            refused(embd.OutOfRange, str(ROWS), bag, ids(1, ROWS))
            session.prefetch(embd.torch.EmbeddingBag(session, "none", DIM), ids(1))  # whose trouble nobody asks for
        with served.session("still", synchronous=True) as session:
            bag = embd.torch.EmbeddingBag(session, "t", DIM)
            calls.calls = {name: [] for name in calls.calls}
            for step in range(10):
                session.prefetch(bag, ids(1, 2))
                if step % 2:  # has not seen what comes now
                    bag(ids(7)).sum().backward()
                    session.step()
                out = bag(ids(1, 2))
                assert session.seen == session.sequence
                out.sum().backward()
                session.step()
            assert count() == (10, 10)


def test_ids_that_there_are_not(folder):
    with Served() as served:
        served.client.create("k", "full", 3, DIM, ids="keys", keys=[10, 20, 30], deviation=0.1, options=ONE)
        before = np.array(served.client.lookup(embd.Lookup("k", [10, 20, 30])).results[0].values)
        with served.session() as session:
            bag = embd.torch.EmbeddingBag(session, "k", DIM)
            refused(embd.OutOfRange, "77", bag, ids(10, 77))
            with torch.no_grad():
                near(bag(ids(10, 77))[0], before[0])  # the default row is zero
        with served.session("skip", push_missing="skip") as session:
            bag = embd.torch.EmbeddingBag(session, "k", DIM)
            bag(ids(10, 77)).sum().backward()
            assert session.step().result().skipped == 1
        near(served.client.lookup(embd.Lookup("k", [10])).results[0].values[0], before[0] - 1)
        with served.session(None, missing="error") as session:
            refused(embd.OutOfRange, "77", embd.torch.EmbeddingBag(session, "k", DIM), ids(10, 77))


def test_formats(folder):
    for form, most in (("f32", 0), ("f16", 1e-3), ("bf16", 1e-2), ("int8", 1e-2)):
        for push_form in ("f32", "f16", "bf16"):
            with Served(t=ONE) as served, served.session(format=form, push_format=push_form) as session:
                bag = embd.torch.EmbeddingBag(session, "t", DIM)
                weight = served.weight()
                out = bag(ids(1, 2))
                assert out.dtype == torch.float32
                near(out, weight[[1, 2]].sum(0, keepdim=True), most)
                (out * 1.001).sum().backward()
                session.step()
                session.flush()
                expected = {"f32": 1.001, "f16": 1.0009765625, "bf16": 1.0}[push_form]
                near(weight[[1, 2]] - served.weight()[[1, 2]], np.full((2, DIM), expected))
    with Served(t=ONE) as served, served.session(push_format="f16", synchronous=True) as session:
        bag = embd.torch.EmbeddingBag(session, "t", DIM, dtype=torch.float16)
        before = served.rows()
        (bag(ids(5)).float().sum() + bag(ids(6)).float().sum() * 7e4).backward()
        refused(ValueError, "id 6 of table t has a number that f16 cannot hold", session.step)
        refused(ValueError, "id 6", session.step)  # they are still there
        session.zero_grad()
        assert session.step() is None
        (bag(ids(5)).float() * 1024).sum().backward()  # a loss that was scaled
        session.step(grad_scale=1024).result()
        assert lost(served, before) == {5: 1}
        (bag(ids(5)) * float("inf")).sum().backward()
        assert session.step(grad_scale=1024) is None and session.step() is None and session.sequence == 1
    with Served(t=ONE) as served, served.session() as session:
        (embd.torch.EmbeddingBag(session, "t", DIM)(ids(5, 9)) * float("nan")).sum().backward()
        refused(ValueError, "id 5 of table t", session.step)
        session.zero_grad()


def test_refused_pushes(folder):
    """Told by the next call, again and again, and at the end."""
    with Served(t=ONE) as served:
        write(folder / "r", 1.0, dim=DIM)
        served.daemon.stop()
        served.daemon.tables["r"] = str(folder / "r")
        restarted(served.daemon)
        session = served.session()
        read_only = embd.torch.EmbeddingBag(session, "r", DIM)
        bag = embd.torch.EmbeddingBag(session, "t", DIM)
        before = served.rows()
        bag(ids(1)).sum().backward()
        session.step()
        (read_only(ids(1)).sum() + bag(ids(2)).sum()).backward()
        answer = session.step()
        refused(embd.FailedPrecondition, "push 2 of trainer job", answer.result)
        bag_of = lambda: bag(ids(3)).sum().backward()  # noqa: E731
        refused(embd.FailedPrecondition, "read-only", bag_of)
        refused(embd.FailedPrecondition, "push 2", session.flush)
        refused(embd.FailedPrecondition, "push 2", session.close)
        assert served.client.position("job") == 1 and lost(served, before) == {1: 1}
        try:
            with served.session() as session:
                embd.torch.EmbeddingBag(session, "r", DIM)(ids(1)).sum().backward()
                session.step()
                raise KeyError("ours")
        except KeyError:  # and not what became of the push
            pass


if __name__ == "__main__":
    run(globals())
