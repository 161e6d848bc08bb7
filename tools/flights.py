# SPDX-License-Identifier: Apache-2.0
"""Flights as a click log: will it be late by more than 15 minutes? From the 3,000,000 flights of January to June 2001
in the npm package vega-datasets (U.S. Bureau of Transportation Statistics, on-time performance).

    write(source, folder)     source: columns of the flights; folder/data.npz is what examples/ctr/data.py reads

Ten fields, of which four are crosses of others that we made. Every tenth row by a fixed draw is for validation, another
for the test."""
import pathlib
import subprocess
import sys
import tarfile
import tempfile

import numpy as np

PACKAGE = "vega-datasets@3.2.1"
READER = "pyarrow<22"  # later ones want a newer NumPy than Debian 12 has
LATE = 15  # minutes
SOURCE = """data.npz: 3,000,000 flights in the United States, January to June 2001, in ten fields; y: more than 15
minutes late.

U.S. Bureau of Transportation Statistics, on-time performance, collected under 14 CFR Part 234: data of the federal
government. Taken from data/flights-3m.parquet of the npm package vega-datasets 3.2.1 (code BSD-3-Clause), whose list of
data sets names no licence for this file other than that it is open.

Changes: airports, distances and their combinations numbered as ids; route_x_hour, origin_x_day_x_hour,
destination_x_day_x_hour and route_x_day are crosses that the original has not; split is drawn at random.
"""


def dense(a):
    """0 ... n - 1 for n different values."""
    return np.unique(a, return_inverse=True)[1]


def smallest(a):
    return a.astype(np.min_scalar_type(int(a.max())))


def fields_of(flights):
    """Ten columns of ids."""
    origin, destination = flights["origin"].astype(np.int64), flights["destination"].astype(np.int64)
    day, hour = flights["minute"] // 1440, flights["minute"] // 60 % 24
    since = day - day.min()
    route = dense(origin * 256 + destination)
    return {"origin": origin, "destination": destination, "hour": hour, "weekday": (day + 3) % 7,
            "distance": dense(flights["distance"]), "route": route, "route_x_hour": dense(route * 24 + hour),
            "origin_x_day_x_hour": dense((origin * 200 + since) * 24 + hour),
            "destination_x_day_x_hour": dense((destination * 200 + since) * 24 + hour),
            "route_x_day": dense(route * 200 + since)}


def numbers_of(flights):
    """Distance and time of day as numbers, for models that take such."""
    angle = 2 * np.pi * (flights["minute"] % 1440) / 1440
    distance = np.log1p(flights["distance"].astype(np.float64))
    return {"distance": (distance - distance.mean()) / distance.std(), "time_sine": np.sin(angle),
            "time_cosine": np.cos(angle)}


def write(flights, folder):
    """`flights`: minute (since 1970), origin, destination (numbered by code), distance, delay, in the order of time."""
    part = np.random.RandomState(20010101).randint(0, 10, len(flights["minute"]))
    arrays = {f"f_{name}": smallest(a) for name, a in fields_of(flights).items()}
    arrays.update({f"x_{name}": a.astype(np.float16) for name, a in numbers_of(flights).items()})
    arrays.update(y=(flights["delay"] > LATE).astype(np.uint8), split=np.where(part < 8, 0, part - 7).astype(np.uint8))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "SOURCE.txt").write_text(SOURCE)
    np.savez_compressed(folder / "data.part.npz", **arrays)
    (folder / "data.part.npz").rename(folder / "data.npz")


def from_package():
    """The package's Parquet file, read by pyarrow, which is put into a folder that goes away."""
    with tempfile.TemporaryDirectory() as tmp:
        subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=tmp, check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(next(pathlib.Path(tmp).glob("*.tgz"))) as tar:
            pathlib.Path(tmp, "flights.parquet").write_bytes(tar.extractfile("package/data/flights-3m.parquet").read())
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--only-binary=:all:",
                        "--root-user-action=ignore", "--target", f"{tmp}/python", READER], check=True)
        sys.path.insert(0, f"{tmp}/python")
        import pyarrow.parquet  # pylint: disable=import-outside-toplevel,import-error
        table = pyarrow.parquet.read_table(f"{tmp}/flights.parquet")
        column = {name: table.column(name).to_numpy() for name in table.column_names}
    _, numbers = np.unique(np.concatenate([column["origin"], column["destination"]]).astype("U3"), return_inverse=True)
    origin, destination = np.split(numbers, 2)
    return {"minute": column["date"].astype("datetime64[m]").astype(np.int64), "origin": origin,
            "destination": destination, "distance": column["distance"], "delay": column["delay"]}


def from_given(given):
    """The same flights as delta-coded minutes, from a folder that has them."""
    with np.load(given / "flights" / "data.npz") as z:
        return {"minute": z["minute0"] + np.cumsum(z["minute_delta"].astype(np.int64)), "origin": z["f_origin"],
                "destination": z["f_destination"], "distance": z["distance"], "delay": z["delay"]}
