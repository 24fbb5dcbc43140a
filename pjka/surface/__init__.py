"""Where pjka is seen and steered from outside: control socket and service manager."""
