"""vqcast: forecast video quality that you can vouch for.

Predicting needs neither torch nor ffmpeg::

    import vqcast

    predictor = vqcast.load("fr_regressor_v2_ensemble_v1")
    prediction = predictor.predict(features, encoder="libx264", cq=28, preset="medium")
"""

from vqcast.errors import VqcastError
from vqcast.serve.predictor import Prediction, Predictor, load

__version__ = "0.1.0"
__all__ = ["Prediction", "Predictor", "VqcastError", "__version__", "load"]
