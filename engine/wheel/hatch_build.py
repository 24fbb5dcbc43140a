"""Names the wheel after the Python and the platform it was compiled for."""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PlatformTag(BuildHookInterface):  # type: ignore[type-arg]
    """The wheel holds a compiled module, which hatchling cannot know."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it packs the wheel."""
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
