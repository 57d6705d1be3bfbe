"""Thousands of requests made from the API's own OpenAPI document: none is a mistake of the server."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error

from topklm.explorer import Workspace, create_app

CASES = 2000
"""At least so many requests in all."""
EACH = 150
"""Of each operation; those with little to vary give fewer."""


def tamed(case: Any) -> None:
    """Let texts be short, and every second request name a neuron that exists: chance rarely does."""
    place = case.path_parameters or {}
    if "layer" in place and len(str(place["layer"])) % 2:
        case.path_parameters = {**place, "layer": "L0", "name": "N3"}
    body = case.body if isinstance(case.body, dict) else {}
    for name in ("max_new_tokens", "n_completion_tokens"):
        if isinstance(body.get(name), int | float):
            body[name] = min(body[name], 3)
    for one in body.get("edits") or () if isinstance(body.get("edits"), list) else ():
        if isinstance(one, dict) and len(str(one)) % 2:
            one["feature"] = "L0/N3"


@pytest.mark.slow
def test_no_request_is_a_mistake_of_ours(explored: Path, tmp_path: Path) -> None:
    shutil.copytree(explored, tmp_path / "run")
    app = create_app(Workspace(tmp_path / "run"))
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app, headers={"host": "127.0.0.1"})
    seen: Counter[str] = Counter()
    statuses: Counter[int] = Counter()

    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=EACH,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def asked(case: Any) -> None:
            tamed(case)
            answer = case.call(headers={"host": "127.0.0.1"}, timeout=300)
            seen[case.operation.label] += 1
            statuses[answer.status_code] += 1
            case.validate_response(answer, checks=[not_a_server_error])
            assert b"event: failed" not in answer.content

        asked()
    assert len(seen) == len(list(schema.get_all_operations()))
    assert sum(seen.values()) >= CASES, seen
    assert statuses[200] > 200, statuses
