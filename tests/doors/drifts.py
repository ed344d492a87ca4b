# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to hosts: each is a line of shell that a package, a colleague or another tool may as well have run."""

from __future__ import annotations

from .model import Drift

PRELUDE = r"""
set -e
cd /etc/pam.d
dropins=/etc/ssh/sshd_config.d
dropin=$dropins/00-twofactor.conf
policy=/etc/pam.d/twofactor
state=/var/lib/twofactor
package=/root/doors/before/etc/pam.d
services="sudo su login cockpit"
export DEBIAN_FRONTEND=noninteractive

restart() { systemctl reset-failed ssh.service; systemctl restart ssh.service; }
# first TEXT: a drop-in that sshd reads before ours
first() { printf "$1\n" > $dropins/00-first.conf; restart; }
# edit EXPRESSION FILE...: sed, which has to change each file
edit() {
    expression=$1; shift
    for file; do
        cp -p "$file" /tmp/was; sed -i "$expression" "$file"
        if cmp -s "$file" /tmp/was; then echo "there is nothing to edit in $file"; exit 1; fi
    done
}
# names LETTERS: the accounts of some kinds (tables.py), with commas
names() { cut -d: -f1 /etc/passwd | grep "^[$1][0-9]" | paste -sd,; }
# rescue PORT: a configuration for another sshd
rescue() {
    printf "Port $1\nPidFile /run/rescue.pid\nUsePAM yes\nPasswordAuthentication yes\nInclude $dropins/9*.conf\n" \
        > /etc/ssh/rescue_config
}
# socket NAME PORT COMMAND: systemd listens, and runs the command for each login
socket() {
    printf "[Socket]\nListenStream=$2\nAccept=yes\nMaxConnections=500\n" > /etc/systemd/system/$1.socket
    printf "[Service]\nExecStart=-$3\nStandardInput=socket\nRuntimeDirectory=sshd\nRuntimeDirectoryPreserve=yes\n" \
        > /etc/systemd/system/$1@.service
    systemctl daemon-reload; systemctl start $1.socket
}
"""
"""Functions and names that the commands below use; they begin in /etc/pam.d."""

_OURS = "# fleetauth.twofactor"
_PERMIT = "auth sufficient pam_permit.so"
_PASSWORD_IS_ENOUGH = "1i auth sufficient pam_unix.so nullok"

NOTHING = Drift("nothing", "a host on which nothing has happened", "true")

_REMOVED = (
    Drift("drop-in removed", "configuration management that owns sshd_config.d", "rm $dropin; restart"),
    Drift("drop-in emptied", "a full disk, an editor that failed", ": > $dropin; restart"),
    Drift(
        "drop-in removed, sshd not told",
        "the next restart opens it",
        "rm $dropin",
        insist="SSH|sshd|00-twofactor",
    ),
    Drift("PAM policy removed", "a file that no package owns is cleared away", "rm $policy"),
    Drift("PAM policy emptied", "a full disk, an editor that failed", ": > $policy"),
    Drift("PAM policy cut short", "a full disk", "edit '$d' $policy"),
    Drift("drop-in and PAM policy removed", "both, by one clean-up", "rm $dropin $policy; restart"),
    Drift("declaration removed", "/etc/twofactor is not in the backup", "rm -r /etc/twofactor"),
    Drift("declaration damaged", "a half-written file", "printf '{' > /etc/twofactor/policy.json"),
    Drift("tokens removed", "a backup without what root alone may read", "rm $state/tokens/*"),
    Drift("list of the enrolled removed", "a restore that leaves files out", "rm -f $state/enrolled"),
    Drift("list of the enrolled emptied", "a full disk", ": > $state/enrolled"),
    Drift("state removed", "/var is new after a reinstallation", "rm -r $state"),
    Drift("command removed", "a clean /usr/local", "rm /usr/local/sbin/twofactor"),
    Drift(
        "all but the declaration removed",
        "a host built anew from an image, with /etc/twofactor restored",
        "rm -r $state $dropin $policy; cp -a $package/. .; restart",
    ),
    Drift("SSH's lines removed", "somebody takes them out", f"edit '/{_OURS}/d' sshd"),
    Drift(
        "SSH's lines after the password removed",
        "a merge of two files",
        f"edit '/common-auth/,${{/{_OURS}/d}}' sshd",
    ),
    Drift(
        "SSH's lines for a key removed", "a merge of two files", f"edit '1,/common-auth/{{/{_OURS}/d}}' sshd"
    ),
    Drift("the services' lines removed", "somebody takes them out", f"edit '/{_OURS}/d' $services"),
    Drift("SSH's file removed", "PAM goes on with 'other'", "rm sshd"),
    Drift("the services' files removed", "PAM goes on with 'other'", "rm sudo su login"),
)

