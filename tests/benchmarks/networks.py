"""The two networks of the benchmarks in plain PyTorch, as a tutorial writes them."""

from torch import nn
from torchvision.models import resnet18


def reference_001(*, pool_first: bool = False) -> nn.Sequential:
    """Reference 001's CNN, (N, 1, 28, 28) -> (N, 10), 93,322 parameters.

    `pool_first` pools before the ReLU: the same function, with a quarter of the activations to keep.
    """

    def pooled() -> list[nn.Module]:
        modules: list[nn.Module] = [nn.ReLU(), nn.MaxPool2d(2)]
        return modules[::-1] if pool_first else modules

    return nn.Sequential(
        nn.Conv2d(1, 32, 3),
        *pooled(),
        nn.Conv2d(32, 64, 3),
        *pooled(),
        nn.Conv2d(64, 64, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(576, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def resnet18_cifar() -> nn.Module:
    """torchvision's ResNet-18, (N, 3, 32, 32) -> (N, 10); a stem without stride or pooling; 11,173,962 parameters."""
    model = resnet18(num_classes=10)
    model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    model.maxpool = nn.Identity()
    return model
