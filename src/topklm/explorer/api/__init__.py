"""The JSON API: all that the pages use, below /api/v1, described by its OpenAPI document."""

from . import features, notes, reading, run, steer

routers = (run.router, features.router, notes.router, reading.router, steer.router)
