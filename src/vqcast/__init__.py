"""vqcast: forecast, tune and measure video encodes, with a stated confidence.

Predicting needs neither torch nor ffmpeg; video files need the ``media`` extra::

    import vqcast

    predictor = vqcast.load("fr_regressor_v2_ensemble_v1")
    prediction = predictor.predict(features, encoder="libx264", cq=28, preset="medium")
    pair = vqcast.predict("film.mkv", "encode.mkv", encoder="libx264", cq=28, preset="medium")

    asked = vqcast.TuneRequest(encoder="libsvtav1", target=93)
    result = vqcast.tune("film.mkv", asked)
    made = vqcast.encode("film.mkv", "film.av1.mkv", asked)
    made = vqcast.encode_per_shot("film.mkv", "film.av1.mkv", asked).output

    with vqcast.surface("film.mkv") as surface:
        surface.score("libsvtav1", "10", 35, 720).lower  # before any encode

What ``__all__`` lists is public. `vqcast.workflow` (build, train, gate, promote, as the commands do
it) may still change with a minor release; every other module is internal and may change in any.
`vqcast.errors` holds all that they raise.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vqcast import errors
from vqcast.errors import VqcastError

if TYPE_CHECKING:
    from vqcast.documents.compare import CompareResult
    from vqcast.documents.explain import ExplainResult
    from vqcast.documents.ladder import LadderResult
    from vqcast.documents.shots import ShotsResult
    from vqcast.documents.tune import EncodeResult, TuneProbed, TuneResult, TuneStart
    from vqcast.media.filters import Filters
    from vqcast.media.options import EncoderOptions
    from vqcast.media.source import Intake
    from vqcast.media.streams import StreamChoice
    from vqcast.serve.load import load
    from vqcast.serve.predictor import Interval, Prediction, Predictor
    from vqcast.serve.trust import Trust
    from vqcast.tuning.compare import CompareRequest, compare
    from vqcast.tuning.encode import encode
    from vqcast.tuning.explain import explain
    from vqcast.tuning.ladder import LadderRequest, ladder
    from vqcast.tuning.machine import Machine
    from vqcast.tuning.per_shot import encode_per_shot
    from vqcast.tuning.request import TuneRequest
    from vqcast.tuning.session import tune
    from vqcast.tuning.surface import HullPoint, Ranged, Surface, SurfaceProbe, surface
    from vqcast.workflow.predict import PairPrediction, predict

__version__ = "0.1.0"
__all__ = [
    "CompareRequest",
    "CompareResult",
    "EncodeResult",
    "EncoderOptions",
    "ExplainResult",
    "Filters",
    "HullPoint",
    "Intake",
    "Interval",
    "LadderRequest",
    "LadderResult",
    "Machine",
    "PairPrediction",
    "Prediction",
    "Predictor",
    "Ranged",
    "ShotsResult",
    "StreamChoice",
    "Surface",
    "SurfaceProbe",
    "Trust",
    "TuneProbed",
    "TuneRequest",
    "TuneResult",
    "TuneStart",
    "VqcastError",
    "__version__",
    "compare",
    "encode",
    "encode_per_shot",
    "errors",
    "explain",
    "ladder",
    "load",
    "predict",
    "surface",
    "tune",
]

_HOMES = {
    "CompareRequest": "tuning.compare",
    "CompareResult": "documents.compare",
    "EncodeResult": "documents.tune",
    "EncoderOptions": "media.options",
    "ExplainResult": "documents.explain",
    "Filters": "media.filters",
    "HullPoint": "tuning.surface",
    "Intake": "media.source",
    "Interval": "serve.predictor",
    "LadderRequest": "tuning.ladder",
    "LadderResult": "documents.ladder",
    "Machine": "tuning.machine",
    "PairPrediction": "workflow.predict",
    "Prediction": "serve.predictor",
    "Predictor": "serve.predictor",
    "Ranged": "tuning.surface",
    "ShotsResult": "documents.shots",
    "StreamChoice": "media.streams",
    "Surface": "tuning.surface",
    "SurfaceProbe": "tuning.surface",
    "Trust": "serve.trust",
    "TuneProbed": "documents.tune",
    "TuneRequest": "tuning.request",
    "TuneResult": "documents.tune",
    "TuneStart": "documents.tune",
    "compare": "tuning.compare",
    "encode": "tuning.encode",
    "encode_per_shot": "tuning.per_shot",
    "explain": "tuning.explain",
    "ladder": "tuning.ladder",
    "load": "serve.load",
    "predict": "workflow.predict",
    "surface": "tuning.surface",
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
