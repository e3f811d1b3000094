"""The outputs of a network in eval mode, for a whole split."""

import torch
from torch import Tensor, nn

from cnnrun.training import distributed
from cnnrun.training.device import Compute, memory_permitting
from cnnrun.training.parted import Loader


@torch.inference_mode()
def predict(model: nn.Module, loader: Loader, compute: Compute) -> Tensor:
    """The outputs of the model, in eval mode, for every sample of the loader's split, in the split's order.

    Returns:
        (N, K) float32 on the CPU; the same on every process.
    """
    model.eval()
    outputs: Tensor | None = None
    for batch in loader.batches():
        with memory_permitting(compute.device), compute.autocast():
            part = model(batch.inputs).float()
        if outputs is None:
            outputs = torch.zeros(loader.num_samples, part.shape[1], device=compute.device)
        outputs[batch.indices] = part
    assert outputs is not None, "a split is never empty"
    return distributed.total(outputs).cpu()
