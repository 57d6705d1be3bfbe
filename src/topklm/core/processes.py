"""Several processes of one job, as torchrun starts them: who is who, what one does for all, how a job ends.

With one process everything here does nothing, so no caller has to ask.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from .errors import InputError, Interrupted, LostProcessError

if TYPE_CHECKING:
    from torch import Tensor

TIMEOUT = "TOPKLM_TIMEOUT"
"""Environment variable: seconds after which a process that does not answer counts as lost."""
DEFAULT_TIMEOUT = 600
PATIENCE = timedelta(days=30)
"""How long the others wait while one process does something for all, such as packing a corpus."""
Result = TypeVar("Result")


class Place(NamedTuple):
    """Which of a job's processes this is."""

    rank: int
    size: int
    local_rank: int
    """Which of the processes on this machine."""
    local_size: int


def place() -> Place:
    """Read from the environment which process this is. Raises InputError where it contradicts itself."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    try:
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count <= 1:
            return Place(0, 1, 0, 1)
        found = Place(*(int(os.environ[name]) for name in names))
    except (KeyError, ValueError):
        raise InputError(
            f"WORLD_SIZE={os.environ['WORLD_SIZE']} but not all of {', '.join(names)} are whole numbers; "
            "start processes with torchrun"
        ) from None
    return found


def is_main() -> bool:
    """Tell whether this process is the one that writes and speaks for all."""
    return place().rank == 0


# --- being together ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def joined(remedy: str) -> Iterator[None]:
    """Join the job's other processes inside a with block; several such blocks may lie in one another.

    remedy: how to go on after a process is lost, put at the end of the message. Raises LostProcessError
    where another process ended or did not answer for `TOPKLM_TIMEOUT` seconds (600).
    """
    import torch.distributed as dist

    if place().size == 1:
        yield
        return
    ours = not dist.is_initialized()
    if ours:
        _connect()
    before = _let_terminations_interrupt()
    try:
        yield
        wait_for_all()  # nobody leaves while another still needs it
        if ours:
            _groups.clear()
            dist.destroy_process_group()
    except (RuntimeError, KeyboardInterrupt, Interrupted) as error:
        if not _means_lost(error):
            raise
        before = None if before is None else signal.SIG_IGN  # the launcher's, while we say why
        raise LostProcessError(
            f"another of the {place().size} processes ended or did not answer; {remedy}"
        ) from error
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _connect() -> None:
    import torch
    import torch.distributed as dist

    try:
        seconds = float(os.environ.get(TIMEOUT, DEFAULT_TIMEOUT))
    except ValueError:
        raise InputError(f"{TIMEOUT}={os.environ[TIMEOUT]!r} is no number of seconds") from None
    backend = "gloo"
    if torch.cuda.is_available():
        local = place().local_rank
        if local >= torch.cuda.device_count():
            raise InputError(
                f"{place().local_size} processes on a machine with {torch.cuda.device_count()} GPUs; "
                "start one for each"
            )
        torch.cuda.set_device(local)
        backend = "cpu:gloo,cuda:nccl"
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as torchrun does; else accelerate would set threads
    dist.init_process_group(backend, timeout=timedelta(seconds=seconds))
    _patient()


_groups: dict[str, Any] = {}


def _patient() -> Any:
    """Return the group in which processes wait for one another as long as it takes."""
    import torch.distributed as dist

    if "patient" not in _groups:
        _groups["patient"] = dist.new_group(backend="gloo", timeout=PATIENCE)
    return _groups["patient"]


def _let_terminations_interrupt() -> Any:
    """Let SIGTERM interrupt as Ctrl-C does; return what it did before, None outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        return None

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    return signal.signal(signal.SIGTERM, interrupt)


LOST = ("gloo", "nccl", "connection", "timed out", "timeout", "process group", "socket", "broken pipe")


def _means_lost(error: BaseException) -> bool:
    """Tell whether an error comes from a lost process; a launcher then often interrupts its handling."""
    import torch.distributed as dist

    if isinstance(error, RuntimeError) and (
        isinstance(error, dist.DistError) or any(word in str(error).lower() for word in LOST)
    ):
        return True
    return error.__context__ is not None and _means_lost(error.__context__)


# --- one for all ------------------------------------------------------------------------------------------


def on_main(work: Callable[[], Result]) -> Result | None:
    """Do something in the main process alone while the others wait; they get None.

    What it raises is raised in all of them.
    """
    kept: list[Result] = []

    def keep() -> None:
        kept.append(work())

    told_by_main(keep)
    return kept[0] if kept else None


def told_by_main(work: Callable[[], Result]) -> Result:
    """Do something in the main process and give all of them its result, or what it raised."""
    if place().size == 1:
        return work()
    import torch.distributed as dist

    outcome: list[Any] = [None, None]
    raised: BaseException | None = None
    if is_main():
        try:
            outcome[0] = work()
        except Exception as error:
            raised, outcome[1] = error, _portable(error)
    dist.broadcast_object_list(outcome, src=0, group=_patient())
    if outcome[1] is not None:
        raise raised or outcome[1]
    return outcome[0]  # type: ignore[no-any-return]


def _portable(error: Exception) -> Exception:
    """Reduce an error to what can be sent to another process: kind and message, where it is one of ours."""
    from .errors import TopKLMError

    return type(error)(str(error)) if isinstance(error, TopKLMError) else RuntimeError(str(error))


def wait_for_all() -> None:
    """Return when every process has come this far."""
    if place().size > 1:
        import torch.distributed as dist

        dist.barrier(_patient())


def added_up(values: "Tensor") -> "Tensor":
    """Add a tensor up over all processes, in place, and return it."""
    if place().size > 1:
        import torch.distributed as dist

        dist.all_reduce(values)
    return values


def any_of(mine: bool) -> bool:
    """Tell whether something holds in any of the processes."""
    if place().size == 1:
        return mine
    import torch

    return bool(added_up(torch.tensor([int(mine)])).item())


# --- last words -------------------------------------------------------------------------------------------


def may_speak() -> bool:
    """Tell, once, whether this process says why the job ends: the first one to ask, and no other.

    The launcher's store knows who was first. Where it does not answer, everyone speaks.
    """
    try:
        if place().size == 1:
            return True
    except InputError:  # what the launcher said makes no sense, and that may be what is to be told
        return True
    import torch.distributed as dist

    try:
        host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        store = dist.TCPStore(  # type: ignore[attr-defined]  # torch's stubs leave it out
            host, port, is_master=False, timeout=timedelta(seconds=5)
        )
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        return bool(store.add(f"topklm/last-words/{attempt}", 1) == 1)
    except (KeyError, ValueError, RuntimeError):
        return True
