"""People who visit the explorer, for locust: four of five read, one steers; see `load.py`."""

import random
import time
from typing import Any

from locust import FastHttpUser, between, task

WORDS = ("dog", "river", "cake", "the king", "rain", "letter", "garden", "sister")
TEXTS = ("Once upon a time there was a dog.", "The king lost his ring in the river.", "It rained all day.")
LAYERS, NEURONS = 3, 256
STREAMED: dict[str, Any] = {"stream": True, "catch_response": True}


class Reader(FastHttpUser):
    """Looks at pages, with the pauses of someone who reads them."""

    weight = 4
    wait_time = between(2, 8)

    def read(self, path: str, **more: Any) -> None:
        """Ask for a page; all are counted together."""
        with self.client.get(path, name="reading", catch_response=True, **more) as answer:
            if answer.status_code == 200:
                answer.success()

    @task(4)
    def neuron(self) -> None:
        """A neuron's card."""
        self.read(f"/neuron/L{random.randrange(LAYERS)}/N{random.randrange(NEURONS)}")

    @task(3)
    def search(self) -> None:
        """A search for a word."""
        self.read(f"/neurons?q={random.choice(WORDS)}")

    @task(2)
    def table(self) -> None:
        """A page of the table."""
        self.read(f"/neurons?sort=-maximum&page={random.randrange(1, 9)}")

    @task(1)
    def overview(self) -> None:
        """The first page."""
        self.read("/")

    @task(1)
    def text(self) -> None:
        """A text of one's own, read by the model."""
        self.read(f"/read?text={random.choice(TEXTS)}&at={random.randrange(4)}")


class Steerer(FastHttpUser):
    """Lets the model write, again and again; one time in four leaves in the middle."""

    weight = 1
    wait_time = between(1, 4)

    @task
    def steer(self) -> None:
        """Two texts of 60 tokens."""
        feature = f"L{random.randrange(LAYERS)}/N{random.randrange(NEURONS)}"
        asked = {
            "prompt": random.choice(TEXTS),
            "edits": [{"feature": feature, "set_to": 2.0}],
            "seed": random.randrange(99),
        }
        leaves = random.random() < 0.25
        name = "steering, until it answers"
        began = time.perf_counter()
        with self.client.post(
            "/api/v1/steer", json=asked, name=name, stream=True, catch_response=True
        ) as answer:
            seen = b""
            while part := answer.stream.read(512):
                seen = seen[-2000:] + part
                if leaves and b"event: tokens" in seen:
                    answer.success()
                    return
            if b"event: end" not in seen:
                answer.failure("it did not end")
        self.environment.events.request.fire(
            request_type="POST",
            name="steering, until both texts are written",
            response_time=1e3 * (time.perf_counter() - began),
            response_length=0,
            exception=None,
            context={},
        )
