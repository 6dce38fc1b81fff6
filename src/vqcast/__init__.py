"""vqcast: forecast video quality that you can vouch for.

Predicting needs neither torch nor ffmpeg; tuning needs the ``media`` extra::

    import vqcast

    predictor = vqcast.load("fr_regressor_v2_ensemble_v1")
    prediction = predictor.predict(features, encoder="libx264", cq=28, preset="medium")
    result = vqcast.tune("film.mkv", encoder="libsvtav1", target=93)
"""

from typing import TYPE_CHECKING, Any

from vqcast.errors import VqcastError
from vqcast.serve.load import load
from vqcast.serve.predictor import Prediction, Predictor

if TYPE_CHECKING:
    from vqcast.tuning.session import tune

__version__ = "0.1.0"
__all__ = ["Prediction", "Predictor", "VqcastError", "__version__", "load", "tune"]


def __getattr__(name: str) -> Any:
    """``vqcast.tune`` on first use: predicting alone needs none of what it imports."""
    if name == "tune":
        from vqcast.tuning.session import tune

        return tune
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
