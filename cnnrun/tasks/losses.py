"""Losses of a classifier, as sums over the samples: the caller divides by the samples of the whole batch."""

import torch.nn.functional as F
from torch import Tensor


def cross_entropy(outputs: Tensor, targets: Tensor, weights: Tensor | None, smoothing: float) -> Tensor:
    """Sum over n and k of -w_k q_nk log p_nk.

    Args:
        outputs: (N, K), raw, of any float type; the sum is float32.
        targets: (N,) class indices, or (N, K) probabilities of mixed samples.
        weights: w, (K,) or None for ones. smoothing: q = (1 - smoothing) target + smoothing / K.
    """
    return F.cross_entropy(outputs.float(), targets, weights, reduction="sum", label_smoothing=smoothing)


def focal_loss(outputs: Tensor, targets: Tensor, weights: Tensor | None, smoothing: float, gamma: float) -> Tensor:
    """Sum over n and k of -w_k q_nk (1 - p_nk)^gamma log p_nk, with the arguments of `cross_entropy`.

    Lin et al., Focal Loss for Dense Object Detection (2017), with soft targets q in the place of the true class.
    """
    log_p = F.log_softmax(outputs.float(), dim=1)
    num_classes = outputs.shape[1]
    q = targets if targets.is_floating_point() else F.one_hot(targets, num_classes)
    q = (1 - smoothing) * q + smoothing / num_classes
    # Above 0, for below gamma = 1 the slope of the power is infinite there.
    uncertain = (1 - log_p.exp()).clamp(min=1e-8) ** gamma
    terms = q * uncertain * log_p
    return -(terms if weights is None else terms * weights).sum()


def balanced_weights(class_counts: Tensor) -> Tensor:
    """(K,) float32 weights inverse to the counts (K,) in train, with mean 1 over the samples of train.

    A class without a sample in train gets 1, so that its val samples still count.
    """
    present = class_counts > 0
    weights = class_counts.sum() / (present.sum() * class_counts.clamp(min=1))
    return weights.where(present, weights.new_ones(())).float()
