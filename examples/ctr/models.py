# SPDX-License-Identifier: Apache-2.0
"""Four click models over the fields of a log. Each is given a layer that turns ids [batch, fields] into rows, and holds
the dense part alone: where the rows are kept is the layer's business. forward(ids, numbers) is the logit [batch]."""
import torch
from torch import nn

# What --dim is if nothing is said. A row of fm and deepfm is a vector and, as its last element, the id's weight: in one
# table they are compressed together and come with one lookup.
DIMS = {"lr": 1, "fm": 9, "deepfm": 16, "dlrm": 16}
POOLED = {"lr"}  # models that want one row for the bag of a sample's ids
DEEP, TOP, BOTTOM = (128, 64), (128, 64), (64,)  # widths of the hidden layers


def mlp(*widths):
    """Linear layers with ReLU between them."""
    layers = []
    for i, (a, b) in enumerate(zip(widths, widths[1:])):
        layers += [nn.Linear(a, b)] + ([nn.ReLU()] if i < len(widths) - 2 else [])
    return nn.Sequential(*layers)


class Lr(nn.Module):
    """Logistic regression: bias + the weights of the ids."""

    def __init__(self, rows, fields, dim, numbers):
        super().__init__()
        self.rows, self.bias = rows, nn.Parameter(torch.zeros(1))

    def forward(self, ids, numbers):
        return self.bias + self.rows(ids).sum(1)


def factorized(rows):
    """Weights, and products of all pairs of vectors: [batch]. rows: [batch, fields, dim + 1]."""
    v, weight = rows[..., :-1], rows[..., -1]
    total = v.sum(1)
    return weight.sum(1) + 0.5 * ((total * total).sum(1) - (v * v).sum((1, 2)))


class Fm(nn.Module):
    """Factorization machine (Rendle 2010)."""

    def __init__(self, rows, fields, dim, numbers):
        super().__init__()
        self.rows, self.bias = rows, nn.Parameter(torch.zeros(1))

    def forward(self, ids, numbers):
        return self.bias + factorized(self.rows(ids))


class DeepFm(nn.Module):
    """A factorization machine and a network on the same vectors (Guo et al. 2017)."""

    def __init__(self, rows, fields, dim, numbers):
        super().__init__()
        self.rows, self.bias = rows, nn.Parameter(torch.zeros(1))
        self.deep = mlp(fields * (dim - 1), *DEEP, 1)

    def forward(self, ids, numbers):
        rows = self.rows(ids)
        return self.bias + factorized(rows) + self.deep(rows[..., :-1].flatten(1)).squeeze(1)


class Dlrm(nn.Module):
    """Products of all pairs of vectors into a network (Naumov et al. 2019). The numbers of a row become one more
    vector, by a network of their own; a log without numbers gets one that is learned, the same for all rows."""

    def __init__(self, rows, fields, dim, numbers):
        super().__init__()
        self.rows = rows
        self.bottom = mlp(numbers, *BOTTOM, dim) if numbers else None
        self.vector = None if numbers else nn.Parameter(torch.randn(dim) / dim ** 0.5)
        pairs = (fields + 1) * fields // 2
        self.register_buffer("pairs", torch.triu_indices(fields + 1, fields + 1, 1), persistent=False)
        self.top = mlp(dim + pairs, *TOP, 1)

    def forward(self, ids, numbers):
        rows = self.rows(ids)
        one = self.bottom(numbers) if self.bottom else self.vector.expand(len(rows), -1)
        rows = torch.cat([one.unsqueeze(1), rows], 1)
        products = torch.bmm(rows, rows.transpose(1, 2))[:, self.pairs[0], self.pairs[1]]
        return self.top(torch.cat([one, products], 1)).squeeze(1)


MODELS = {"lr": Lr, "fm": Fm, "deepfm": DeepFm, "dlrm": Dlrm}
