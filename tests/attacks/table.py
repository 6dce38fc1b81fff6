"""Every attack, with how often it is tried: in each test run, and in full."""

from __future__ import annotations

from attacks import (
    batches,
    builds,
    containers,
    graphs,
    kills,
    names,
    parsers,
    promotions,
    round_trips,
    signatures,
    tampering,
    videos,
)
from attacks.count import Attack

EVERYTHING = 10**9
CRASH, HOSTILE, FUZZ = "crash", "hostile", "fuzz"

ATTACKS = (
    Attack(CRASH, "error or kill at an operation of a promotion",
           promotions.errors_and_kills, 60, 4_000),
    Attack(CRASH, "error or kill in a folder's first promotion",
           promotions.first_promotion, 30, 600),
    Attack(CRASH, "power cut in a promotion", promotions.power_cuts, 3_000, 30_000),
    Attack(CRASH, "full disk in a promotion", promotions.full_disk, 8, 200),
    Attack(CRASH, "folder without rights in a promotion", promotions.read_only, 2, 20),
    Attack(CRASH, "SIGKILL of a promoting process", kills.promotions, 8, 150),
    Attack(CRASH, "SIGKILL of vqcast promote, training included", kills.promote_commands, 1, 8),
    Attack(CRASH, "promotion beside another process's", kills.promoters_at_once, 12, 120),
    Attack(CRASH, "load during promotions", kills.readers, 15, 400),
    Attack(CRASH, "error or kill at an operation of a corpus build",
           builds.errors_and_kills, 50, 1_000),
    Attack(CRASH, "power cut in a corpus build", builds.power_cuts, 2_000, 20_000),
    Attack(CRASH, "SIGKILL of a build that encodes", kills.real_builds, 2, 16),
    Attack(CRASH, "SIGKILL of a batch that encodes", batches.killed_batches, 20, 40),
    Attack(CRASH, "build beside seven others of one corpus", kills.builders_at_once, 8, 80),
    Attack(HOSTILE, "hostile ONNX file", graphs.graphs, EVERYTHING, EVERYTHING),
    Attack(HOSTILE, "flipped bit in a registry's file", tampering.flips, 200, 10_000),
    Attack(HOSTILE, "flipped bit in the shipped registry", tampering.flips_of_the_shipped, 10, 120),
    Attack(HOSTILE, "file cut at a byte", tampering.truncations, 150, EVERYTHING),
    Attack(HOSTILE, "flipped bit, checksums made to agree", tampering.forged_flips, 30, 1_000),
    Attack(HOSTILE, "file added, removed, exchanged or linked", tampering.strangers, 35, 700),
    Attack(HOSTILE, "forged registry against a public key", signatures.forgeries, 44, 1_100),
    Attack(HOSTILE, "name that means something elsewhere", names.names, 6, EVERYTHING),
    Attack(HOSTILE, "damaged video", videos.damaged, 12, EVERYTHING),
    Attack(HOSTILE, "film in a container", containers.every_container, 12, 300),
    Attack(HOSTILE, "round trip of a film", round_trips.there_and_back, 4, EVERYTHING),
    Attack(FUZZ, "mutated document", parsers.every_parser, 2_200, 60_000),
)  # fmt: skip
