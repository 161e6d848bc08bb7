#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of embd.torch: a network and its tables from one step, and the job of the README through its deaths."""
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from torch_kit import DIM, ONE, ROWS, Served, embd, ids, lost, near, np, refused, restarted, torch  # noqa: E402
from daemon import SOURCE  # noqa: E402
from training_kit import run, write  # noqa: E402


class Job:
    """A model, its optimizer and its session; steps depend on their number alone."""

    def __init__(self, served, trainer="job"):
        torch.manual_seed(9)
        self.session = served.session(trainer, synchronous=True)
        self.bag = embd.torch.EmbeddingBagCollection(self.session, {"a": ("t", DIM, "mean"), "b": ("u", DIM, "sum")})
        self.model = torch.nn.Sequential(torch.nn.Linear(DIM, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
        self.optimizer = torch.optim.Adam(self.model.parameters(), 0.01)

    def steps(self, first, last):
        losses = []
        for step in range(first, last):
            rng = np.random.default_rng(step)
            rows = self.bag({name: torch.from_numpy(rng.integers(0, ROWS, (8, 4))) for name in "ab"})
            loss = (self.model(rows["a"] + rows["b"]) ** 2).mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.session.step()
            losses.append(loss.item())
        self.session.flush()
        return losses

    def save(self, path, label="at-20", **more):
        self.session.save(label, path, self.model, self.optimizer, step=20,
                          extra={"epoch": 3, "part": [0.1, (None, True)], "draw": torch.ones(2)},
                          **more)

    def restore(self, path, label="at-20"):
        return self.session.restore(label, path, self.model, self.optimizer)


def state(served, job):
    return served.rows("t").tobytes(), served.rows("u").tobytes(), [p.tolist() for p in job.model.parameters()]


def test_back_and_on(folder):
    """In the same process, in another one, and under another embd: the steps after a checkpoint are the same steps."""
    path = folder / "at-20.pt"
    with Served(t="adagrad", u="adagrad") as served:
        job = Job(served)
        job.steps(0, 20)
        job.save(path)
        assert [p.name for p in folder.iterdir()] == ["at-20.pt"]
        saved = state(served, job)
        losses = job.steps(20, 40)
        ended = state(served, job)
        job.session.prefetch(job.bag, {"a": ids(1, 2)})
        stale = job.bag({"a": ids(1, 2)})["a"].sum()
        job.bag({"a": ids(5)})["a"].sum().backward()
        restored = job.restore(path)
        assert restored.step == 20 and restored.extra.pop("draw").tolist() == [1, 1]
        assert restored.extra == {"epoch": 3, "part": [0.1, (None, True)]}
        assert state(served, job) == saved
        refused(RuntimeError, "before restore()", stale.backward)
        assert job.session.sequence == 40 == served.client.position("job") and job.session.step() is None
        assert job.steps(20, 40) == losses and state(served, job) == ended
        assert job.session.sequence == 60
        job.steps(40, 47)  # and then this process is no more
        job.session._end()
        served.daemon.kill()
        served.daemon.listen = served.daemon.address
        served.daemon.start()
        other = Job(served)
        assert other.session.sequence == 67
        other.restore(path)
        assert state(served, other) == saved
        assert other.steps(20, 40) == losses and state(served, other) == ended
        other.session.close()


def test_killed_while_saving(folder):
    with Served(t=ONE, u=ONE) as served:
        job, ending, deaths = Job(served), threading.Event(), []

        def killer():
            draw = random.Random(3)
            while not ending.wait(draw.random() * 0.1):
                served.daemon.kill()
                restarted(served.daemon)
                deaths.append(1)
        thread = threading.Thread(target=killer)
        thread.start()
        count, states = 0, []
        while len(deaths) < 15:
            job.steps(count, count + 1)
            job.save(folder / f"{count}.pt", f"at-{count}")
            states.append(state(served, job))
            if count % 3 == 2:
                job.restore(folder / f"{count - 2}.pt", f"at-{count - 2}")
                assert state(served, job) == states[count - 2]
            count += 1
        ending.set()
        thread.join()
        for place in range(count):
            job.restore(folder / f"{place}.pt", f"at-{place}")
            assert state(served, job) == states[place], place
        job.session.close()


def test_file_and_group(folder):
    """What does not belong together is refused before anything changes."""
    path = folder / "c.pt"
    with Served(t=ONE, u=ONE) as served:
        job = Job(served)
        job.steps(0, 5)
        job.bag({"a": ids(5)})["a"].sum().backward()
        refused(RuntimeError, "step() or zero_grad()", job.save, path)
        job.session.zero_grad()
        job.save(path)
        before = path.read_bytes()
        refused(embd.AlreadyExists, "at-20", job.save, folder / "d.pt")
        assert not (folder / "d.pt").exists()
        refused((OSError, RuntimeError), "", job.save, folder / "none/c.pt", "other")  # which leaves a group alone
        saved = state(served, job)
        job.steps(5, 10)
        now = state(served, job)
        refused(ValueError, "belongs to the checkpoint at-20, not to other", job.restore, path, "other")
        refused(FileNotFoundError, "", job.restore, folder / "d.pt")
        for place, damaged in enumerate((b"", before[:500], b"no checkpoint", before[:-1])):
            (folder / "bad.pt").write_bytes(damaged)
            refused(ValueError, "is no checkpoint", job.restore, folder / "bad.pt")
        torch.save({"format": "another"}, folder / "bad.pt")
        refused(ValueError, "is no checkpoint", job.restore, folder / "bad.pt")
        torch.save(Trap(), folder / "bad.pt")
        refused(ValueError, "is no checkpoint", job.restore, folder / "bad.pt")
        assert not (folder / "trapped").exists()
        wrong = torch.nn.Linear(3, 3)
        refused(RuntimeError, "state_dict", job.session.restore, "at-20", path, wrong)
        assert state(served, job) == now
        job.restore(path)
        assert state(served, job) == saved
        job.session.save("tables", folder / "t.pt")  # of a model that somebody else keeps
        refused(ValueError, "has no model", job.restore, folder / "t.pt", "tables")
        assert job.session.restore("tables", folder / "t.pt") == (0, None)
        job.save(folder / "again.pt", replace=True)
        refused(ValueError, "it was saved under that name since", job.restore, path)
        job.restore(folder / "again.pt")
        served.client.drop_group("at-20")
        refused(embd.NotFound, "at-20", job.restore, folder / "again.pt")
        job.session.close()


class Trap:
    def __reduce__(self):
        return os.mkdir, ("trapped",)


def test_file_is_whole_or_as_it_was(folder):
    path = folder / "c.pt"
    with Served(t=ONE, u=ONE) as served:
        job = Job(served)
        job.save(path)
        before = path.read_bytes()
        refused(Exception, "", job.session.save, "bad", path, extra=lambda: None)  # which cannot be pickled
        assert path.read_bytes() == before and len(list(folder.iterdir())) == 1
        job.session.close()


def test_refused_pushes_end_with_restore(folder):
    write(folder / "r", 1.0, dim=DIM)
    with Served(t=ONE, u=ONE) as served:
        served.daemon.stop()
        served.daemon.tables["r"] = str(folder / "r")
        served.daemon.listen = served.daemon.address
        served.daemon.start()
        job = Job(served)
        read_only = embd.torch.EmbeddingBag(job.session, "r", DIM)
        job.save(folder / "c.pt")  # of the two that can be saved
        ((group),) = served.client.groups()
        assert group.tables == ["t", "u"]
        read_only(ids(1)).sum().backward()
        refused(embd.FailedPrecondition, "read-only", job.session.step().result)
        refused(embd.FailedPrecondition, "read-only", job.session.flush)
        job.restore(folder / "c.pt")
        before = served.rows()
        job.bag({"a": ids(7)})["a"].sum().backward()
        job.session.step()
        job.session.close()
        assert lost(served, before) == {7: 1} and served.client.position("job") == 1
        with served.session("eval") as session:  # nothing to save but the network
            embd.torch.EmbeddingBag(session, "r", DIM)
            session.save("frozen", folder / "f.pt", job.model, step=3)
            assert session.restore("frozen", folder / "f.pt", job.model).step == 3
        assert [group.label for group in served.client.groups()] == ["at-20"]
        with served.session(None) as session:  # who only looks restores too
            assert session.restore("at-20", folder / "c.pt", job.model, job.optimizer).step == 20
        near(served.rows(), before)


def readme(folder, address, steps, every):
    """The README's job, shorter."""
    text = (SOURCE / "client/python/README.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    (code,) = [block for block in blocks if "embd.torch" in block]
    for old, new in (("127.0.0.1:3623", address), ("range(first, 1000)", f"range(first, {steps})"),
                     ("% 500", f"% {every}"),
                     ('"job-7", format="f16"', '"job-7", format="f16", synchronous=True')):
        assert old in code
        code = code.replace(old, new)
    told = "        print(step, loss.item(), flush=True)\n"
    code = code.replace("        session.step()", told + "        session.step()")
    (folder / "job.py").write_text("import sys\nsys.path.insert(0, sys.argv[1])\n" + code)
    path = str(pathlib.Path(embd.__file__).parent.parent)
    return subprocess.Popen([sys.executable, "job.py", path], cwd=folder, stdout=subprocess.PIPE, text=True)


def test_the_job_of_the_readme(folder):
    """Killed and started again it prints the same losses, and ends with the same tables."""
    results = []
    for kills in (0, 3):
        home = folder / str(kills)
        home.mkdir()
        with Served(x=ONE) as served:
            losses = {}
            for life in range(kills + 1):
                job = readme(home, served.daemon.address, 60, 10)
                for count, line in enumerate(job.stdout):
                    step, loss = line.split()
                    assert losses.setdefault(int(step), loss) == loss, (life, step)
                    if life < kills and count == 14:
                        job.send_signal(signal.SIGKILL)
                assert job.wait() == (-9 if life < kills else 0)
                time.sleep(0.1)
            assert sorted(losses) == list(range(60))
            found = served.client.lookup([embd.Lookup("users", np.arange(5000)), embd.Lookup("tags", np.arange(1000))])
            results.append((losses, [rows.values.tobytes() for rows in found.results]))
    assert results[0] == results[1]


if __name__ == "__main__":
    run(globals())