_EDITED = (
    Drift(
        "policy asks nothing", "a quick way in, left there", "echo 'auth required pam_permit.so' > $policy"
    ),
    Drift("policy ends before the code", "the same, by one line", f"edit '1i {_PERMIT}' $policy"),
    Drift("pam_oath always says yes", "an option from a forum", "edit '/pam_oath/s/$/ alwaysok/' $policy"),
    Drift(
        "any code will do",
        "a control word from a forum",
        "edit 's/default=bad\\] pam_oath/default=1] pam_oath/' $policy sshd",
    ),
    Drift("SSH's lines commented out", "somebody tries without", f"edit '/{_OURS}/s/^/#/' sshd"),
    Drift("the services' lines commented out", "somebody tries without", f"edit '/{_OURS}/s/^/#/' $services"),
    Drift(
        "a line between SSH's lines",
        "a tool that inserts after a match",
        "edit '/pam_oath/a auth optional pam_warn.so' sshd",
    ),
    Drift(
        "a line before the password",
        "a hardening guide",
        "edit 's/^@include common-auth/auth optional pam_warn.so\\n&/' sshd sudo su login",
    ),
    Drift(
        "lines reordered",
        "a tool that sorts: the code before the password",
        f"for f in sshd $services; do {{ grep '{_OURS}' $f; grep -v '{_OURS}' $f; }} > new; cat new > $f; done; rm new",
    ),
    Drift(
        "lines last",
        "a tool that appends what it knows",
        f"for f in sshd $services; do {{ grep -v '{_OURS}' $f; grep '{_OURS}' $f; }} > new; cat new > $f; done; rm new",
    ),
    Drift(
        "the password is enough, all services",
        "a recipe for common-auth",
        f"edit '{_PASSWORD_IS_ENOUGH}' common-auth",
    ),
    Drift("the password is enough, sudo", "a recipe for sudo", f"edit '{_PASSWORD_IS_ENOUGH}' sudo"),
    Drift("the password is enough, sshd", "a recipe for sshd", f"edit '{_PASSWORD_IS_ENOUGH}' sshd"),
    Drift("the password is enough, login", "a recipe for login", f"edit '{_PASSWORD_IS_ENOUGH}' login"),
    Drift("the password is enough, cockpit", "a recipe for cockpit", f"edit '{_PASSWORD_IS_ENOUGH}' cockpit"),
    Drift(
        "a group may su",
        "Debian's own example in /etc/pam.d/su",
        "edit '1i auth sufficient pam_wheel.so trust group=visitor' su",
    ),
    Drift(
        "a success in common-auth ends it",
        "the usual recipe for pam_faillock",
        "edit 's/success=1/success=ignore/; /pam_unix/a auth sufficient pam_faillock.so authsucc' common-auth",
    ),
    Drift(
        "a jump over the code",
        "sudo checks the password by itself",
        "edit 's/^@include common-auth/auth [success=2 default=die] pam_unix.so nullok/' sudo",
    ),
    Drift(
        "nobody is asked for a password",
        "fingerprints tried out",
        "edit 's/pam_unix/pam_permit/' common-auth",
    ),
    Drift(
        "accounts without a password",
        "passwd -d, since users have keys",
        "names eubx | tr , '\\n' | sed 's/$/:/' | chpasswd -e",
    ),
    Drift("pam-auth-update", "a package brings a profile", "pam-auth-update --force --package"),
    Drift(
        "pam-auth-update with another profile",
        "a package's profile that comes first",
        "printf 'Name: x\\nDefault: yes\\nPriority: 999\\nAuth-Type: Primary\\n"
        "Auth:\\n\\t[success=end default=ignore] pam_permit.so\\n' > /usr/share/pam-configs/x; "
        "pam-auth-update --force --package",
    ),
    Drift("SSH's file from the package", "dpkg --force-confnew", "cp -a $package/sshd ."),
    Drift(
        "the services' files from the package",
        "dpkg --force-confnew",
        "for f in $services; do cp -a $package/$f .; done",
    ),
)

