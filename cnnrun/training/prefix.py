"""The frozen part of a network as one function of the samples: what is cached, and what stands in for the cache."""

import copy
import hashlib
from typing import Any

import torch
from torch import Tensor, nn

from cnnrun.training.device import Compute, memory_permitting
from cnnrun.training.folding import folded
from cnnrun.training.parts import Cut

CHUNK_BYTES = 1 << 26
"""Of the largest tensor of a chunk, in fp32. MobileNetV2 at 96x96 on one core, in bf16: 700 images/s by 16, 750 by 64,
650 by 256."""
LARGEST_CHUNK = 256
ALIGNED = 16
"""Samples that a smaller chunk is filled up to a multiple of: with fewer oneDNN takes other kernels, which round
otherwise in fp32."""


class Prefix:
    """Everything before a cut, in eval mode, without gradients, in the run's precision: samples to activations.

    Batch normalisation is folded into the convolution before it, where that gives the same. Samples are computed in
    chunks of one size, so that the same samples give the same bytes however they come; on CUDA nearly so.
    """

    def __init__(self, cut: Cut, model: nn.Module, compute: Compute) -> None:
        self.cut = cut
        self.compute = compute
        self._head = copy.deepcopy(cut.head(model)).requires_grad_(False)
        for module in self._head.modules():  # not by eval(), which a model may have made its own
            module.training = False
        probe = _probe(cut.input_shape, compute)
        self.chunk = self._chunk_size(probe)
        pairs = [(cut.name_in_head(layer), cut.name_in_head(norm)) for layer, norm in cut.foldable]
        twin = folded(self._head, pairs, probe[:2])
        self.is_folded = twin is not None
        if twin is not None:
            self._head = twin
        result = self(probe)
        self.shape = tuple(result.shape[1:])
        self.dtype = result.dtype
        self.channels_last = result.dim() == 4 and result.is_contiguous(memory_format=torch.channels_last)
        self.key = self._digest(result)

    @torch.no_grad()
    def __call__(self, inputs: Tensor) -> Tensor:
        """Preprocessed samples (n, *input_shape) float32 to activations (n, *shape)."""
        if not len(inputs):
            return torch.zeros(0, *self.shape, dtype=self.dtype, device=inputs.device)
        with memory_permitting(self.compute.device), self.compute.autocast():
            parts = [self._of_chunk(part) for part in inputs.split(self.chunk)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _of_chunk(self, inputs: Tensor) -> Tensor:
        missing = -len(inputs) % ALIGNED
        activations: Tensor
        if not missing:
            activations = self._head(inputs)
            return activations
        filler = inputs[:1].expand(missing, *inputs.shape[1:])
        if self.compute.channels_last and inputs.dim() == 4:
            filler = filler.contiguous(memory_format=torch.channels_last)
        activations = self._head(torch.cat([inputs, filler]))
        return activations[: len(inputs)]

    @torch.no_grad()
    def _chunk_size(self, probe: Tensor) -> int:
        largest = probe[0].numel()
        sizes: list[int] = []
        hooks = [
            module.register_forward_hook(lambda *call: sizes.append(_numel(call[2]))) for module in self._head.modules()
        ]
        self._head(probe)
        for hook in hooks:
            hook.remove()
        largest = max([largest * len(probe), *sizes]) // len(probe)
        size = CHUNK_BYTES // (4 * largest)
        return max(ALIGNED, min(1 << max(size.bit_length() - 1, 0), LARGEST_CHUNK))

    def _digest(self, result: Tensor) -> str:
        """Changes with any weight, and with whatever else changes what is computed."""
        place = self.cut.side, self.cut.module
        facts = [place, self.compute.precision, self.chunk, torch.__version__, torch.get_num_threads()]
        digest = hashlib.sha256(repr(facts).encode())
        for name, value in self._head.state_dict().items():
            digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
            digest.update(_bytes(value))
        digest.update(_bytes(result))
        return digest.hexdigest()


def _probe(input_shape: tuple[int, ...], compute: Compute) -> Tensor:
    """(ALIGNED, *input_shape), the same always."""
    generator = torch.Generator().manual_seed(0)
    probe = torch.randn(2, *input_shape, generator=generator).repeat(ALIGNED // 2, *[1] * len(input_shape))
    probe = probe.to(compute.device)
    return probe.contiguous(memory_format=torch.channels_last) if compute.channels_last and probe.dim() == 4 else probe


def _numel(output: Any) -> int:
    return output.numel() if isinstance(output, Tensor) else 0


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data
