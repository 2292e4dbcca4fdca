"""What real programs printed, cut down to what matters and a little around it."""

PROCMAIL = """\
procmail v3.23pre 2001/09/13
    Copyright (c) 1990-2001, Stephen R. van den Berg\t<srb@cuci.nl>

Locking strategies:\tdotlocking, fcntl()
Default rcfile:\t\t$HOME/.procmailrc
\tIt may be writable by your primary group
Your system mailbox:\t/var/mail/root
"""

MUTT = """\
Mutt 2.2.12 (2023-09-09)
Copyright (C) 1996-2023 Michael R. Elkins and others.

System: Linux 6.1.0 (x86_64)
Configure options: --build=x86_64-linux-gnu --enable-fcntl --enable-dotlock -DFLOCK

Compile options:
-DOMAIN
+DEBUG
-HOMESPOOL  +USE_SETGID  +USE_DOTLOCK  +DL_STANDALONE  +USE_FCNTL  -USE_FLOCK   
+USE_POP  +USE_IMAP  +USE_SMTP  
SENDMAIL="/usr/sbin/sendmail"
"""  # noqa: W291 -- as printed

NEOMUTT = """\
NeoMutt 20220429
Copyright (C) 1996-2022 Michael R. Elkins and others.

Default options:
  +attach_headers_color +compose_to_sender +compress +cond_date +debug 

Compile options:
  +autocrypt +fcntl -flock -fmemopen +futimens +getaddrinfo +gnutls +gpgme 
  +gsasl +gss +hcache -homespool +idn +inotify -locales_hack +lua +mixmaster 

MAILPATH="/var/mail"
"""  # noqa: W291 -- as printed

MAILDROP = """\
maildrop 2.9.3 Copyright 1998-2017 Double Precision, Inc.
GDBM/DB extensions enabled.
"""

MAILUTILS = "mail (GNU Mailutils) 3.15\nCopyright (C) 2007-2022 Free Software Foundation, inc.\n"

S_NAIL = "s-nail v14.9.24, 2022-03-26 (built for Linux)\n"

ALPINE = "Alpine 2.26 (DEB 649 2022-06-02) built Thu Jun 9 05:12:53 UTC 2022 on debian\n"

POSTFIX = """\
deliver_lock_attempts = 20
deliver_lock_delay = 1s
home_mailbox =
mail_version = 3.7.11
mailbox_command =
mailbox_delivery_lock = fcntl, dotlock
mailbox_transport =
stale_lock_time = 500s
virtual_mailbox_lock = fcntl
virtual_mailbox_maps = hash:/etc/postfix/vmaps
virtual_transport = virtual
"""

DOVECOT = """\
# 2.3.19.1 (9b53102964): /etc/dovecot/dovecot.conf
# OS: Linux 6.1.0 x86_64 Debian 12.11 
mail_access_groups = 
mail_location = mbox:~/mail:INBOX=/var/mail/%u
mail_privileged_group = mail
mbox_dotlock_change_timeout = 2 mins
mbox_lock_timeout = 5 mins
mbox_read_locks = fcntl
mbox_write_locks = fcntl dotlock
namespace inbox {
  inbox = yes
  location = 
  mailbox Drafts {
    auto = no
  }
}
"""  # noqa: W291 -- as printed

DOVECOT_24 = """\
# 2.4.1-4 (7d8c0e5759): /etc/dovecot/dovecot.conf
dovecot_config_version = 2.4.0
mail_driver = mbox
mail_path = ~/mail
mail_inbox_path = /var/mail/%{user}
mbox_dotlock_change_timeout = 90 secs
mbox_lock_timeout = 1 min
mbox_read_locks {
  fcntl = yes
}
mbox_write_locks {
  dotlock_try = yes
  flock = yes
}
"""

EXIM_VERSION = "Exim version 4.96 #2 built 27-May-2026 16:52:26\nCopyright (c) University of Cambridge, 1995 - 2018\n"

EXIM = """\

mail_spool transport:
no_body_only
delivery_date_add
driver = appendfile
group = mail
user = 
*expand_maildir_use_size_file = 
no_allow_fifo
check_string = From 
directory = 
file = /var/mail/$local_part_data
lock_fcntl_timeout = 0s
lock_interval = 3s
lock_retries = 10
lockfile_timeout = 30m
no_maildir_format
no_mailstore_format
message_prefix = From ${if def:return_path{$return_path}{MAILER-DAEMON}} ${tod_bsdinbox}\\n
use_fcntl_lock
no_use_flock_lock
use_lockfile

home_maildir transport:
driver = appendfile
directory = /home/x/Maildir
lock_retries = 10
maildir_format
no_mailstore_format
use_fcntl_lock
no_use_flock_lock
use_lockfile

flocked transport:
driver = appendfile
group = 
directory = 
file = /var/mail/x
lock_interval = 3s
lock_retries = 5
lockfile_timeout = 10m
no_maildir_format
no_mailstore_format
no_use_fcntl_lock
use_flock_lock
no_use_lockfile

address_pipe transport:
driver = pipe
timeout = 1h
"""  # noqa: W291 -- as printed