_RESTORED = (
    Drift(
        "tokens that all may read",
        "a backup without modes",
        "chmod 755 $state $state/tokens; chmod 644 $state/tokens/*",
        insist="token",
    ),
    Drift(
        "command that all may write",
        "a backup without modes",
        "chmod 777 /usr/local/sbin/twofactor",
        insist="/usr/local/sbin/twofactor",
    ),
    Drift(
        "an older declaration",
        "last month's backup of /etc/twofactor",
        "edit '/\"sudo\"/d' /etc/twofactor/policy.json",
    ),
    Drift(
        "an older PAM policy",
        "last month's backup of /etc/pam.d, when users without a token were let in",
        "edit '2i auth [success=done default=ignore] pam_listfile.so item=user sense=deny "
        "file=/var/lib/twofactor/enrolled onerr=fail quiet' $policy",
    ),
    Drift(
        "older tokens",
        "a backup of the tokens from before users were enrolled",
        "rm $state/tokens/e*; : > $state/enrolled",
    ),
    Drift(
        "a lock left behind",
        "the power went during logins",
        "for f in $state/tokens/*.oath; do : > $f.lock; done",
    ),
    Drift(
        "a bypass that has ended",
        "its file was restored, its timer was not",
        'edit \'s/"until": [0-9.]*/"until": 1000000000.0/\' $state/bypass.json',
        insist="bypass|is off for|let off",
    ),
    Drift("a bypass that nobody wrote down", "its file has gone, its line has not", "rm $state/bypass.json"),
    Drift(
        "everybody in the exempt group",
        "a directory's group is added to the file",
        'edit "s/^\\(let-off:x:[0-9]*:\\).*/\\1$(names eubx)/" /etc/group',
    ),
    Drift("a module is missing", "apt-get autoremove", "dpkg --force-depends --remove libpam-oath"),
    Drift("libpam-oath reinstalled", "a security update", "apt-get install -qq --reinstall libpam-oath"),
    Drift("openssh-server configured anew", "a security update", "dpkg-reconfigure openssh-server"),
    Drift(
        "names from files alone",
        "a hardening guide",
        "edit 's/^\\(passwd\\|group\\|shadow\\):.*/\\1: files/' /etc/nsswitch.conf",
    ),
    Drift(
        "limits for local users alone",
        "a hardening guide",
        "echo local_users_only >> /etc/security/faillock.conf",
    ),
    Drift(
        "the state cannot be written",
        "a file system that has turned read-only",
        "mount --bind $state $state; mount -o remount,ro,bind $state",
    ),
)

_SSHD = (
    Drift(
        "an earlier Match User",
        "an exception for a user",
        "first 'Match User e*\\n  AuthenticationMethods publickey'",
    ),
    Drift(
        "an earlier Match User, passwords",
        "an exception for a user",
        "first 'Match User e*,u*\\n  AuthenticationMethods password\\n  PasswordAuthentication yes'",
    ),
    Drift(
        "an earlier Match Address",
        "an exception for an office",
        "first 'Match Address 10.0.0.0/8\\n  AuthenticationMethods publickey'",
    ),
    Drift(
        "an earlier Match Group",
        "an exception for a team",
        "groupadd team; gpasswd -M $(names e) team; first 'Match Group team\\n  AuthenticationMethods publickey'",
    ),
    Drift(
        "an earlier Match LocalPort",
        "an exception for a port",
        "first 'Match LocalPort 22\\n  AuthenticationMethods publickey'",
    ),
    Drift("an earlier AuthenticationMethods", "a hardening guide", "first 'AuthenticationMethods publickey'"),
    Drift(
        "an earlier AuthenticationMethods any",
        "somebody undoes it",
        "first 'AuthenticationMethods any\\nPasswordAuthentication yes'",
    ),
    Drift("UsePAM no", "a hardening guide", "first 'UsePAM no'"),
    Drift("keyboard-interactive is off", "a hardening guide", "first 'KbdInteractiveAuthentication no'"),
    Drift("empty passwords", "a lab's setting", "first 'PermitEmptyPasswords yes'"),
    Drift("another PAM service", "an sshd of its own", "first 'PAMServiceName other'", images=("debian13",)),
    Drift(
        "any environment is accepted",
        "AcceptEnv for a build",
        "first 'AcceptEnv *\\nPermitUserEnvironment yes'",
    ),
    Drift(
        "Match User in our drop-in",
        "an exception in the first file at hand",
        "edit 's/^Match all/Match User e*\\n  AuthenticationMethods publickey\\n&/' $dropin; restart",
    ),
    Drift(
        "one more alternative, a key",
        "logins made easier",
        "edit '/^Match all/,$s/AuthenticationMethods.*/& publickey/' $dropin; restart",
    ),
    Drift(
        "one more alternative, a password",
        "logins made easier",
        "edit '/^Match all/,$s/AuthenticationMethods.*/& password/; s/PasswordAuthentication no/"
        "PasswordAuthentication yes/' $dropin; restart",
    ),
    Drift(
        "drop-ins are not read",
        "sshd_config from a template",
        "edit '/^Include/d' /etc/ssh/sshd_config; restart",
    ),
    Drift(
        "drop-ins are read last",
        "sshd_config from a template",
        "edit '/^Include/d' /etc/ssh/sshd_config; "
        "printf '\\nAuthenticationMethods publickey\\nInclude %s\\n' '/etc/ssh/sshd_config.d/*.conf' "
        ">> /etc/ssh/sshd_config; restart",
    ),
    Drift(
        "options on the command line",
        "/etc/default/ssh",
        "echo 'SSHD_OPTS=-oAuthenticationMethods=publickey' > /etc/default/ssh; restart",
    ),
    Drift(
        "another configuration file",
        "/etc/default/ssh",
        "rescue 22; echo 'SSHD_OPTS=\"-f /etc/ssh/rescue_config\"' > /etc/default/ssh; restart",
    ),
)

