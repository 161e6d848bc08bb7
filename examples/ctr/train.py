#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Train a click model whose embeddings are all in embd, by any method and ratio.

    train.py                                          a factorization machine on KuaiRand, uncompressed
    train.py --model deepfm --method tt --ratio 0.1   a table of a tenth of the bytes
    train.py --folder work --resume run-1 --save-every 100
                                                      saves as it goes; the same command goes on from there
    train.py --local                                  the same model, from the same rows, by torch.nn.EmbeddingBag

One table holds the ids of all fields. Progress goes to standard error, what came out to standard output."""
import argparse
import contextlib
import json
import pathlib
import sys
import time

import torch

import data
import models
import tables
from checkpoints import Checkpoints, patiently
from own_daemon import DaemonError, OwnDaemon
from run import OPTIMIZERS, SPLITS, Refused, Run

import embd
import embd.torch

# What is trained on, if nothing is said: KuaiRand's training rows lack the hour, which its validation rows have.
TRAIN_ON = {"kuairand": "train,validation"}
# Epochs, and the learning rates of the table and the network, by log (other logs: as flights) and model.
USUAL = {"kuairand": {"lr": (2, 0.2, 0.2), "fm": (2, 0.02, 0.02), "deepfm": (1, 0.02, 0.02), "dlrm": (1, 0.03, 0.01)},
         "flights": {"lr": (1, 0.2, 0.2), "fm": (1, 0.04, 0.04), "deepfm": (1, 0.03, 0.02), "dlrm": (1, 0.05, 0.01)}}
SLOWER = {"dhe": 0.03}  # of the table's rate: its parameters are a network, which every id moves


def splits(text):
    names = text.split(",")
    for name in names:
        if name not in SPLITS:
            raise argparse.ArgumentTypeError(f"there is no split {name}; there are {', '.join(SPLITS)}")
    return names


def setting(text):
    name, sign, value = text.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"{text} is not NAME=VALUE")
    return name, value


def positive(kind):
    def read(text):
        value = kind(text)
        if not 0 < value < float("inf"):
            raise ValueError
        return value
    read.__name__ = f"positive {kind.__name__}"
    return read


def arguments(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = p.add_argument
    add("--model", choices=models.MODELS, default="fm")
    add("--data", default="kuairand", help="kuairand, flights, or a folder with data.npz (data.py says what is in it)")
    add("--train-on", type=splits, help="splits to train on: train, or train,validation")
    add("--method", default="full", help="how embd keeps the rows; `embctl methods` names them")
    add("--ratio", type=positive(float), help="bytes against float32; what the method takes if not given")
    add("--set", action="append", type=setting, default=[], metavar="NAME=VALUE", help="a setting of the method")
    add("--dim", type=positive(int), help="elements of a row (lr 1, fm 9, deepfm 16, dlrm 16)")
    add("--deviation", type=positive(float), default=tables.DEVIATION, help="of the rows' elements at the start")
    add("--optimizer", choices=OPTIMIZERS, help="adagrad; rowwise_adagrad for methods that keep integers or halves")
    add("--lr", type=positive(float), help="learning rate of the table")
    add("--dense-lr", type=positive(float), help="of the network; that of the table if not given")
    add("--epochs", type=positive(int))
    add("--steps", type=positive(int), help="stop after so many")
    add("--batch", type=positive(int), default=4096)
    add("--seed", type=int, default=1)
    where = p.add_mutually_exclusive_group()
    where.add_argument("--server", metavar="ADDRESS", help="a daemon that runs; without it one is started")
    where.add_argument("--local", action="store_true", help="train in this process, for comparison")
    add("--embd", default="embd", metavar="PROGRAM", help="the daemon to start")
    add("--folder", type=pathlib.Path, help="for checkpoints, and the data of the daemon that is started; if not "
        "given, its data go away with it")
    add("--table", help="its name in embd; DATA-MODEL if not given")
    add("--resume", metavar="LABEL", help="go on from the newest checkpoint LABEL-STEP, if there is one; make more")
    add("--save-every", type=positive(int), metavar="N", help="a checkpoint after every N steps; those before the last "
        "two are dropped")
    add("--pipeline", action="store_true", help="do not wait for pushes, and look the next batch up while this one is "
        "computed: rows may lack the last pushes")
    add("--in-flight", type=positive(int), default=8, help="with --pipeline: pushes that may wait for their answer")
    add("--format", choices=("f32", "f16", "bf16", "int8"), default="f32", help="of rows on the wire")
    add("--push-format", choices=("f32", "f16", "bf16"), default="f32", help="of gradients on the wire")
    add("--at-most", type=positive(float), metavar="SECONDS", help="give up if training would take longer")
    add("--no-evaluation", action="store_true", help="leave out AUC and log loss at the end")
    add("--threads", type=positive(int), help="of PyTorch")
    add("--json", action="store_true", help="print one JSON document")
    a = p.parse_args(argv)
    epochs, rate, dense_rate = USUAL.get(a.data, USUAL["flights"])[a.model]
    a.train_on = a.train_on or TRAIN_ON.get(a.data, "train").split(",")
    a.epochs, a.dense_lr = a.epochs or epochs, a.dense_lr or a.lr or dense_rate
    a.lr = a.lr or rate * SLOWER.get(a.method, 1)
    a.dim = a.dim or models.DIMS[a.model]
    a.table = a.table or f"{pathlib.Path(a.data).name}-{a.model}"
    return a


def check(a):
    if a.save_every and not a.resume:
        raise Refused("--save-every needs a name for the checkpoints: --resume LABEL")
    if a.resume and not a.folder:
        raise Refused("--resume needs a folder for the checkpoints: --folder FOLDER")
    if a.model in ("fm", "deepfm") and a.dim < 2:
        raise Refused(f"a row of {a.model} is a vector and a weight: --dim has to be 2 at least")
    if a.model == "lr" and a.dim != 1:
        raise Refused("a row of lr is a weight: --dim has to be 1")
    if a.local:
        for wrong, what in ((a.method != "full", "--method"), (a.resume, "--resume"), (a.pipeline, "--pipeline"),
                            (a.optimizer == "rowwise_adagrad", "--optimizer rowwise_adagrad"),
                            (a.format != "f32" or a.push_format != "f32", "--format")):
            if wrong:
                raise Refused(f"--local is PyTorch's own table of float32: {what} does not go with it")


# ---- What a run needs ----


def begin_table(client, a, log, begun):
    """Make the table. `begun`: it may be there already, as it was made."""
    frequency = log.frequency(log.rows(*(SPLITS[s] for s in a.train_on)))
    tried = []

    def create():
        tried.append(True)
        try:
            tables.create(client, a.table, a, log, frequency)
        except embd.AlreadyExists:
            if not (begun or len(tried) > 1) or client.describe(a.table).table.version:
                raise Refused(f"the daemon has a table {a.table} already; name another with --table, or take it away "
                              f"with `embctl unload --forget {a.table}`") from None
    patiently(create)


def served(a, log, stack):
    """The run with its rows in embd, and a function that makes a checkpoint of it."""
    daemon = None if a.server else stack.enter_context(OwnDaemon(a.embd, a.folder))
    client = stack.enter_context(embd.Client(a.server or daemon.address))
    session = stack.enter_context(embd.torch.Session(client, a.table, format=a.format, push_format=a.push_format,
                                                     in_flight=a.in_flight, synchronous=not a.pipeline))
    points = Checkpoints(session, a.folder, a.resume) if a.resume else None
    newest = points.newest() if points else None
    if newest is None:
        begin_table(client, a, log, begun=points is not None)
    run = Run(a, log, tables.Served(session, a.table, a.dim, a.model in models.POOLED))
    save = (lambda: points.save(run, kept(a))) if points else (lambda: None)
    if newest is None:
        save()  # before the first push: a table that was pushed to has a checkpoint
    else:
        points.restore(run, newest, kept(a))
    return run, save, client.describe(a.table).table


def local(a, log):
    """The run with its rows in this process. They are those that embd begins with."""
    with OwnDaemon(a.embd) as daemon, embd.Client(daemon.address) as client:
        begin_table(client, a, log, begun=False)
        rows = tables.all_rows(client, a.table, log.id_count, a.dim)
        table = client.describe(a.table).table
    store = tables.Local(rows, a.model in models.POOLED, tables.optimizer_of(a.optimizer, "full"), a.lr,
                         a.batch * len(log.cards))
    return Run(a, log, store), table


def kept(a):
    """The arguments that a run that goes on must share with the one before."""
    return {k: getattr(a, k) for k in ("model", "data", "train_on", "table", "dim", "dense_lr", "batch", "seed")}


# ---- What comes out ----


def work(a):
    torch.set_num_threads(a.threads or torch.get_num_threads())
    log = data.load(a.data)
    with contextlib.ExitStack() as stack:
        if a.local:
            (run, table), save = local(a, log), lambda: None
        else:
            run, save, table = served(a, log, stack)
        first, began = run.done, time.perf_counter()
        run.train(save)
        seconds = time.perf_counter() - began
        if run.done > first:
            save()
        judged = {name: log.rows(split) for name, split in SPLITS.items()
                  if name not in a.train_on and not a.no_evaluation}
        found = {name: run.evaluate(rows) for name, rows in judged.items() if len(rows)}
    steps = run.done - first
    return {"data": a.data, "model": a.model, "where": "local" if a.local else "embd", "method": a.method,
            "ratio": a.ratio, "table": {"name": a.table, "rows": log.id_count, "dim": a.dim,
                                        "bytes": table.parameter_bytes, "ratio": table.ratio},
            "optimizer": tables.optimizer_of(a.optimizer, a.method), "lr": a.lr, "seed": a.seed, "batch": a.batch,
            "trained_on": a.train_on, "first_step": first, "steps": steps, "pipeline": a.pipeline, "seconds": seconds,
            "steps_per_second": steps / seconds if steps else None,
            "waited": run.waited, "train_log_loss": run.recent_loss(), **found}


def tell(r):
    t = r["table"]
    print(f"{r['data']}, {r['model']}, {r['method']} in {'this process' if r['where'] == 'local' else 'embd'}: "
          f"{t['rows']:,} ids x {t['dim']}, {t['bytes']:,} bytes ({t['ratio']:.3g} of float32)")
    if r["steps"]:
        print(f"{r['steps']:,} steps of {r['batch']:,} rows in {r['seconds']:.1f} s, {r['steps_per_second']:.1f} a "
              "second; " + "; ".join(f"{what} {s:.1f} s" for what, s in r["waited"].items()))
    for split in SPLITS:
        if split in r:
            found = r[split]
            print(f"{split:<10}  AUC {found['auc']:.4f}  log loss {found['log_loss']:.4f}  ({found['rows']:,} rows)")


def main():
    a = arguments()
    try:
        check(a)
        result = work(a)
    except (Refused, data.DataError, DaemonError, embd.Error, OSError, ValueError) as e:
        print(f"train: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if a.json:
        print(json.dumps(result))
    else:
        tell(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
