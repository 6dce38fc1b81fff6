"""Every JSON document that vqcast writes and reads back, as a frozen type.

Field names and order are the published contract: other people's tools read
these files. Unknown keys are ignored on reading, but for registry rows, which allow
no others. ``codec`` turns them into bytes and back.
"""

from vqcast.documents.base import Document, Omitting
from vqcast.documents.codec import decode, encode, encode_compact, to_dict
from vqcast.documents.evidence import (
    FoldReport,
    GateReport,
    GroupReport,
    IntervalCoverage,
    IntervalGate,
    IntervalReport,
    LosoReport,
    Predictions,
    SliceReport,
    Verdict,
    VerdictCorpus,
)
from vqcast.documents.model import (
    Confidence,
    Evaluation,
    Manifest,
    MeanSidecar,
    Member,
    Sidecar,
    SidecarCorpus,
    SidecarGate,
    SingleSidecar,
    TrainingRecipe,
    TrainingTrace,
)
from vqcast.documents.reading import ConfidenceInfo, ManifestInfo, MemberInfo, ModelInfo
from vqcast.documents.registry import (
    Registry,
    Row,
    SeenSerials,
    Signature,
    Statement,
    Status,
    StatusEntry,
)

__all__ = [
    "Confidence",
    "ConfidenceInfo",
    "Document",
    "Evaluation",
    "FoldReport",
    "GateReport",
    "GroupReport",
    "IntervalCoverage",
    "IntervalGate",
    "IntervalReport",
    "LosoReport",
    "Manifest",
    "ManifestInfo",
    "MeanSidecar",
    "Member",
    "MemberInfo",
    "ModelInfo",
    "Omitting",
    "Predictions",
    "Registry",
    "Row",
    "SeenSerials",
    "Sidecar",
    "SidecarCorpus",
    "SidecarGate",
    "Signature",
    "SingleSidecar",
    "SliceReport",
    "Statement",
    "Status",
    "StatusEntry",
    "TrainingRecipe",
    "TrainingTrace",
    "Verdict",
    "VerdictCorpus",
    "decode",
    "encode",
    "encode_compact",
    "to_dict",
]
