"""A page with everything that one can have, and values that would do harm if they were more than text."""

import io

from PIL import Image

from cnnrun.pages import PageCell, PageColumn, PageFigure, PageTable, page

HOSTILE = "<script>document.title='harm'</script>"
ATTRIBUTE = '"onmouseover="document.title=\'harm\'" x="'
ADDRESS = "javascript:document.title='harm'"
FOLDER = "runs/a b#1?"
RATES = ["0.1", "0.01", "1e-05", "0.001"]
COLUMNS = [
    PageColumn("run"),
    PageColumn("optimizer.lr", "number"),
    PageColumn("test/accuracy", "number", "share; its 95 % interval below", 4),
    PageColumn("runtime", "number"),
    PageColumn("reason"),
]


def png(width: int = 900, height: int = 300, color: str = "navy") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), color).save(buffer, "png")
    return buffer.getvalue()


def rows(count: int) -> list[dict]:
    """Every fifth run has no result; the tenth is the best."""
    names = [f"run{number + 1}" for number in range(count)]
    names[1:4] = [HOSTILE, ATTRIBUTE, "model=dnn,optimizer.lr=0.1,seed=0"]
    return [
        {
            "run": name,
            "folder": ADDRESS if number == 5 else FOLDER,
            "optimizer.lr": RATES[number % 4],
            "test/accuracy": None if number % 5 == 4 else PageCell(f"0.{number:04d}", number / 1e4, "0.1 to 0.9"),
            "runtime": PageCell(f"{number % 7}m {number % 60}s", 60.0 * (number % 7) + number % 60),
            "reason": "the loss became NaN" if number % 5 == 4 else "",
            "best": number == 9,
            "lost": number % 5 == 4,
        }
        for number, name in enumerate(names)
    ]


def example_page(count: int = 30) -> bytes:
    wide = [PageColumn(f"a.rather.long.name_{number}", "number") for number in range(30)]
    return page(
        f"Comparison of {HOSTILE}",
        facts=[("Compared", "outputs/" + "sweeps" * 30), (ATTRIBUTE, HOSTILE)],
        settings=[("optimizer.lr", ", ".join(RATES))],
        tables=[
            PageTable("Runs", COLUMNS, rows(count), {"run": "folder"}, "best", "lost", ["* best on val."]),
            PageTable("Wide", [PageColumn("x"), *wide], [{column.name: 0.5 for column in wide}] * 3, folded=True),
            PageTable("Empty", [PageColumn("x")], []),
        ],
        figures=[PageFigure("A blue figure.", png(1500, 700), HOSTILE), PageFigure(ATTRIBUTE, png(300, 200))],
        warnings=[HOSTILE],
        notes=["Intervals: 95 %."],
        links=[("the table", "compare.csv"), ("harm", ADDRESS)],
    )
