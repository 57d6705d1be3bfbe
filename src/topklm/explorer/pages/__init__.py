"""One router per page. Each makes a page's content from the workspace; templates draw it."""

from . import api, neuron, neurons, overview

routers = (overview.router, neurons.router, neuron.router, api.router)
