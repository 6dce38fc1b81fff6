"""vqcast: forecast, tune and measure video encodes, with a stated confidence.

Predicting needs neither torch nor ffmpeg; video files need the ``media`` extra::

    import vqcast

    predictor = vqcast.load("fr_regressor_v2_ensemble_v1")
    prediction = predictor.predict(features, encoder="libx264", cq=28, preset="medium")
    pair = vqcast.predict("film.mkv", "encode.mkv", encoder="libx264", cq=28, preset="medium")

    asked = vqcast.TuneRequest(encoder="libsvtav1", target=93)
    result = vqcast.tune("film.mkv", asked)
    made = vqcast.encode("film.mkv", "film.av1.mkv", asked)

What ``__all__`` lists is public. `vqcast.workflow` (build, train, gate, promote, as the commands do
it) may still change with a minor release; every other module is internal and may change in any.
`vqcast.errors` holds all that they raise.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vqcast import errors
from vqcast.errors import VqcastError

if TYPE_CHECKING:
    from vqcast.documents.tune import EncodeResult, TuneProbed, TuneResult, TuneStart
    from vqcast.media.filters import Filters
    from vqcast.media.options import EncoderOptions
    from vqcast.media.source import Intake
    from vqcast.media.streams import StreamChoice
    from vqcast.serve.load import load
    from vqcast.serve.predictor import Interval, Prediction, Predictor
    from vqcast.serve.trust import Trust
    from vqcast.tuning.encode import encode
    from vqcast.tuning.machine import Machine
    from vqcast.tuning.request import TuneRequest
    from vqcast.tuning.session import tune
    from vqcast.workflow.predict import PairPrediction, predict

__version__ = "0.1.0"
__all__ = [
    "EncodeResult",
    "EncoderOptions",
    "Filters",
    "Intake",
    "Interval",
    "Machine",
    "PairPrediction",
    "Prediction",
    "Predictor",
    "StreamChoice",
    "Trust",
    "TuneProbed",
    "TuneRequest",
    "TuneResult",
    "TuneStart",
    "VqcastError",
    "__version__",
    "encode",
    "errors",
    "load",
    "predict",
    "tune",
]

_HOMES = {
    "EncodeResult": "documents.tune",
    "EncoderOptions": "media.options",
    "Filters": "media.filters",
    "Intake": "media.source",
    "Interval": "serve.predictor",
    "Machine": "tuning.machine",
    "PairPrediction": "workflow.predict",
    "Prediction": "serve.predictor",
    "Predictor": "serve.predictor",
    "StreamChoice": "media.streams",
    "Trust": "serve.trust",
    "TuneProbed": "documents.tune",
    "TuneRequest": "tuning.request",
    "TuneResult": "documents.tune",
    "TuneStart": "documents.tune",
    "encode": "tuning.encode",
    "load": "serve.load",
    "predict": "workflow.predict",
    "tune": "tuning.session",
}
"""Public name -> the module that it is loaded from on first use.

So ``vqcast tune --help`` starts without ONNX Runtime, and predicting without PyAV.
"""


if not TYPE_CHECKING:  # a type checker shall know these names and no other

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(import_module(f"vqcast.{_HOMES[name]}"), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
