# SPDX-License-Identifier: Apache-2.0
"""What the measurements put into the documents: tables between marks, and plots that are the same for the same numbers."""
import contextlib
import pathlib
import subprocess

MARKS = "<!-- {}: begin -->", "<!-- {}: end -->"
SYMBOLS = "osD^v<>Ph*Xd"  # of the lines of a plot, so that they can be told apart without colours


def replace(page, mark, lines):
    """The part of a page between `<!-- mark: begin -->` and `<!-- mark: end -->`, which have to be there."""
    page = pathlib.Path(page)
    begin, end = (m.format(mark) for m in MARKS)
    head, rest = page.read_text().split(begin)
    page.write_text(head + begin + "\n\n" + "\n".join(lines).strip() + "\n\n" + end + rest.split(end)[1])


@contextlib.contextmanager
def plot(path, columns=1, rows=1, width=6.2, height=4.6, **options):
    """A figure that is written as SVG at the end: (figure, axes[rows][columns]). Needs matplotlib."""
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "embd", "svg.fonttype": "none", "font.size": 9})
    import matplotlib.pyplot as plt
    figure, axes = plt.subplots(rows, columns, figsize=(width * columns, height * rows), squeeze=False, **options)
    yield figure, axes
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def style(i):
    """Colour and symbol of the i-th of many lines."""
    import matplotlib.pyplot as plt
    return {"color": plt.cm.tab20(i % 20), "marker": SYMBOLS[i % len(SYMBOLS)], "markersize": 4, "linewidth": 1}


def legend(axes):
    """One for all axes of a row, beside the last."""
    handles = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels())}
    axes[-1].legend(handles.values(), handles.keys(), loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)


def machine():
    """The processor that this was measured on, for people: name, cores, memory, kernel."""
    def fact(command):
        return subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout.strip()
    name = fact("sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1")
    gib = int(fact("sed -n 's/^MemTotal: *\\([0-9]*\\).*/\\1/p' /proc/meminfo")) / (1 << 20)
    return f"{name}, {fact('nproc')} cores, {gib:.0f} GiB, Linux {fact('uname -r').split('-')[0]}"
