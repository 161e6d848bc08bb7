# SPDX-License-Identifier: Apache-2.0
"""What a click model is judged by, in float64. `label` is 0 or 1, `score` a logit (for auc, anything that ranks)."""
import numpy as np


def ranks(score):
    """1 ... n, equal scores sharing the mean of their ranks."""
    order = np.argsort(score, kind="stable")
    first = np.concatenate([[True], np.diff(score[order]) != 0])
    group = np.cumsum(first) - 1
    ends = np.cumsum(np.bincount(group))
    begins = np.concatenate([[0], ends[:-1]])
    out = np.empty(len(score))
    out[order] = ((begins + 1 + ends) / 2)[group]
    return out


def auc(label, score):
    """The chance that a clicked row is ranked above one that was not, ties counting half; NaN without both kinds."""
    label, score = np.asarray(label) > 0.5, np.asarray(score, np.float64)
    clicked = int(label.sum())
    others = len(label) - clicked
    if not clicked or not others or not np.isfinite(score).all():
        return float("nan")
    return float((ranks(score)[label].sum() - clicked * (clicked + 1) / 2) / (clicked * others))


def log_loss(label, logit):
    """The mean of -log of the probability that was given to what happened; NaN for no rows."""
    label, logit = np.asarray(label, np.float64), np.asarray(logit, np.float64)
    if not len(label):
        return float("nan")
    return float(np.mean(np.logaddexp(0, logit) - label * logit))
