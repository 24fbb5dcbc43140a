"""pjsip.conf as Asterisk reads it. Opens files; does no other I/O."""