_RESCUE = "rescue 2222; "
_DOORS = (
    Drift(
        "a second sshd", "as break-glass pages have it", f"{_RESCUE}/usr/sbin/sshd -f /etc/ssh/rescue_config"
    ),
    Drift(
        "a second sshd without PAM",
        "the same, by another page",
        f"{_RESCUE}edit '/UsePAM/d' /etc/ssh/rescue_config; /usr/sbin/sshd -f /etc/ssh/rescue_config",
    ),
    Drift(
        "a second sshd with options",
        "the usual file, another port",
        "/usr/sbin/sshd -p 2222 -o PidFile=/run/rescue.pid -o AuthenticationMethods=publickey",
    ),
    Drift(
        "a second sshd under another name",
        "a symbolic link",
        f"{_RESCUE}ln -s /usr/sbin/sshd /usr/local/sbin/hands; /usr/local/sbin/hands -f /etc/ssh/rescue_config",
    ),
    Drift(
        "a second sshd copied",
        "a program of its own",
        f"{_RESCUE}cp /usr/sbin/sshd /usr/local/sbin/hands; /usr/local/sbin/hands -f /etc/ssh/rescue_config",
    ),
    Drift(
        "a second sshd under a supervisor",
        "its parent is not init",
        f"{_RESCUE}setsid sh -c '/usr/sbin/sshd -D -f /etc/ssh/rescue_config; true' > /dev/null 2>&1 & sleep 1",
    ),
    Drift(
        "a second sshd behind a socket",
        "systemd listens, Accept=yes",
        f"{_RESCUE}socket rescue 2222 '/usr/sbin/sshd -i -f /etc/ssh/rescue_config'",
    ),
    Drift(
        "a user's own sshd",
        "a user who wants in from elsewhere",
        f"{_RESCUE}edit 's/UsePAM yes/UsePAM no/; s/PidFile.*/PidFile none/' /etc/ssh/rescue_config; "
        "ssh-keygen -q -t ed25519 -N '' -f /home/e1/host; echo HostKey /home/e1/host >> /etc/ssh/rescue_config; "
        "chown e1: /home/e1/host; "
        "setpriv --reuid=e1 --regid=e1 --clear-groups /usr/sbin/sshd -f /etc/ssh/rescue_config",
    ),
    Drift(
        "the usual sshd behind a socket",
        "one process for each login",
        "rescue 22; systemctl stop ssh.service; socket rescue 22 '/usr/sbin/sshd -i -f /etc/ssh/rescue_config'",
    ),
    Drift(
        "dropbear",
        "an SSH server that does not use PAM",
        "apt-get install -qq dropbear-bin; mkdir -p /etc/dropbear; /usr/sbin/dropbear -R -p 2222",
    ),
    Drift(
        "TinySSH behind a socket",
        "an SSH server for keys alone",
        "apt-get install -qq tinysshd; tinysshd-makekey /etc/tinyssh/hands; "
        "socket rescue 2222 '/usr/sbin/tinysshd /etc/tinyssh/hands'",
    ),
    Drift("sudo asks nobody", "a line in sudoers", "echo 'Defaults !authenticate' > /etc/sudoers.d/zz-easy"),
)

PLANTED = Drift(
    "everything is open",
    "holes that are there on purpose, so that each door is seen to open",
    "printf '%s required pam_permit.so\\n' auth account session > /tmp/open; "
    "for f in sshd sudo sudo-i su su-l login cockpit; do cp /tmp/open $f; done; "
    "rescue 2222; /usr/sbin/sshd -f /etc/ssh/rescue_config; "
    "first 'AuthenticationMethods any\\nPasswordAuthentication yes'",
)

DRIFTS = (NOTHING, *_REMOVED, *_EDITED, *_RESTORED, *_SSHD, *_DOORS)
