# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""service.*: starting, stopping and enabling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import schema
from ..errors import CallError, InstanceNotFound, ValidationErrors
from ..filters import query as filtered
from ..nas import FILES, UNITS, Call
from ..registry import method
from ..schema import BOOL, Field, words

Record = dict[str, Any]
VERBS = ("START", "STOP", "RESTART", "RELOAD")


def _shown(call: Call, service: Record) -> Record:
    unit = UNITS.get(service["service"])
    running = bool(unit) and call.nas.machine.is_running(str(unit))
    pids = [call.nas.machine.process(str(unit))] if running else []
    return {**service, "state": "RUNNING" if running else "STOPPED", "pids": pids}


@method("service.query")
def query(call: Call, query_filters: Any = None, query_options: Any = None) -> Any:
    shown = (_shown(call, service) for service in call.data["services"])
    return filtered(shown, query_filters, query_options)


@method("service.update", changes=True)
def update(call: Call, id_or_name: Any, service_update: Any) -> int:
    description = Field("dict", fields={"enable": BOOL})
    schema.check(call.release.style, "service_update", description, service_update)
    for service in call.data["services"]:
        if id_or_name in (service["id"], service["service"]):
            service.update(service_update)
            call.commit()
            unit = UNITS.get(service["service"])
            if unit:
                call.nas.machine.unit("enable" if service["enable"] else "disable", unit)
            return int(service["id"])
    raise InstanceNotFound(f"Service {id_or_name}")


def _known(call: Call, name: Any) -> None:
    names = [service["service"] for service in call.data["services"]]
    if name not in (*names, *FILES):
        raise CallError(f"Service {name!r} not found", 2)


def _do(call: Call, verb: str, name: Any, options: Any) -> bool:
    _known(call, name)
    done = call.nas.service(verb, name)
    if verb == "stop":
        return not call.nas.machine.is_running(UNITS.get(name, "none"))
    if not done and (options or {}).get("silent") is False:
        raise CallError(f"The {name} service failed to {verb}", 202)
    return done


def _register(verb: str) -> None:
    @method(f"service.{verb}", changes=True)
    def act(call: Call, service: Any, options: Any = None) -> bool:
        if call.release.service_options and options is None:
            raise TypeError(f"ServiceService.{verb}() missing 1 required positional argument: 'options'")
        return _do(call, verb, service, options)


for _verb in VERBS:
    _register(_verb.lower())


@method("service.started")
def started(call: Call, service: Any) -> bool:
    _known(call, service)
    return call.nas.machine.is_running(UNITS.get(service, "none"))


@method("service.control", since="25.10", changes=True, job=True)
def control(call: Call, verb: Any, service: Any, options: Any = None) -> Callable[[], bool]:
    return lambda: _control(call, verb, service, options)


def _control(call: Call, verb: Any, service: Any, options: Any) -> bool:
    """Do the work of the job, which looks at its arguments itself."""
    if verb not in VERBS:
        choices = ", ".join(repr(one) for one in VERBS[:-1]) + f" or {VERBS[-1]!r}"
        raise ValidationErrors("verb", words("models", "choice", choices))
    return _do(call, verb.lower(), service, options)
