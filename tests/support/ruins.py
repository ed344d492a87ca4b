# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a test can do to its host at worst, by name: shell commands for root."""

from __future__ import annotations

RUINS = {
    "sshd is removed": "dpkg --force-all --purge openssh-server >/dev/null 2>&1; rm -rf /etc/ssh /usr/sbin/sshd",
    "chrony is stopped for good": "systemctl disable --now chrony; rm -rf /etc/chrony /var/lib/chrony",
    "the clock has another source": "echo 'server 192.0.2.1' > /etc/chrony/sources.d/lab.sources; "
    "systemctl restart chrony",
    "PAM is broken": "rm -rf /etc/pam.d; mkdir /etc/pam.d; echo rubbish > /etc/pam.d/sshd",
    "units are masked": "systemctl mask --now ssh.service systemd-networkd systemd-logind dbus.socket",
    "accounts are gone": "rm -f /etc/passwd /etc/shadow; rm -rf /home /root; mkdir /home; touch /root",
    "a directory is another one": "rm -rf /srv; mkdir /srv; touch /srv/new; chattr +i /srv/new",
    "the disk is full": "mount -t tmpfs -o size=1m tmpfs /var/lib; cat /dev/zero > /var/lib/full",
    "the disk is read-only": "mount -o remount,ro /",
    "it does not boot": "rm -rf /usr/lib/systemd /sbin/init",
    "it is switched off": "systemctl poweroff",
}
