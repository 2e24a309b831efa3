"""Lens panels of Kibana, made of our short descriptions.

The shapes are those of the saved state of Lens's form based data source, 8.8 and later: `columns` by id in
`columnOrder`, the split before the time (so that the values of a split are the most frequent of the whole
range, not of each step), and one hidden column for each part of a formula.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from observability.panels.lens import Classes, Lens, Measure, Steps, Time, Values

Json = dict[str, Any]

LAYER = "lines"
RECORDS = "___records___"
TOOK = "event.duration"
SHAPES = {"bars": "bar", "lines": "line", "area": "area"}


def attributes(panel_title: str, note: str, lens: Lens, data_view: str) -> Json:
    """The attributes of a Lens panel that lives in its dashboard.

    Args:
        panel_title: What it shows.
        note: How to read it.
        lens: What it counts.
        data_view: Id of the data view whose lines it counts.
    """
    kinds = {"heatmap": ("lnsHeatmap", _heatmap), "figure": ("lnsMetric", _figure)}
    kind, drawn = kinds.get(lens.kind, ("lnsXY", _chart))
    columns = _columns(lens)
    layer = {
        "columns": columns,
        "columnOrder": list(columns),
        "incompleteColumns": {},
        "sampling": 1,
        "ignoreGlobalFilters": False,
    }
    return {
        "title": panel_title,
        "description": note,
        "visualizationType": kind,
        "type": "lens",
        "references": [reference(data_view)],
        "state": {
            "visualization": drawn(lens),
            "query": {"query": lens.only, "language": "kuery"},
            "filters": [],
            "datasourceStates": {"formBased": {"layers": {LAYER: layer}}},
            "internalReferences": [],
            "adHocDataViews": {},
        },
    }


def reference(data_view: str) -> Json:
    """The reference of a panel to its data view."""
    return {"type": "index-pattern", "id": data_view, "name": f"indexpattern-datasource-layer-{LAYER}"}


def _columns(lens: Lens) -> Json:
    first = lens.measures[0]
    columns: Json = {}
    for split in (lens.by, lens.across):
        if split is not None:
            columns[split.name] = _split(split, first)
    for measure in lens.measures:
        columns |= _measure(measure)
    return columns


def _column(label: str, kind: str, operation: str, scale: str, **more: Any) -> Json:
    return {
        "label": label,
        "customLabel": True,
        "dataType": kind,
        "operationType": operation,
        "isBucketed": scale != "ratio",
        "scale": scale,
        **more,
    }


def _split(split: Time | Values | Steps | Classes, first: Measure) -> Json:
    if isinstance(split, Time):
        params: Json = {"interval": "auto", "includeEmptyRows": True, "dropPartials": False}
        return _column("time", "date", "date_histogram", "interval", sourceField="@timestamp", params=params)
    if isinstance(split, Steps):
        ranges = [{"from": 0, "to": 1000, "label": ""}]
        params = {"type": "histogram", "ranges": ranges, "maxBars": split.most, "includeEmptyRows": False}
        return _column(split.label, "number", "range", "interval", sourceField=split.field, params=params)
    if isinstance(split, Classes):
        filters = [
            {"label": label, "input": {"query": query, "language": "kuery"}} for label, query in split.queries
        ]
        return _column(split.label, "string", "filters", "ordinal", params={"filters": filters})
    counted = first.operation == "count"
    order: Json = {"type": "column", "columnId": first.name} if counted else {"type": "alphabetical"}
    params = {
        "size": split.size,
        "orderBy": order,
        "orderDirection": "desc" if counted else "asc",
        "otherBucket": False,
        "missingBucket": False,
        "parentFormat": {"id": "terms"},
        "include": [],
        "exclude": [],
        "includeIsRegex": False,
        "excludeIsRegex": False,
    }
    return _column(split.label, "string", "terms", "ordinal", sourceField=split.field, params=params)


def _measure(measure: Measure) -> Json:
    """The column of a number, the hidden columns that it is made of before it."""
    number: Callable[..., Json] = partial(_column, measure.label, "number", scale="ratio")
    form = _form(measure)
    only = {"filter": {"query": measure.only, "language": "kuery"}} if measure.only else {}
    if measure.operation == "ratio":
        return _ratio(measure, form)
    if measure.operation == "running_total":
        hidden = f"{measure.name}X0"
        part = _column(f"Part of {measure.label}", "number", "sum", "ratio", sourceField=measure.field)
        part["params"] = {"emptyAsNull": False}
        total = number("cumulative_sum", references=[hidden], params=form)
        return {hidden: part, measure.name: total}
    if measure.operation == "count":
        params: Json = {"emptyAsNull": False} | form
        return {measure.name: number("count", sourceField=RECORDS, params=params, **only)}
    params = {"emptyAsNull": True} if measure.operation == "sum" else {}
    if measure.operation == "percentile":
        params = {"percentile": measure.percent}
    return {measure.name: number(measure.operation, sourceField=measure.field, params=params | form, **only)}


def _form(measure: Measure) -> Json:
    """How a number is written; a latency keeps the format of its field, which knows of nanoseconds."""
    if measure.field == TOOK:
        return {}
    return {"format": {"id": measure.unit, "params": {"decimals": measure.decimals}}}


def _ratio(measure: Measure, form: Json) -> Json:
    """A formula as Lens saves one: its text, what it parses to, and a column for each part."""
    over, under = measure.parts
    text = " / ".join([_text(over), *([str(measure.divisor)] if measure.divisor != 1 else []), _text(under)])
    names = [f"{measure.name}X{number}" for number in range(3)]
    hidden: Json = {}
    for name, part in zip(names, (over, under), strict=False):
        (column,) = _measure(part).values()
        column |= {"label": f"Part of {measure.label}", "params": {"emptyAsNull": False}}
        hidden[name] = column
    first: Any = names[0]
    if measure.divisor != 1:
        first = {"type": "function", "name": "divide", "args": [names[0], measure.divisor]}
        first |= _place(f"{_text(over)} / {measure.divisor}")
    tree = {"type": "function", "name": "divide", "args": [first, names[1]], **_place(text)}
    label = f"Part of {measure.label}"
    params: Json = {"tinymathAst": tree}
    hidden[names[2]] = _column(label, "number", "math", "ratio", references=names[:2], params=params)
    formula: Json = {"formula": text, "isFormulaBroken": False} | form
    whole = _column(measure.label, "number", "formula", "ratio", references=[names[2]], params=formula)
    return hidden | {measure.name: whole}


def _place(text: str) -> Json:
    return {"location": {"min": 0, "max": len(text)}, "text": text}


def _text(part: Measure) -> str:
    """A part in the language of formulas."""
    inside = [part.field] if part.field else []
    if part.only:
        inside.append(f"kql='{part.only}'")
    return f"{part.operation}({', '.join(inside)})"


def _shown(x: bool, y: bool) -> Json:
    return {"x": x, "yLeft": y, "yRight": y}


def _chart(lens: Lens) -> Json:
    shape = SHAPES[lens.kind] + ("_stacked" if lens.kind == "bars" else "")
    layer: Json = {
        "layerId": LAYER,
        "layerType": "data",
        "seriesType": shape,
        "accessors": [measure.name for measure in lens.measures],
        "position": "top",
        "showGridlines": False,
    }
    if lens.across is not None:
        layer["xAccessor"] = lens.across.name
    if lens.by is not None:
        layer["splitAccessor"] = lens.by.name
    drawn: Json = {
        "preferredSeriesType": shape,
        "legend": {"isVisible": True, "position": "bottom", "showSingleSeries": lens.by is not None},
        "valueLabels": "hide",
        "fittingFunction": "None",  # a gap is told, not bridged
        "yTitle": lens.axis,
        "axisTitlesVisibilitySettings": _shown(not isinstance(lens.across, Time), True),
        "tickLabelsVisibilitySettings": _shown(True, True),
        "gridlinesVisibilitySettings": _shown(False, True),
        "labelsOrientation": {"x": 0, "yLeft": 0, "yRight": 0},
        "layers": [layer],
    }
    if lens.to is not None:
        drawn["yLeftExtent"] = {"mode": "custom", "lowerBound": 0, "upperBound": lens.to}
    return drawn


def _heatmap(lens: Lens) -> Json:
    if lens.across is None or lens.by is None:
        raise ValueError("a heat map needs both axes")
    return {
        "shape": "heatmap",
        "layerId": LAYER,
        "layerType": "data",
        "xAccessor": lens.across.name,
        "yAccessor": lens.by.name,
        "valueAccessor": lens.measures[0].name,
        "legend": {"isVisible": False, "position": "right", "type": "heatmap_legend"},
        "gridConfig": {
            "type": "heatmap_grid",
            "isCellLabelVisible": True,
            "isYAxisLabelVisible": True,
            "isXAxisLabelVisible": True,
            "isYAxisTitleVisible": False,
            "isXAxisTitleVisible": False,
        },
    }


def _figure(lens: Lens) -> Json:
    return {"layerId": LAYER, "layerType": "data", "metricAccessor": lens.measures[0].name}
