# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clock that is synchronized when a snapshot is taken is so at once after each restore.

chronyd keeps its measurements when it ends (``dumpdir``) and reads them when it starts (``-r``). That holds for the
first start after a restore alone: a start that a test brings about must not believe old measurements. So the
settings are in an environment file that the unit removes once chronyd has started.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .host import Host

FOLDER = "/var/lib/chrony"

PREPARE = f"""\
systemctl is-active --quiet chrony || exit 0
chronyc -c sources | grep -q '^.,[*],' || exit 0
mkdir -p /etc/systemd/system/chrony.service.d
cat > /etc/systemd/system/chrony.service.d/lab-resume.conf <<'END'
[Service]
EnvironmentFile=-{FOLDER}/lab-resume.env
ExecStartPost=-+/bin/rm -f {FOLDER}/lab-resume.env
END
printf 'include /etc/chrony/chrony.conf\\ndumpdir {FOLDER}\\n' > {FOLDER}/lab-resume.conf
. /etc/default/chrony
resume() {{
    echo "DAEMON_OPTS=$DAEMON_OPTS -r -f {FOLDER}/lab-resume.conf" > {FOLDER}/lab-resume.env
}}
resume
systemctl daemon-reload
systemctl restart chrony
# Three measurements make a clock synchronized; four are the whole of a burst.
for dummy in $(seq 200); do
    chronyc -c sourcestats | cut -d, -f2 | grep -qv '^[0-3]$' && break
    sleep 0.1
done
chronyc waitsync 1 >/dev/null
resume
"""


def prepare_resume(host: Host) -> None:
    """Have a running host's chronyd keep its measurements when the host is shut down, and use them after each restore.

    A host whose clock is not synchronized with another one's is left as it is.
    """
    host.ask("sh", "-euc", PREPARE)
