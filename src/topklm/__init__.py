"""TopK language models: train, measure, read, steer and trace them."""

__version__ = "0.1.0"
