"""Which encoders the shipped forecaster's curves were measured with.

An encoder of another version draws other curves, so a forecast of them is not calibrated for it.
"""

FFMPEG = "0d709a0bed1a43f24cd2c420878c63afea4580671b6949ad19ed124572f3bc3d"
"""The sha256 of that ffmpeg: the one in the provenance of every corpus."""
VERSIONS = {
    "libx264": "core 165",
    "libx265": "4.3+49-020d7054",
    "libsvtav1": "SVT-AV1 Encoder Lib v4.2.0-151-g5ed9ffbcb",
    "libaom-av1": "3.15.1",
    "libvpx-vp9": "1.17.0",
    "libvvenc": "1.15.0-dev",
}
"""Encoder -> what its library calls itself."""
