"""The names of tasks; what they stand for is imported when one is asked for."""

TASKS = {
    "classification": "cnnrun.tasks.classification:Classification",
    "forecasting": "cnnrun.tasks.forecasting:Forecasting",
}
