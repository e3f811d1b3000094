"""The tutorial loop: the plain PyTorch example that cnnrun is measured against.

torchvision's dataset with its transforms, a DataLoader, fp32, plain Adam or SGD, `.item()` at each step. One
measurement, in images/s: `python tests/benchmarks/tutorial.py --set mnist --root DIR --batch-size 128 --phase train`
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import networks
import torch
from measuring import images_per_second, print_measured, timed_arguments
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import datasets, transforms


def mnist(root: Path, *, train: bool) -> Dataset:
    """Root is the folder that holds MNIST/raw, unpacked."""
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    return datasets.MNIST(str(root), train=train, transform=transform)


def cifar10(root: Path, *, train: bool) -> Dataset:
    """With crop and flip on train; root is the folder that holds cifar-10-batches-py."""
    augment = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()] if train else []
    normalize = transforms.Normalize((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
    return datasets.CIFAR10(
        str(root), train=train, transform=transforms.Compose([*augment, transforms.ToTensor(), normalize])
    )


def adam(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters(), lr=1e-3)


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)


def train(model: nn.Module, loader: DataLoader, optimizer: torch.optim.Optimizer) -> Iterator[int]:
    """Train without end; yields the number of images after each step."""
    criterion = nn.CrossEntropyLoss()
    model.train()
    while True:
        running_loss = 0.0
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
            yield len(y)


def evaluate(model: nn.Module, loader: DataLoader) -> Iterator[int]:
    """Evaluate without end; yields the number of images after each batch."""
    criterion = nn.CrossEntropyLoss()
    model.eval()
    while True:
        total_loss, correct = 0.0, 0
        for x, y in loader:
            with torch.no_grad():
                outputs = model(x)
                total_loss += criterion(outputs, y).item()
                correct += (outputs.argmax(dim=1) == y).sum().item()
            yield len(y)


def train_images_per_second(
    model: nn.Module, dataset: Dataset, batch_size: int, seconds: float, *, workers: int = 0
) -> float:
    """Images/s of training; plain Adam for the grey images of MNIST, SGD for CIFAR-10."""
    optimizer = adam(model) if isinstance(dataset, datasets.MNIST) else sgd(model)
    loader = DataLoader(dataset, batch_size, shuffle=True, num_workers=workers)
    return images_per_second(train(model, loader, optimizer), seconds)


def evaluate_images_per_second(
    model: nn.Module, dataset: Dataset, batch_size: int, seconds: float, *, workers: int = 0
) -> float:
    loader = DataLoader(dataset, batch_size, num_workers=workers)
    return images_per_second(evaluate(model, loader), seconds)


def main() -> None:
    parser = timed_arguments(__doc__)
    parser.add_argument("--workers", type=int, default=0, help="of the DataLoader")
    arguments: argparse.Namespace = parser.parse_args()
    open_set = {"mnist": mnist, "cifar10": cifar10}[arguments.set]
    model = networks.reference_001() if arguments.set == "mnist" else networks.resnet18_cifar()
    dataset = open_set(arguments.root, train=arguments.phase == "train")
    measure = train_images_per_second if arguments.phase == "train" else evaluate_images_per_second
    print_measured(measure(model, dataset, arguments.batch_size, arguments.seconds, workers=arguments.workers))


if __name__ == "__main__":
    main()
