"""What `limbeck fit` found, as tables and figures in docs/fit.md.

    python benchmarks/fronts.py runs/digits/fit runs/mnist_ensemble/fit ...

Copies each fit.json to docs/fit/, and makes the figures there and the last sections of docs/fit.md,
one for each (### NAME), from all that are there.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from limbeck.budgeting.front import leaders

DOCS = Path(__file__).parent.parent / "docs"
FOLDER, PAGE = DOCS / "fit", DOCS / "fit.md"
FRONT, FINALIST, STOPPED = "on the front", "trained in full", "stopped early"


def main(folders: list[Path]) -> None:
    for folder in folders:
        if not (folder / "fit.json").is_file():
            sys.exit(f"there is no fit.json in {folder}. Give what `limbeck fit` left: RUN/fit")
    FOLDER.mkdir(exist_ok=True)
    for folder in folders:
        shutil.copyfile(folder / "fit.json", FOLDER / f"{folder.resolve().parent.name}.json")
    above = PAGE.read_text(encoding="utf-8").split("\n### ")[0].rstrip()
    sections = [section(path) for path in sorted(FOLDER.glob("*.json"))]
    PAGE.write_text("\n".join([above, "", *sections]), encoding="utf-8")


def section(path: Path) -> str:
    """One recipe: what was found, its figure, its table."""
    fit = json.loads(path.read_text(encoding="utf-8"))
    drawn = vl_convert.vegalite_to_svg(chart(fit).to_dict())
    path.with_suffix(".svg").write_text(drawn, encoding="utf-8")
    machine, budget = fit["machine"], fit["budget"]
    where = (
        f"{machine['processor']}, {machine['cores']} cores, onnxruntime {machine['onnxruntime']}; "
        f"p{budget['percentile']} with batch {budget['batch']} and {budget['threads']} thread, at "
        f"most {budget['milliseconds']:.3g} ms."
    )
    steps = [f"- {step}" for step in fit["next_steps"]]
    lines = [f"### {path.stem}", "", fit["sentence"], "", where, "", *steps, ""]
    picture = f"![{path.stem}: validation accuracy over latency]({FOLDER.name}/{path.stem}.svg)"
    return "\n".join([*lines, picture, "", *table(fit), ""])


def place(tried: dict[str, Any], fit: dict[str, Any]) -> str:
    if tried["name"] in fit["front"]:
        return FRONT
    return STOPPED if tried["final"] is None else FINALIST


def milliseconds(file: dict[str, Any], fit: dict[str, Any]) -> float:
    found: float = file[f"p{fit['budget']['percentile']}_ms"]
    return found


def validation(tried: dict[str, Any]) -> float:
    """In %, of those that were stopped early as far as they came."""
    if tried["final"] is None:
        return float(100 * tried["accuracies"][-1][1])
    accuracies = tried["final"]["validation_accuracies"]
    return float(100 * sum(accuracies) / len(accuracies))


def told(tried: dict[str, Any], fit: dict[str, Any]) -> str:
    """What stands beside a point."""
    if tried["name"] == fit["winner"]:
        return f"winner: {tried['name']}"
    return f"now: {tried['name']}" if tried is fit["candidates"][0] else ""


def table(fit: dict[str, Any]) -> list[str]:
    """Every candidate, the fastest first; those over the budget last."""
    lines = [
        "| candidate | file | ms | kB | validation, % | test, % | against current, points | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rows = []
    for tried in fit["candidates"]:
        shown = tried["file"] or min(tried["measured"], key=lambda file: milliseconds(file, fit))
        start = [tried["name"], shown["precision"]]
        start += [f"{milliseconds(shown, fit):.4g}", f"{shown['bytes'] / 1000:,.1f}"]
        if tried["file"] is None:
            cells = [*start, "", "", "", "over the budget, never trained"]
        elif tried["final"] is None:
            stopped = f"stopped after {tried['accuracies'][-1][0]} epochs"
            cells = [*start, f"{validation(tried):.2f}", "", "", stopped]
        else:
            final = tried["final"]
            difference = "{estimate:+.2f} ({low:+.2f} to {high:+.2f})".format(
                **final["difference_points"]
            )
            standing = "**winner**" if tried["name"] == fit["winner"] else place(tried, fit)
            test = f"{100 * final['test_accuracy']['estimate']:.2f}"
            cells = [*start, f"{validation(tried):.2f}", test, difference, standing]
        rows.append((tried["file"] is None, milliseconds(shown, fit), f"| {' | '.join(cells)} |"))
    return lines + [line for *_, line in sorted(rows)]


def chart(fit: dict[str, Any]) -> alt.LayerChart:
    """Accuracy over latency, the front as a line and the budget as a rule."""
    rows: list[dict[str, Any]] = [
        {
            "name": tried["name"],
            "told": told(tried, fit),
            "ms": milliseconds(tried["file"], fit),
            "accuracy": validation(tried),
            "place": place(tried, fit),
        }
        for tried in fit["candidates"]
        if tried["file"] is not None
    ]
    first = leaders({r["name"]: (r["ms"], r["accuracy"]) for r in rows if r["place"] == FRONT})
    for row in rows:
        row["leads"] = row["name"] in first
    x = alt.X("ms:Q", title="latency, ms", scale=alt.Scale(type="log", nice=False, padding=14))
    y = alt.Y("accuracy:Q", title="validation accuracy, %", scale=alt.Scale(zero=False, padding=14))
    base = alt.Chart(alt.InlineData(values=rows))
    front = base.transform_filter("datum.leads")
    colour = alt.Color(
        "place:N",
        scale=alt.Scale(domain=[FRONT, FINALIST, STOPPED]),
        title=None,
        legend=alt.Legend(orient="bottom"),
    )
    limit = alt.Chart(alt.InlineData(values=[{"ms": fit["budget"]["milliseconds"]}]))
    drawn: alt.LayerChart = alt.layer(
        limit.mark_rule(strokeDash=[4, 3]).encode(x=x),
        front.mark_line(interpolate="step-after", strokeWidth=1).encode(x=x, y=y),
        base.mark_point(filled=True, size=70, opacity=1).encode(x=x, y=y, color=colour),
        base.mark_text(align="right", dx=-8, dy=-6, fontSize=10).encode(x=x, y=y, text="told:N"),
    ).properties(width=520, height=300)
    return drawn


if __name__ == "__main__":
    main([Path(each) for each in sys.argv[1:]])
