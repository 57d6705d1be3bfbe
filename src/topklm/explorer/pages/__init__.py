"""One router per page. Each makes a page's content from the workspace; templates draw it."""

from . import api, compare, neuron, neurons, overview, quiz, read, steer, trace

routers = (
    overview.router,
    neurons.router,
    neuron.router,
    read.router,
    steer.router,
    compare.router,
    quiz.router,
    trace.router,
    api.router,
)
