#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Training by embd.torch through kills of embd, with embd away, and with another process under the same name."""
import os
import pathlib
import random
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from torch_kit import (DIM, ONE, ROWS, Log, Served, embd, ids, lost, near, np, refused, restarted, torch)  # noqa: E402
from daemon import BUILD  # noqa: E402
from training_kit import run  # noqa: E402

DEVELOPER = "#define EMBD_DEVELOPER" in (BUILD / "config.h").read_text()


def trained(session, steps, at=lambda step: None):
    """A small training run whose pushes depend on what was looked up; losses."""
    rng = np.random.default_rng(6)
    torch.manual_seed(6)
    bag, top = embd.torch.EmbeddingBag(session, "t", DIM, "mean"), torch.nn.Linear(DIM, 1)
    optimizer, losses = torch.optim.SGD(top.parameters(), 0.1), []
    for step in range(steps):
        at(step)
        batch = torch.from_numpy(rng.integers(0, ROWS, (8, 4)))
        loss = (top(torch.tanh(bag(batch))) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        session.step()
        losses.append(loss.item())
    session.flush()
    return losses


def test_same_seeds_same_results(folder):
    results = []
    for _ in range(2):
        with Served(t="adagrad") as served, served.session(synchronous=True) as session:
            results.append((trained(session, 100), served.rows().tobytes()))
    assert results[0] == results[1]


def test_killed_under_it(folder):
    """A daemon that dies and comes back within the patience costs time, and nothing else."""
    with Served(t="adagrad") as served, served.session(synchronous=True) as session:
        expected = trained(session, 60), served.rows().tobytes()
    draw = random.Random(7)
    with Served(t="adagrad") as served, served.session(synchronous=True) as session, Log() as log:
        threads = []

        def kill(step):
            if step % 6 != 3:
                return

            def later():
                time.sleep(draw.random() * 0.02)
                served.daemon.kill()
                time.sleep(0.1)
                restarted(served.daemon)
            for thread in threads:
                thread.join()
            threads.append(threading.Thread(target=later))
            threads[-1].start()
        found = trained(session, 60, kill), served.rows().tobytes()
        for thread in threads:
            thread.join()
        assert found == expected
        away = [line for line in log.lines if "is away" in line]
        assert 0 < len(away) <= len(threads) == 10, log.lines
        assert len([line for line in log.lines if "answers again" in line]) == len(away), log.lines


def test_killed_with_pushes_on_their_way(folder):
    """Pipelined pushes of ones: each counts once."""
    with Served(t=ONE) as served, served.session() as session:
        bag, before, ending = embd.torch.EmbeddingBag(session, "t", DIM), served.rows(), threading.Event()

        def killer():
            draw = random.Random(8)
            while not ending.wait(draw.random() * 0.2):
                served.daemon.kill()
                restarted(served.daemon)
        thread = threading.Thread(target=killer)
        thread.start()
        kills = lambda: served.daemon.log_text().count(" info starting ")  # noqa: E731
        steps = 0
        while steps < 300 or kills() < 12:
            session.prefetch(bag, ids(steps % 50))
            bag(ids(steps % 50)).sum().backward()
            session.step()
            steps += 1
        ending.set()
        thread.join()
        session.flush()
        assert session.sequence == steps == served.client.position("job")
        found = lost(served, before)
        assert found == {row: len(range(row, steps, 50)) for row in range(50)}, found


def test_away_for_longer(folder):
    """Unavailable from every call; then it goes on as if nothing had been."""
    with Served(t=ONE, patience=1.5) as served, Log() as log:
        session = served.session(in_flight=2)
        bag, before = embd.torch.EmbeddingBag(session, "t", DIM), served.rows()
        outs = [bag(ids(row)).sum() for row in range(8)]

        def step(row):
            outs[row].backward()
            return session.step()
        step(0)
        session.flush()
        served.daemon.kill()
        step(1)
        step(2)
        began = time.monotonic()
        refused(embd.Unavailable, "push 2 of trainer job", step, 3)  # waits for its turn in vain
        assert 0.5 < time.monotonic() - began < 20
        assert session.sequence == 4 and session.answered == 1
        outs[4].backward()
        refused(embd.Unavailable, "", session.step)
        refused(embd.Unavailable, "", session.step)
        refused(embd.Unavailable, "", bag, ids(1))
        refused(embd.Unavailable, "", session.flush)
        refused(embd.Unavailable, "", session.prefetch, bag, ids(1))
        restarted(served.daemon)
        assert served.client.position("job") <= 3
        session.step()  # what 4 left, and all before it
        assert session.sequence == 5
        step(5)
        session.flush()
        assert session.answered == 6 == served.client.position("job")
        assert lost(served, before) == {row: 1 for row in range(6)}
        assert len([line for line in log.lines if "is away" in line]) == 1, log.lines
        served.daemon.kill()  # and at the end
        step(6)
        refused(embd.Unavailable, "push 7", session.close)
        restarted(served.daemon)
        assert served.client.position("job") == 6
        with served.session(None) as looking:
            served.daemon.kill()
            other = embd.torch.EmbeddingBag(looking, "t", DIM)
            refused(embd.Unavailable, "", other, ids(1))
            restarted(served.daemon)
            near(other(ids(1)), before[1:2] - 1)


def test_another_process(folder):
    """A trainer's name belongs to one session: the other one is told, and nothing is mixed."""
    with Served(t=ONE) as served:
        session = served.session()
        bag = embd.torch.EmbeddingBag(session, "t", DIM)
        with served.session() as other:
            embd.torch.EmbeddingBag(other, "t", DIM)(ids(1)).sum().backward()
            other.step().result()
        bag(ids(2)).sum().backward()
        refused(embd.AlreadyExists, "push 1", session.step().result)
        for call in (session.flush, session.step, lambda: bag(ids(1)), lambda: session.prefetch(bag, ids(1)),
                     session.close):
            refused(embd.AlreadyExists, "push 1", call)
        assert served.client.position("job") == 1


def test_another_process_while_embd_is_away(folder):
    """The number that embd has, and the number of the push that it did not answer, are the same: the push is not."""
    with Served(t=ONE, patience=1) as served:
        session, before = served.session(), served.rows()
        embd.torch.EmbeddingBag(session, "t", DIM)(ids(1)).sum().backward()
        served.daemon.kill()
        refused(embd.Unavailable, "", session.step().result)
        restarted(served.daemon)
        with served.session() as other:
            embd.torch.EmbeddingBag(other, "t", DIM)(ids(2)).sum().backward()
            other.step()
        refused(embd.Unavailable, "", session.flush)  # what became of it then
        refused(embd.AlreadyExists, "", session.flush)
        refused(embd.AlreadyExists, "", session.close)
        assert lost(served, before) == {2: 1}


def test_applied_and_not_answered(folder):
    """embd dies between the two: the push counts once, and the session finds that out by itself."""
    if not DEVELOPER:
        return
    with Served(t=ONE, patience=1) as served:
        session, before = served.session(), served.rows()
        bag = embd.torch.EmbeddingBag(session, "t", DIM)
        served.daemon.stop()
        served.daemon.environment = dict(os.environ, EMBD_FAILPOINTS="push.answer=kill@3")
        restarted(served.daemon)
        for out in [bag(ids(row)).sum() for row in range(4)]:
            out.backward()
            session.step()
        refused(embd.Unavailable, "of trainer job", session.flush)
        assert served.daemon.process.wait(10) == -9
        served.daemon.environment = None
        restarted(served.daemon)
        assert session.answered < served.client.position("job")
        session.close()
        assert lost(served, before) == {0: 1, 1: 1, 2: 1, 3: 1} and session.answered == 4


if __name__ == "__main__":
    run(globals())
