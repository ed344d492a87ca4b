# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the pip that comes with Python into an empty virtual environment. tests/gates/sanity has ansible-test run this.

ensurepip does the same in three seconds, most of them for bytecode that two or three calls of pip never earn back.
ansible-test makes a dozen environments for one run.
"""

from __future__ import annotations

import ensurepip
import sysconfig
import zipfile
from pathlib import Path

PLACES = (Path(ensurepip.__file__).parent / "_bundled", Path("/usr/share/python-wheels"))
"""Where Python's own releases have the wheel, and where Debian does."""


def main() -> None:
    """Unpack the first wheel found, or leave it to ensurepip where that has it elsewhere."""
    wheels = [wheel for place in PLACES for wheel in place.glob("pip-*.whl")]
    if not wheels:
        ensurepip.bootstrap(upgrade=True)
        return
    with zipfile.ZipFile(wheels[0]) as wheel:
        wheel.extractall(sysconfig.get_path("purelib"))


if __name__ == "__main__":
    main()
