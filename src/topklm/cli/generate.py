"""`topklm generate`: let a run write on from a prompt."""

from typing import Annotated

import typer

from .output import AsJson, RunPath, decimal, put, put_json, whole


def generate(
    path: RunPath,
    prompt: Annotated[str, typer.Argument(help="How the text begins.", show_default=False)],
    max_new_tokens: Annotated[int, whole("Tokens to write.")] = 100,
    temperature: Annotated[float, decimal("0: always the likeliest token; higher: more varied.")] = 0.8,
    seed: Annotated[int, whole("Seed of the choices.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Write text with a run's model, starting from PROMPT."""
    from ..evaluation.generation import write
    from ..training import load

    model, tokenizer, run = load(path)
    written = write(
        model,
        tokenizer,
        prompt,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        seed=seed,
    )
    if as_json:
        put_json(
            {
                "format": "topklm.text/1",
                "run": str(run.path),
                "revision": run.revision,
                "seeds": [seed],
                "temperature": temperature,
                "prompt": prompt,
                "text": written,
            }
        )
    else:
        put(prompt + written)
