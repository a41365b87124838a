"""Configurations of runs that earlier versions of Ricercar trained."""

from typing import Any


def up_to_date(config: dict[str, Any]) -> dict[str, Any]:
    """`config` with the options that came since, set so that the run is what it was, and without those that went."""
    trainer = {"accumulation": 1, "compile": None, **config.get("trainer", {})}
    trainer.pop("seed", None)
    tune = config.get("tune")
    if tune and "key" in tune:
        tune = {"_target_": tune["_target_"], "space": {tune["key"]: tune["values"]} if tune["key"] else {}}
    fresh = {"_target_": "ricercar.data.fresh_pictures.FreshPictures"}
    given = {"trainer": trainer if "trainer" in config else None, "tune": tune}
    return {"pictures": fresh, **config, **{name: value for name, value in given.items() if value is not None}}
