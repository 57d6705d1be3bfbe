"""Which token types a feature fires on, and how many they are in effect."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..model import SparseCodes


def token_mass(
    codes: SparseCodes, token_ids: Int[Tensor, " row"], *, vocabulary: int
) -> Float[Tensor, "feature token"]:
    """Sum each feature's activation over the occurrences of each token type.

    mass(n, v) = sum of max(a(n, t), 0) over tokens t of type v. Returns a sparse float64 tensor of
    shape (width, vocabulary). Raises ValueError where codes and token ids differ in number.
    """
    if token_ids.shape != (len(codes),):
        raise ValueError(f"{len(codes)} codes need as many token ids, not {tuple(token_ids.shape)}")
    types = token_ids.to(codes.values.device).long()[codes.rows]
    pairs = torch.stack([codes.indices.long(), types])
    # float64: float32 sums over millions of tokens lose the small ones
    values = codes.values.double().clamp(min=0)
    mass = torch.sparse_coo_tensor(pairs, values, (codes.width, vocabulary), check_invariants=True)
    return mass.coalesce()


def token_entropy(mass: Float[Tensor, "feature token"]) -> Float[Tensor, " feature"]:
    """Return each feature's entropy over token types, in bits; NaN for a feature without mass.

    H(n) = - sum_v p(v|n) log2 p(v|n), p(v|n) = mass(n, v) / sum_v mass(n, v). Low: the feature is
    about few tokens. It falls mechanically with fewer firings, so compare only features with
    equally many. mass: dense or sparse, not negative. Source: arXiv 2506.21468, section on
    interpretability, there over the most activating contexts.
    """
    sparse = mass.to_sparse() if mass.layout == torch.strided else mass
    sparse = sparse.coalesce()
    features, _ = sparse.indices()
    values = sparse.values().double()
    total = torch.zeros(mass.shape[0], dtype=torch.float64, device=mass.device)
    total.index_add_(0, features, values)
    share = values / total[features]
    terms = torch.where(share > 0, -share * share.log2(), torch.zeros_like(share))
    entropy = torch.zeros_like(total).index_add_(0, features, terms)
    return torch.where(total > 0, entropy, torch.full_like(entropy, torch.nan))


def top_tokens(mass: Float[Tensor, "feature token"], feature: int, count: int) -> list[tuple[int, float]]:
    """List a feature's token types with the largest mass, and their shares of it, largest first."""
    row = mass[feature].to_dense() if mass.layout != torch.strided else mass[feature]
    total = float(row.sum())
    values, types = row.topk(min(count, len(row)))
    return [
        (int(token), float(value) / total) for value, token in zip(values, types, strict=True) if value > 0
    ]
