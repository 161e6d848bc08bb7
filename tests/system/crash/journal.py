# SPDX-License-Identifier: Apache-2.0
"""What a trainer has sent and what it was told, one JSON object a line:

    {"push": 7, "message": "…base64…"}                      before it is sent for the first time
    {"answer": 7, "lsn": 31, "versions": [12], "duplicate": false, "skipped": 0}
    {"position": 7}                                         asked for after a start

The judge believes these files and nothing else."""
import base64
import json
import threading


class Journal:
    def __init__(self, path):
        self.path, self.file = path, open(path, "a", buffering=1 << 16)
        self.lock = threading.Lock()  # a stream is written by one thread and read by another

    def write(self, **record):
        with self.lock:
            self.file.write(json.dumps(record) + "\n")

    def push(self, sequence, message):
        self.write(push=sequence, message=base64.b64encode(message).decode())

    def answer(self, sequence, response):
        self.write(answer=sequence, lsn=response.lsn, versions=list(response.versions),
                   duplicate=response.duplicate, skipped=response.skipped)

    def close(self):
        self.file.close()


class Push:
    """A push as its trainer saw it."""

    def __init__(self, trainer, sequence, message):
        self.trainer, self.sequence, self.message, self.answers = trainer, sequence, message, []

    def __str__(self):
        return f"{self.trainer}/{self.sequence}"


def read(paths):
    """All pushes of these journals: {(trainer, sequence): Push}. A journal's file name is its trainer's."""
    pushes = {}
    for path in paths:
        trainer = path.stem
        with open(path) as file:
            for line in file:
                record = json.loads(line)
                if "push" in record:
                    key = trainer, record["push"]
                    if key in pushes:
                        raise ValueError(f"{trainer}/{record['push']} was made twice")
                    pushes[key] = Push(*key, base64.b64decode(record["message"]))
                elif "answer" in record:
                    pushes[trainer, record["answer"]].answers.append(record)
    return pushes
