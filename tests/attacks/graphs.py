"""Hostile model files, by what is wrong with each: none may reach ONNX Runtime."""

from __future__ import annotations

import random
from collections.abc import Callable

from onnx import TensorProto, helper

from attacks import graph_tricks as trick
from attacks.count import Count
from attacks.graph_tricks import INPUTS, OUTPUTS, add, body, changed, honest
from attacks.tampering import no_sessions
from vqcast.durable.files import sha256_bytes
from vqcast.errors import ModelRefused
from vqcast.serve import guard
from vqcast.serve.guard import CheckedGraph

HOSTILE: dict[str, Callable[[], bytes]] = {
    "external data in an initializer": trick.with_external("weights.bin"),
    "external data above the folder": trick.with_external("../../etc/passwd"),
    "external data by absolute path": trick.with_external("/etc/passwd"),
    "external data in a file of its own name": trick.with_external("honest.onnx"),
    "external data without a location": changed(
        lambda m: setattr(m.graph.initializer[1], "data_location", TensorProto.EXTERNAL)
    ),
    "external entry on an inner tensor": changed(trick.external_entry_only),
    "external data in an attribute": changed(trick.external_in_attribute),
    "external data in a list of attributes": changed(trick.external_in_attribute_list),
    "If": changed(lambda m: add(m, "If", then_branch=body(), else_branch=body())),
    "Loop": changed(lambda m: add(m, "Loop", body=body())),
    "Scan": changed(lambda m: add(m, "Scan", body=body(), num_scan_inputs=1)),
    "subgraph in an allowed operator": changed(trick.subgraph_in_allowed_operator),
    "list of subgraphs": changed(trick.subgraph_list),
    "sparse initializer": changed(lambda m: m.graph.sparse_initializer.append(trick.sparse())),
    "sparse attribute": changed(trick.sparse_attribute),
    "reference to an outer attribute": changed(trick.reference_attribute),
    "function of its own": changed(trick.local_function),
    "training of its own": changed(lambda m: m.training_info.add()),
    "Constant": changed(lambda m: add(m, "Constant", value_float=1.0)),
    "Identity": changed(lambda m: add(m, "Identity")),
    "RandomNormalLike": changed(lambda m: add(m, "RandomNormalLike")),
    "Gather": changed(lambda m: add(m, "Gather")),
    "unheard-of operator": changed(lambda m: add(m, "ReadFile")),
    "operator name in other case": changed(lambda m: add(m, "add")),
    "empty operator": changed(lambda m: add(m, "")),
    "allowed name in a foreign domain": changed(lambda m: add(m, "Add", domain="com.evil")),
    "ONNX Runtime's own domain": changed(lambda m: add(m, "Gemm", domain="com.microsoft")),
    "import of a custom domain": changed(
        lambda m: m.opset_import.append(helper.make_opsetid("com.evil", 1))
    ),
    "import of ai.onnx.ml": changed(
        lambda m: m.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    ),
    "domain that is no text": trick.domain_that_is_no_text,
    "one domain imported twice": changed(
        lambda m: m.opset_import.append(helper.make_opsetid("", 16))
    ),
    "no import": changed(lambda m: m.ClearField("opset_import")),
    "opset 0": trick.opset(0),
    "opset 12": trick.opset(12),
    "opset 99": trick.opset(99),
    "negative opset": trick.opset(-1),
    "ORT flatbuffer": lambda: b"\x20\x00\x00\x00ORTM" + honest(),
    "empty file": lambda: b"",
    "zeros": lambda: bytes(4096),
    "text": lambda: b"<html>not found</html>",
    "zip": lambda: b"PK\x03\x04" + honest(),
    "honest after a byte": lambda: b"\x00" + honest(),
    "over the size cap": lambda: honest() + bytes(guard.MAX_MODEL_BYTES),
    "no nodes": changed(lambda m: m.graph.ClearField("node")),
    "no output": changed(lambda m: m.graph.ClearField("output")),
    "no graph": changed(lambda m: m.ClearField("graph")),
    "renamed input": trick.rename("input"),
    "renamed output": trick.rename("output"),
    "inputs in another order": changed(lambda m: m.graph.input.reverse()),
    "further input": changed(trick.extra_input),
    "further output": changed(trick.extra_output),
    "integer input": trick.input_type(TensorProto.INT64),
    "double input": trick.input_type(TensorProto.DOUBLE),
    "string input": trick.input_type(TensorProto.STRING),
    "undefined input": trick.input_type(TensorProto.UNDEFINED),
    "sequence input": changed(trick.sequence_input),
    "cycle": changed(trick.cycle),
    "value written twice": changed(trick.twice_written),
    "dangling input": changed(lambda m: m.graph.node[1].input.__setitem__(0, "nowhere")),
    "weights shorter than their shape": changed(trick.short_weights),
    "weights of 2^60 rows": changed(trick.endless_weights),
    "negative dimension": changed(trick.negative_weights),
    "input name that is no text": trick.bytes_name(b"features", b"feature\xff"),
    "operator that is no text": trick.bytes_name(b"Squeeze", b"Squeez\xff"),
    "IR version from the future": changed(lambda m: setattr(m, "ir_version", 9999)),
    "external data in a function": changed(trick.external_in_function),
    "external data in a Constant": changed(trick.external_in_constant),
    "external data in a sparse tensor": changed(trick.external_sparse),
    "external data in training": changed(trick.external_in_training),
    "initializer in an input's place": changed(trick.shadowing_initializer),
    "4 GiB that are not in the file": changed(trick.huge_constant),
    "dimensions that overflow": changed(trick.overflowing_dims),
    "strings": changed(trick.string_weights),
    "complex numbers": trick.typed(TensorProto.COMPLEX64),
    "undefined numbers": trick.typed(TensorProto.UNDEFINED),
    "numbers of an unknown type": trick.typed(4711),
    "weights of one name twice": changed(trick.twice_named_weights),
    "input of one name twice": changed(trick.twice_named_input),
    "256 GiB by broadcasting": changed(trick.wide_product),
    "256 GiB by a product": changed(trick.wide_matmul),
    "doubled forty times": changed(trick.doubling_chain),
    "100,000 nodes": changed(trick.long_chain),
    "session settings in its metadata": changed(trick.session_settings),
    "an unknown field behind": lambda: honest() + b"\xc2\x3e\x04evil",
    "output that nobody writes": changed(trick.missing_output),
    "graphs 20 deep": trick.nested(20),
    "graphs 5,000 deep": trick.nested_bytes(5_000),
    "node without outputs": changed(trick.node_without_outputs),
    "1,000 inputs of Sqrt": changed(trick.too_many_inputs),
    "attribute of another type": changed(trick.wrong_attribute),
    "attribute that is not the operator's": changed(trick.unknown_attribute),
    "cut in half": lambda: honest()[: len(honest()) // 2],
    "garbage behind": lambda: honest() + b"\xff" * 64,
    "two models in one file": lambda: honest() + honest(),
    "Einsum": changed(lambda m: add(m, "Einsum", equation="ij->i")),
    "NonZero": changed(lambda m: add(m, "NonZero")),
    "Sequence": changed(lambda m: add(m, "SequenceConstruct")),
    "Optional": changed(lambda m: add(m, "Optional")),
    "DFT": changed(lambda m: add(m, "DFT")),
    "StringNormalizer": changed(lambda m: add(m, "StringNormalizer")),
}


def graphs(n: int, rng: random.Random) -> Count:
    """Each hostile file once, with the digest that its bytes have."""
    count = Count()
    for what in list(HOSTILE)[:n]:
        data = HOSTILE[what]()
        with no_sessions() as asked:
            try:
                open_session(data)
                count.fail(f"{what}: opened")
            except ModelRefused as error:
                if asked:
                    count.fail(f"{what}: refused only by ONNX Runtime: {error.message}")
                elif "\n" in error.message or len(error.message) > 500:
                    count.fail(f"{what}: refused at length")
                else:
                    count.note("refused")
            except Exception as error:
                count.fail(f"{what}: {type(error).__name__}: {error}")
    return count


def open_session(data: bytes) -> CheckedGraph:
    """A session on ``data``, its own digest pinned, as a registry would ask for one."""
    return CheckedGraph(
        data, sha256=sha256_bytes(data), input_names=INPUTS, output_names=OUTPUTS, where="m.onnx"
    )
