#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The n-th write, sync, rename, open, change of size, unlink, mapping and allocation of a session fails, once or for ever:
each ends as promised, and the next start recovers. A few n of each here; with EMBD_FAULTS_ALL n = 1, 2, … until nothing
fails any more, and of the allocations the first from each place (stack of callers). EMBD_FAULTS_KINDS: only these
kinds."""
import os
import random
import unittest

from crash.session import VARIANTS, Session, Wrong, expected
from daemon import SANITIZED

ALL = "EMBD_FAULTS_ALL" in os.environ
KINDS = os.environ.get("EMBD_FAULTS_KINDS", "").split()
SAMPLES = 2


@unittest.skipIf(SANITIZED, "sanitizers want to be loaded first")
class Faults(unittest.TestCase):
    def test_each_fault_ends_as_promised(self):
        reference, draw, problems = expected(), random.Random(3623), []
        with Session(reference) as session:  # nothing fails: how many calls of each kind there are
            session.faults.trace()
            session.run(VARIANTS[0], 10**9)
            counts, places = session.calls, session.faults.places()
        places = [n for n in places if n <= counts["memory"]]

        def attempt(variant, n):
            with Session(reference) as session:
                try:
                    return session.run(variant, n)
                except (Wrong, RuntimeError) as error:
                    problems.append(f"{variant}, number {n}: {error}")
                    print(problems[-1], flush=True)
                    return True

        for variant in VARIANTS:
            if KINDS and variant.kind not in KINDS:
                continue
            self.assertGreater(counts[variant.kind], 0, variant)
            before, count = len(problems), counts[variant.kind]
            numbers = places if variant.kind == "memory" else range(1, count + 1)
            if not ALL:
                numbers = sorted(draw.sample(numbers, min(SAMPLES, len(numbers))))
            tried = sum(attempt(variant, n) for n in numbers)
            while ALL and variant.kind != "memory" and attempt(variant, count + 1):
                tried, count = tried + 1, count + 1
            print(f"{str(variant):24} {tried} of {len(numbers)} failed, {len(problems) - before} wrong", flush=True)
        self.assertEqual(problems, [], "\n".join(problems))


if __name__ == "__main__":
    unittest.main()
