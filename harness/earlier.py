"""Configurations of runs that earlier versions of Ricercar trained."""

from typing import Any


def up_to_date(config: dict[str, Any]) -> dict[str, Any]:
    """`config` with the options that came since, set so that the run is what it was, and without those that went."""
    trainer = {"accumulation": 1, "compile": None, **config.get("trainer", {})}
    trainer.pop("seed", None)
    fresh = {"_target_": "ricercar.data.fresh_pictures.FreshPictures"}
    return {"pictures": fresh, **config, **({"trainer": trainer} if "trainer" in config else {})}
