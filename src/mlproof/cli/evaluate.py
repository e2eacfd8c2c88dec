"""``mlproof evaluate``"""

from mlproof.cli.inputs import model_and_labelled
from mlproof.cli.options import Json, LabelledTable, Model, Target, show


def evaluate(
    model: Model, table: LabelledTable, *, target: Target = None, as_json: Json = False
) -> int:
    """Say how well a model does on a table with labels."""
    import numpy as np

    from mlproof import report

    classifier, y, X = model_and_labelled(model, table, target)
    predicted = classifier.predict(X)
    column = np.searchsorted(classifier.classes_, y)
    log_probability = classifier.predict_log_proba(X)[np.arange(len(y)), column]
    guess = np.searchsorted(classifier.classes_, predicted)
    counts = np.zeros((len(classifier.classes_),) * 2, dtype=int)
    np.add.at(counts, (column, guess), 1)
    result = {
        "rows": len(y),
        "accuracy": float(np.mean(predicted == y)),
        "mean_loss": float(0 - np.mean(log_probability)),
        "classes": classifier.classes_.tolist(),
        "confusion": counts.tolist(),
    }
    show(
        result,
        as_json,
        f"{len(y)} rows: accuracy {result['accuracy']:.1%}, "
        f"mean loss {result['mean_loss']:.4f}.",
        report.confusion_table(counts, [str(label) for label in result["classes"]]),
    )
    return 0
