"""Reference 000's experiment as the script that people write: read, train, score, one loss curve. Run by energy.py.

python tests/benchmarks/plain_energy.py opsd_germany_daily.csv FOLDER
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from sklearn.metrics import mean_squared_error, r2_score
from sklearn.preprocessing import MinMaxScaler
from torch import nn

LOOKBACK, FIRST_OF_TEST = 15, "2017-01-01"

frame = pd.read_csv(sys.argv[1], parse_dates=["Date"], index_col="Date")
series = frame["Consumption"]
rolling = series.rolling(window=LOOKBACK, min_periods=1, center=True)
scores = (series - rolling.mean()) / rolling.std(ddof=0)
cleaned = series.where(scores.between(-1, 1), rolling.mean())
rows_of_train = int((series.index < FIRST_OF_TEST).sum())
scaler = MinMaxScaler().fit(cleaned.to_numpy()[:rows_of_train, None])
scaled = scaler.transform(cleaned.to_numpy()[:, None])[:, 0].astype(np.float32)
windows = torch.from_numpy(np.lib.stride_tricks.sliding_window_view(scaled, LOOKBACK + 1).copy())
inputs, targets = windows[:, :LOOKBACK, None], windows[:, LOOKBACK:]
border = rows_of_train - LOOKBACK

torch.manual_seed(0)
model = nn.Sequential(nn.Conv1d(LOOKBACK, 64, kernel_size=1), nn.ReLU(), nn.Flatten(), nn.Linear(64, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
criterion = nn.MSELoss()
losses: dict[str, list[float]] = {"train": [], "test": []}
for _ in range(100):
    model.train()
    optimizer.zero_grad()
    loss = criterion(model(inputs[:border]), targets[:border])
    loss.backward()
    optimizer.step()
    model.eval()
    with torch.no_grad():
        test_loss = criterion(model(inputs[border:]), targets[border:])
    losses["train"].append(loss.item())
    losses["test"].append(test_loss.item())

with torch.no_grad():
    outputs = model(inputs[border:]).numpy()
actual = targets[border:].numpy()
mse = mean_squared_error(actual, outputs)
print(f"MSE {mse:.4f}, RMSE {mse**0.5:.4f}, R2 {r2_score(actual, outputs):.4f} (scaled)")
figure, axes = plt.subplots()
for name, values in losses.items():
    axes.plot(values, label=name)
axes.set_xlabel("epoch")
axes.set_ylabel("loss")
axes.legend()
figure.savefig(Path(sys.argv[2], "loss.png"))
