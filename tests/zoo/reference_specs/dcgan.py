"""DCGAN against PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from zoo.parity import Family, Reference

_SMALL: Final = {"noise": 7, "levels": 2, "filters": 4}
_FORMS: Final[Mapping[str, Mapping[str, object]]] = {
    "theano": {"kernel": 5, "epsilon": 1e-8},
    "torch": {"kernel": 4, "epsilon": 1e-5},
}


def _pair(form: str, params: Mapping[str, object], levels: int) -> dict[str, Reference]:
    return {
        f"{form}, {network}": Reference(
            f"dcgan:{form}",
            params,
            network=network,
            module="dcgan",
            options={**_FORMS[form], "network": network, "levels": levels},
        )
        for network in ("generator", "discriminator")
    }


FAMILY: Final = Family(
    form=_SMALL,
    reference="PyTorch, written by hand",
    small={**_pair("theano", _SMALL, 2), **_pair("torch", _SMALL, 2)},
    full={**_pair("theano", {}, 4), **_pair("torch", {}, 4)},
    follows="It is the authors' program for faces, whose generator begins with a norm of all 16,384"
    " features; `torch` is the example of PyTorch, with kernels of 4. Both pad evenly, which"
    " `same` does not. The authors' norms have no averages for use after training.",
)
