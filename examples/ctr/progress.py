# SPDX-License-Identifier: Apache-2.0
"""The line that tells how far a training run is: rewritten in place on a terminal, else a new one now and then."""
import sys
import time


def span(seconds):
    seconds = int(seconds)
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


class Progress:
    def __init__(self, first, steps, steps_an_epoch, rows_a_step, out=sys.stderr):
        self.first, self.steps, self.an_epoch, self.rows = first, steps, steps_an_epoch, rows_a_step
        self.out, self.terminal = out, out.isatty()
        self.began = self.told = time.monotonic()
        self.loss = None

    def step(self, done, loss):
        """`done` steps are behind us; `loss` is that of the last one's batch."""
        self.loss = loss if self.loss is None else 0.98 * self.loss + 0.02 * loss
        now = time.monotonic()
        if now - self.told < (0.2 if self.terminal else 10.0) and done < self.steps:
            return
        self.told = now
        rate = (done - self.first) / max(now - self.began, 1e-9)
        epoch = (done - 1) // self.an_epoch + 1
        line = (f"epoch {epoch}  step {done:,} of {self.steps:,}  {rate:.1f} steps/s  {rate * self.rows:,.0f} rows/s  "
                f"{span((self.steps - done) / max(rate, 1e-9))} left  log loss {self.loss:.4f}")
        self.out.write(f"\r{line}\x1b[K" if self.terminal else line + "\n")
        self.out.flush()

    def end(self):
        if self.terminal:
            self.out.write("\n")
            self.out.flush()
